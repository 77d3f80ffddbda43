// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/value_answer.h"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>

#include "agentd/base/base64.h"
#include "common/base/text_as.h"

namespace secrets::aws {
namespace {

namespace json = boost::json;

/// Counts the bytes of a text, and writes those for which it has room.
class Sink {
  public:
    Sink() = default;
    explicit Sink(std::span<std::byte> out) : out_(out) {}

    std::size_t length() const { return length_; }
    void add(std::byte byte) {
        if (length_ < out_.size()) out_[length_] = byte;
        ++length_;
    }
    void add(std::string_view text) {
        for (const char each : text) add(static_cast<std::byte>(each));
    }

  private:
    std::span<std::byte> out_;
    std::size_t length_ = 0;
};

/// Returns what `write` adds to a sink: it is called to measure, and again to write.
template <typename Write>
SecretBuffer written(const Write& write) {
    Sink measure;
    write(measure);
    SecretBuffer text(measure.length());
    Sink sink(text.bytes());
    write(sink);
    return text;
}

std::string quoted(const std::string& text) {
    return json::serialize(json::string(text_as<json::string_view>(std::string_view(text))));
}

/// Adds a value as a JSON string.
void add_quoted(Sink& sink, std::span<const std::byte> value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    sink.add("\"");
    for (const std::byte each : value) {
        const auto code = std::to_integer<unsigned>(each);
        if (code == '"' || code == '\\') sink.add("\\");
        if (code >= ' ') {
            sink.add(each);
            continue;
        }
        sink.add("\\u00");
        sink.add(kDigits.substr(code >> 4, 1));
        sink.add(kDigits.substr(code & 0xf, 1));
    }
    sink.add("\"");
}

void add_value(Sink& sink, const Version& version) {
    const auto bytes = version.value.view().bytes();
    if (version.is_binary || !is_utf8(bytes)) {
        const SecretBuffer text = encode_base64(version.value.view());
        sink.add("\"SecretBinary\":");
        add_quoted(sink, text.view().bytes());
    } else {
        sink.add("\"SecretString\":");
        add_quoted(sink, bytes);
    }
}

/// Returns a time as AWS writes it: seconds with three decimals.
std::string seconds_text(std::chrono::sys_time<std::chrono::milliseconds> time) {
    const auto milliseconds = time.time_since_epoch().count();
    std::string rest = std::to_string(milliseconds % 1000);
    rest.insert(0, 3 - rest.size(), '0');
    return std::to_string(milliseconds / 1000) + "." + rest;
}

void add(Sink& sink, const ValueAnswer& answer) {
    const Version& version = *answer.version;
    sink.add("{\"ARN\":" + quoted(answer.arn) + ",\"Name\":" + quoted(answer.name) +
             ",\"VersionId\":" + quoted(version.id) + ",");
    add_value(sink, version);
    sink.add(",\"VersionStages\":[");
    for (const std::string& stage : version.stages) {
        if (&stage != &version.stages.front()) sink.add(",");
        sink.add(quoted(stage));
    }
    sink.add("],\"CreatedDate\":" + seconds_text(version.created) + "}");
}

/// The first bytes of a character: which they are, the range of the second byte, and how many more
/// follow, each of 0x80 to 0xbf.
struct FirstBytes {
    unsigned least, most;
    unsigned least_second, most_second;
    std::size_t more;
};

// RFC 3629, section 4: neither a surrogate, nor a longer form than needed.
constexpr auto kFirstBytes = std::to_array<FirstBytes>({
    {0xc2, 0xdf, 0x80, 0xbf, 0},
    {0xe0, 0xe0, 0xa0, 0xbf, 1},
    {0xe1, 0xec, 0x80, 0xbf, 1},
    {0xed, 0xed, 0x80, 0x9f, 1},
    {0xee, 0xef, 0x80, 0xbf, 1},
    {0xf0, 0xf0, 0x90, 0xbf, 2},
    {0xf1, 0xf3, 0x80, 0xbf, 2},
    {0xf4, 0xf4, 0x80, 0x8f, 2},
});

/// Returns the length of the character that `bytes` begin with; 0: they begin with none.
std::size_t character_length(std::span<const std::byte> bytes) {
    const auto at = [&](std::size_t place) { return std::to_integer<unsigned>(bytes[place]); };
    if (at(0) < 0x80) return 1;
    for (const FirstBytes& each : kFirstBytes) {
        if (at(0) < each.least || at(0) > each.most) continue;
        const std::size_t length = each.more + 2;
        if (bytes.size() < length || at(1) < each.least_second || at(1) > each.most_second)
            return 0;
        for (std::size_t place = 2; place < length; ++place) {
            if (at(place) < 0x80 || at(place) > 0xbf) return 0;
        }
        return length;
    }
    return 0;
}

}  // namespace

bool is_utf8(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const std::size_t length = character_length(bytes);
        if (length == 0) return false;
        bytes = bytes.subspan(length);
    }
    return true;
}

SecretBuffer value_json(const ValueAnswer& answer) {
    return written([&](Sink& sink) { add(sink, answer); });
}

SecretBuffer batch_json(std::span<const ValueAnswer> answers, std::span<const BatchError> errors,
                        const std::string& next_token) {
    return written([&](Sink& sink) {
        sink.add("{\"SecretValues\":[");
        for (const ValueAnswer& answer : answers) {
            if (&answer != &answers.front()) sink.add(",");
            add(sink, answer);
        }
        sink.add("],\"Errors\":[");
        for (const BatchError& each : errors) {
            if (&each != &errors.front()) sink.add(",");
            sink.add("{\"SecretId\":" + quoted(each.secret_id) +
                     ",\"ErrorCode\":" + quoted(std::string(type_name(each.error.type))) +
                     ",\"Message\":" + quoted(each.error.sentence) + "}");
        }
        sink.add("]");
        if (!next_token.empty()) sink.add(",\"NextToken\":" + quoted(next_token));
        sink.add("}");
    });
}

}  // namespace secrets::aws
