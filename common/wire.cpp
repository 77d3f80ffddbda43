#include "common/wire.h"

#include <string.h>

#include <algorithm>

#include "common/limits.h"
#include "common/names.h"

namespace secrets::wire {
namespace {

constexpr char kMagic[4] = {'S', 'L', 'S', '1'};
constexpr std::uint16_t kVersion = 1;

enum class Type : std::uint16_t {
    ask = 1,
    wipe = 2,
    ping = 3,
    check = 4,
    granted = 101,
    nothing = 102,
    waiting = 103,
    refused = 104,
    done = 105,
};

struct Header {
    char magic[4];
    std::uint16_t version;
    std::uint16_t type;
    std::uint32_t length;
};
static_assert(sizeof(Header) == 12);

bool is_unprintable(char c) {
    return c < ' ' || c > '~';
}

class Writer {
  public:
    explicit Writer(Type type) : message_(sizeof(Header)), type_(type) {}

    Writer& number(std::uint32_t value) {
        append(&value, sizeof(value));
        return *this;
    }
    Writer& text(std::string_view text) {
        number(static_cast<std::uint32_t>(text.size()));
        append(text.data(), text.size());
        return *this;
    }
    /// A text for a person: cut to its limit, and made printable.
    Writer& sentence(std::string_view sentence) {
        return text(printable(sentence.substr(0, kMaxSentenceBytes)));
    }
    Message finish() {
        Header header{{},
                      kVersion,
                      static_cast<std::uint16_t>(type_),
                      static_cast<std::uint32_t>(message_.size())};
        memcpy(header.magic, kMagic, sizeof(kMagic));
        memcpy(message_.data(), &header, sizeof(header));
        return std::move(message_);
    }

  private:
    void append(const void* data, std::size_t size) {
        const auto* bytes = static_cast<const std::byte*>(data);
        message_.insert(message_.end(), bytes, bytes + size);
    }

    Message message_;
    Type type_;
};

class Reader {
  public:
    explicit Reader(std::span<const std::byte> body) : rest_(body) {}

    std::uint32_t number() {
        std::uint32_t value = 0;
        if (rest_.size() < sizeof(value)) {
            failed_ = true;
            return 0;
        }
        memcpy(&value, rest_.data(), sizeof(value));
        rest_ = rest_.subspan(sizeof(value));
        return value;
    }
    std::string text(std::size_t limit) {
        const std::uint32_t length = number();
        if (failed_ || length > limit || length > rest_.size()) {
            failed_ = true;
            return {};
        }
        std::string text(reinterpret_cast<const char*>(rest_.data()), length);
        rest_ = rest_.subspan(length);
        return text;
    }
    std::string sentence() {
        std::string sentence = text(kMaxSentenceBytes);
        if (std::any_of(sentence.begin(), sentence.end(), is_unprintable)) failed_ = true;
        return sentence;
    }
    /// Whether every field was there and nothing is left over.
    bool complete() const { return !failed_ && rest_.empty(); }

  private:
    std::span<const std::byte> rest_;
    bool failed_ = false;
};

Result<Header> check_header(std::span<const std::byte> message) {
    Header header;
    if (message.size() < sizeof(header)) return Error{"a message is shorter than its header"};
    memcpy(&header, message.data(), sizeof(header));
    if (memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
        return Error{"a message does not speak the protocol of slurm-secrets"};
    }
    if (header.version != kVersion) {
        return Error{"a message has protocol version " + std::to_string(header.version) +
                     " and this side speaks version " + std::to_string(kVersion) +
                     "; install agent and plugin of one release"};
    }
    if (header.length != message.size() || message.size() > kMaxMessageBytes) {
        return Error{"a message says it has " + std::to_string(header.length) + " bytes and has " +
                     std::to_string(message.size())};
    }
    return header;
}

Error malformed(const char* what) {
    return Error{std::string("a malformed ") + what + " message"};
}
Error unknown_type(std::uint16_t type) {
    return Error{"a message has the unknown type " + std::to_string(type)};
}

Result<Request> decode_ask(Reader body) {
    AskRequest ask;
    ask.job.value = body.number();
    ask.step.value = body.number();
    ask.uid.value = body.number();
    ask.wait_milliseconds = body.number();
    ask.ask = body.text(kMaxAskBytes);
    if (!body.complete() || ask.wait_milliseconds > kMaxWaitMilliseconds) return malformed("ASK");
    return Request(std::move(ask));
}

Result<Request> decode_wipe(Reader body) {
    WipeRequest wipe{JobId{body.number()}};
    if (!body.complete()) return malformed("WIPE");
    return Request(wipe);
}

Result<Request> decode_check(Reader body) {
    CheckRequest check{body.text(kMaxAskBytes)};
    if (!body.complete()) return malformed("CHECK");
    return Request(std::move(check));
}

}  // namespace

Message encode(const Request& request) {
    if (const auto* ask = std::get_if<AskRequest>(&request)) {
        return Writer(Type::ask)
            .number(ask->job.value)
            .number(ask->step.value)
            .number(ask->uid.value)
            .number(ask->wait_milliseconds)
            .text(ask->ask)
            .finish();
    }
    if (const auto* wipe = std::get_if<WipeRequest>(&request)) {
        return Writer(Type::wipe).number(wipe->job.value).finish();
    }
    if (const auto* check = std::get_if<CheckRequest>(&request)) {
        return Writer(Type::check).text(check->ask).finish();
    }
    return Writer(Type::ping).finish();
}

Message encode(const Reply& reply) {
    if (const auto* granted = std::get_if<Granted>(&reply)) {
        return Writer(Type::granted).number(granted->image_length).sentence(granted->note).finish();
    }
    if (const auto* nothing = std::get_if<Nothing>(&reply)) {
        return Writer(Type::nothing).sentence(nothing->note).finish();
    }
    if (const auto* waiting = std::get_if<Waiting>(&reply)) {
        return Writer(Type::waiting).number(waiting->wait_milliseconds).finish();
    }
    if (const auto* refused = std::get_if<Refused>(&reply)) {
        return Writer(Type::refused).sentence(refused->sentence).finish();
    }
    return Writer(Type::done).sentence(std::get_if<Done>(&reply)->note).finish();
}

Result<Request> decode_request(std::span<const std::byte> message) {
    const auto header = check_header(message);
    if (!header) return header.error();
    const Reader body(message.subspan(sizeof(Header)));
    switch (static_cast<Type>(header->type)) {
        case Type::ask:
            return decode_ask(body);
        case Type::wipe:
            return decode_wipe(body);
        case Type::ping:
            if (!body.complete()) return malformed("PING");
            return Request(PingRequest{});
        case Type::check:
            return decode_check(body);
        default:
            return unknown_type(header->type);
    }
}

Result<Reply> decode_reply(std::span<const std::byte> message) {
    const auto header = check_header(message);
    if (!header) return header.error();
    Reader body(message.subspan(sizeof(Header)));
    Reply reply;
    switch (static_cast<Type>(header->type)) {
        case Type::granted: {
            Granted granted{body.number(), body.sentence()};
            reply = std::move(granted);
            break;
        }
        case Type::nothing:
            reply = Nothing{body.sentence()};
            break;
        case Type::waiting:
            reply = Waiting{body.number()};
            break;
        case Type::refused:
            reply = Refused{body.sentence()};
            break;
        case Type::done:
            reply = Done{body.sentence()};
            break;
        default:
            return unknown_type(header->type);
    }
    if (!body.complete()) return malformed("reply");
    return reply;
}

}  // namespace secrets::wire
