// SPDX-License-Identifier: Apache-2.0
// Promise: plugin and agent understand one another exactly or not at all, and no packet harms
// either.

#include "common/ipc/plugin_protocol.h"

#include <string>

#include "common/base/limits.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/guarded_bytes.h"

namespace secrets::plugin_protocol {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kTypeAt = 6;
constexpr std::size_t kLengthAt = 8;

/// A message written by hand, from `type` and the bytes of its body.
Bytes message_of(std::uint16_t type, const Bytes& body, std::uint16_t version = 1) {
    Bytes message;
    append(message, "SLS1");
    append_number<std::uint16_t>(message, version);
    append_number<std::uint16_t>(message, type);
    append_number(message, static_cast<std::uint32_t>(kHeaderBytes + body.size()));
    message.insert(message.end(), body.begin(), body.end());
    return message;
}

Bytes numbers(std::initializer_list<std::uint32_t> values) {
    Bytes bytes;
    for (const std::uint32_t value : values) append_number(bytes, value);
    return bytes;
}

/// `bytes` and behind them a text with its length.
Bytes with_text(Bytes bytes, std::string_view text) {
    append_number(bytes, static_cast<std::uint32_t>(text.size()));
    append(bytes, text);
    return bytes;
}

const Request kAsk = GrantRequest{JobId{7}, StepId{0xfffffffb}, Uid{1000}, 10000, "A,run:demo-1"};
const Request kWipe = WipeRequest{JobId{4294967295U}};
const Request kPing = PingRequest{};
const Request kCheck = CheckRequest{"A,run:demo-1"};
const Request kMarker = MarkerRequest{};
const Request kBind = BindRequest{JobId{7}, Uid{1000}, "demo-1"};
const Reply kGranted = Granted{4096, "waited 2.3 s for run demo-1"};
const Reply kNothing = Nothing{"no such run"};
const Reply kWaiting = Waiting{10000};
const Reply kRefused = Refused{"the run demo-1 belongs to bob"};
const Reply kDone = Done{"0.2.0"};
const Reply kBusy = Busy{"later"};
const Reply kMarked = Marked{120};

struct RequestCase {
    Request request;
    std::uint16_t type;
    Bytes body;
};
const Request kGet = GetRequest{"A,B=X", 5000};
/// A GRANT with the plugin's patience, which is version 2.
const Request kPatientAsk =
    GrantRequest{JobId{7}, StepId{0xfffffffb}, Uid{1000}, 10000, "A,run:demo-1", 5000};

std::vector<RequestCase> request_cases() {
    return {{kAsk, 1, with_text(numbers({7, 0xfffffffb, 1000, 10000}), "A,run:demo-1")},
            {kWipe, 2, numbers({4294967295U})},
            {kPing, 3, {}},
            {kCheck, 4, with_text({}, "A,run:demo-1")},
            {kMarker, 5, {}},
            {kGet, 6, with_text(numbers({5000}), "A,B=X")},
            {kBind, 7, with_text(numbers({7, 1000}), "demo-1")}};
}

struct ReplyCase {
    Reply reply;
    std::uint16_t type;
    Bytes body;
};
std::vector<ReplyCase> reply_cases() {
    return {{kGranted, 101, with_text(numbers({4096}), "waited 2.3 s for run demo-1")},
            {kNothing, 102, with_text({}, "no such run")},
            {kWaiting, 103, numbers({10000})},
            {kRefused, 104, with_text({}, "the run demo-1 belongs to bob")},
            {kDone, 105, with_text({}, "0.2.0")},
            {kBusy, 106, with_text({}, "later")},
            {kMarked, 107, numbers({120})}};
}

bool is_request(const Bytes& message) {
    return decode_request(GuardedBytes(message).bytes()).ok();
}
bool is_reply(const Bytes& message) {
    return decode_reply(GuardedBytes(message).bytes()).ok();
}

std::string refusal_of_request(const Bytes& message) {
    const auto request = decode_request(GuardedBytes(message).bytes());
    return request.ok() ? "(taken)" : request.status().message();
}
std::string refusal_of_reply(const Bytes& message) {
    const auto reply = decode_reply(GuardedBytes(message).bytes());
    return reply.ok() ? "(taken)" : reply.status().message();
}

/// Every message of the protocol, requests and replies.
std::vector<Bytes> all_messages() {
    std::vector<Bytes> messages;
    for (const RequestCase& row : request_cases()) messages.push_back(encode(row.request));
    for (const ReplyCase& row : reply_cases()) messages.push_back(encode(row.reply));
    return messages;
}

TEST_CASE("Plugin protocol: encodes exactly the documented bytes", "[wire]") {
    for (const RequestCase& row : request_cases()) {
        CAPTURE(row.type);
        CHECK(encode(row.request) == message_of(row.type, row.body));
    }
    for (const ReplyCase& row : reply_cases()) {
        CAPTURE(row.type);
        CHECK(encode(row.reply) == message_of(row.type, row.body));
    }
}

TEST_CASE("Plugin protocol: has GRANT in two versions, with the plugin's patience and without",
          "[wire]") {
    const Bytes encoded = encode(kPatientAsk);
    const Bytes body = with_text(numbers({7, 0xfffffffb, 1000, 10000, 5000}), "A,run:demo-1");
    CHECK(encoded == message_of(1, body, 2));
    const auto patient = decode_request(encoded);
    REQUIRE(patient.ok());
    CHECK(std::get<GrantRequest>(*patient).patience_milliseconds == 5000);
    CHECK(std::get<GrantRequest>(*patient).ask == "A,run:demo-1");
    CHECK(time_to_answer(std::get<GrantRequest>(*patient)) == std::chrono::seconds(4));
    const auto old = decode_request(encode(kAsk));
    REQUIRE(old.ok());
    CHECK(std::get<GrantRequest>(*old).patience_milliseconds == 0);
    CHECK(time_to_answer(std::get<GrantRequest>(*old)) == std::chrono::seconds(4));
    CHECK_FALSE(is_request(message_of(1, body, 1)));
    CHECK_FALSE(is_request(message_of(1, body, 3)));
}

TEST_CASE("Plugin protocol: has the node's name after the spec, in version 2 only", "[wire]") {
    GrantRequest request = std::get<GrantRequest>(kPatientAsk);
    request.node = "n1";
    const Bytes numbers_of_ask = numbers({7, 0xfffffffb, 1000, 10000, 5000});
    const Bytes body = with_text(with_text(numbers_of_ask, "A,run:demo-1"), "n1");
    CHECK(Bytes(encode(Request(request))) == message_of(1, body, 2));
    const auto decoded = decode_request(message_of(1, body, 2));
    REQUIRE(decoded.ok());
    CHECK(std::get<GrantRequest>(*decoded).node == "n1");
    CHECK(std::get<GrantRequest>(*decoded).ask == "A,run:demo-1");
    CHECK_FALSE(is_request(message_of(1, body, 1)));
    CHECK_FALSE(is_request(message_of(1, with_text(body, "more"), 2)));
    const std::string long_name(kMaxNodeNameBytes + 1, 'n');
    CHECK_FALSE(is_request(message_of(1, with_text(with_text(numbers_of_ask, "A"), long_name), 2)));
    request.patience_milliseconds = 0;
    CHECK(Bytes(encode(Request(request))) ==
          message_of(1, with_text(numbers({7, 0xfffffffb, 1000, 10000}), "A,run:demo-1"), 1));
}

TEST_CASE("Plugin protocol: decodes every request with its fields", "[wire]") {
    auto request = decode_request(encode(kAsk));
    REQUIRE(request.ok());
    const auto* ask = std::get_if<GrantRequest>(&request.value());
    REQUIRE(ask != nullptr);
    CHECK(ask->job == JobId{7});
    CHECK(ask->step == StepId{0xfffffffb});
    CHECK(ask->uid == Uid{1000});
    CHECK(ask->wait_milliseconds == 10000);
    CHECK(ask->ask == "A,run:demo-1");

    request = decode_request(encode(kWipe));
    REQUIRE(request.ok());
    const auto* wipe = std::get_if<WipeRequest>(&request.value());
    REQUIRE(wipe != nullptr);
    CHECK(wipe->job == JobId{4294967295U});

    request = decode_request(encode(kPing));
    REQUIRE(request.ok());
    CHECK(std::holds_alternative<PingRequest>(*request));

    request = decode_request(encode(kCheck));
    REQUIRE(request.ok());
    const auto* check = std::get_if<CheckRequest>(&request.value());
    REQUIRE(check != nullptr);
    CHECK(check->ask == "A,run:demo-1");

    request = decode_request(encode(kMarker));
    REQUIRE(request.ok());
    CHECK(std::holds_alternative<MarkerRequest>(*request));

    request = decode_request(encode(kGet));
    REQUIRE(request.ok());
    const auto* get = std::get_if<GetRequest>(&request.value());
    REQUIRE(get != nullptr);
    CHECK((get->spec == "A,B=X" && get->patience_milliseconds == 5000));
    CHECK_FALSE(is_request(message_of(6, with_text(numbers({kMaxWaitMilliseconds + 1}), "A"))));
}

TEST_CASE("Plugin protocol: decodes every reply with its fields", "[wire]") {
    auto reply = decode_reply(encode(kGranted));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Granted>(*reply));
    CHECK(std::get<Granted>(*reply).image_length == 4096);
    CHECK(std::get<Granted>(*reply).note == "waited 2.3 s for run demo-1");

    reply = decode_reply(encode(kNothing));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Nothing>(*reply));
    CHECK(std::get<Nothing>(*reply).note == "no such run");

    reply = decode_reply(encode(kWaiting));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Waiting>(*reply));
    CHECK(std::get<Waiting>(*reply).wait_milliseconds == 10000);

    reply = decode_reply(encode(kRefused));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Refused>(*reply));
    CHECK(std::get<Refused>(*reply).sentence == "the run demo-1 belongs to bob");

    reply = decode_reply(encode(kDone));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Done>(*reply));
    CHECK(std::get<Done>(*reply).note == "0.2.0");

    reply = decode_reply(encode(kBusy));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Busy>(*reply));
    CHECK(std::get<Busy>(*reply).sentence == "later");

    reply = decode_reply(encode(kMarked));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Marked>(*reply));
    CHECK(std::get<Marked>(*reply).marker_length == 120);
}

TEST_CASE("Plugin protocol: transfers a spec unchanged whatever its bytes", "[wire]") {
    for (const std::string& text : {std::string(), std::string("A\n\x1b\xff"),
                                    std::string("a\0b", 3), std::string(kMaxSpecBytes, 'A')}) {
        CAPTURE(text.size());
        GrantRequest ask;
        ask.ask = text;
        const Bytes message = encode(Request(ask));
        CHECK(message.size() <= kMaxMessageBytes);
        const auto request = decode_request(GuardedBytes(message).bytes());
        REQUIRE(request.ok());
        CHECK(std::get<GrantRequest>(*request).ask == text);
    }
}

TEST_CASE("Plugin protocol: rejects every truncated message without reading past its end",
          "[wire]") {
    for (const Bytes& whole : all_messages()) {
        const auto type = number_at<std::uint16_t>(whole, kTypeAt);
        for (std::size_t length = 0; length < whole.size(); ++length) {
            CAPTURE(type, length);
            Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
            CHECK_FALSE(is_request(cut));
            CHECK_FALSE(is_reply(cut));
            if (length < kHeaderBytes) continue;
            // The same, with a header that owns up to it.
            set_number(cut, kLengthAt, static_cast<std::uint32_t>(length));
            CHECK_FALSE(is_request(cut));
            CHECK_FALSE(is_reply(cut));
        }
    }
}

TEST_CASE("Plugin protocol: rejects a message with one extra byte", "[wire]") {
    for (const Bytes& whole : all_messages()) {
        CAPTURE(number_at<std::uint16_t>(whole, kTypeAt));
        Bytes longer = whole;
        longer.push_back(std::byte{0});
        CHECK_FALSE(is_request(longer));
        CHECK_FALSE(is_reply(longer));
        set_number(longer, kLengthAt, static_cast<std::uint32_t>(longer.size()));
        CHECK_FALSE(is_request(longer));
        CHECK_FALSE(is_reply(longer));
    }
}

TEST_CASE("Plugin protocol: rejects each wrong header field with its cause", "[wire]") {
    for (const Bytes& whole : all_messages()) {
        CAPTURE(number_at<std::uint16_t>(whole, kTypeAt));
        for (std::size_t at = 0; at < 4; ++at) {
            Bytes message = whole;
            message[at] ^= std::byte{0x20};
            CHECK(refusal_of_request(message) ==
                  "an invalid message: it does not belong to a slurm-secrets protocol");
            CHECK(refusal_of_reply(message) == refusal_of_request(message));
        }
        Bytes message = whole;
        set_number<std::uint16_t>(message, kVersionAt, 3);
        CHECK(refusal_of_request(message) ==
              "a message of protocol version 3, but this side has version 2; install agent and "
              "plugin of one release");
        CHECK(refusal_of_reply(message) == refusal_of_request(message));

        for (const std::uint32_t length :
             {0U, 11U, static_cast<std::uint32_t>(whole.size()) - 1,
              static_cast<std::uint32_t>(whole.size()) + 1, 0xffffffffU}) {
            message = whole;
            set_number(message, kLengthAt, length);
            CHECK(refusal_of_request(message) == "an invalid message: it declares " +
                                                     std::to_string(length) + " bytes but has " +
                                                     std::to_string(whole.size()));
            CHECK(refusal_of_reply(message) == refusal_of_request(message));
        }
    }
}

TEST_CASE("Plugin protocol: rejects unknown types and messages of the other direction", "[wire]") {
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 8, 100, 108, 65535}) {
        const std::string sentence = "a message of unknown type " + std::to_string(type);
        CHECK(refusal_of_request(message_of(type, {})) == sentence);
        CHECK(refusal_of_reply(message_of(type, {})) == sentence);
    }
    for (const RequestCase& row : request_cases()) CHECK_FALSE(is_reply(encode(row.request)));
    for (const ReplyCase& row : reply_cases()) CHECK_FALSE(is_request(encode(row.reply)));
}

TEST_CASE("Plugin protocol: rejects a text whose length does not match", "[wire]") {
    constexpr std::size_t kAskLengthAt = kHeaderBytes + 16;
    constexpr std::size_t kNoteLengthAt = kHeaderBytes + 4;
    for (const std::uint32_t length : {0U, 11U, 13U, 0x7fffffffU, 0xfffffff0U, 0xffffffffU}) {
        CAPTURE(length);
        Bytes message = encode(kAsk);
        set_number(message, kAskLengthAt, length);
        CHECK(refusal_of_request(message) == "a malformed GRANT message");
    }
    for (const std::uint32_t length : {0U, 26U, 28U, 0x7fffffffU, 0xfffffff0U, 0xffffffffU}) {
        CAPTURE(length);
        Bytes message = encode(kGranted);
        set_number(message, kNoteLengthAt, length);
        CHECK(refusal_of_reply(message) == "a malformed reply message");
    }
}

TEST_CASE("Plugin protocol: rejects a message that exceeds a limit", "[wire]") {
    const std::string longest_ask(kMaxSpecBytes, 'A');
    const std::string longest_note(kMaxSentenceBytes, 'n');
    CHECK(is_request(
        message_of(1, with_text(numbers({1, 2, 3, kMaxWaitMilliseconds}), longest_ask))));
    CHECK_FALSE(is_request(message_of(1, with_text(numbers({1, 2, 3, 0}), longest_ask + "A"))));
    CHECK_FALSE(
        is_request(message_of(1, with_text(numbers({1, 2, 3, kMaxWaitMilliseconds + 1}), "A"))));
    CHECK_FALSE(is_request(message_of(1, with_text(numbers({1, 2, 3, 0xffffffffU}), "A"))));
    CHECK(is_reply(message_of(104, with_text({}, longest_note))));
    CHECK_FALSE(is_reply(message_of(104, with_text({}, longest_note + "n"))));
    CHECK_FALSE(is_request(Bytes(kMaxMessageBytes + 1)));
}

TEST_CASE("Plugin protocol: writes only printable sentences and rejects others", "[wire]") {
    struct Row {
        std::uint16_t type;
        Bytes numbers;
        Reply reply;
    };
    const std::string ugly = "a\nb\x1b[31m\xc3\xa9";
    const std::string clean = "a?b?[31m??";
    const Row rows[] = {{101, numbers({1}), Granted{1, ugly}},
                        {102, {}, Nothing{ugly}},
                        {104, {}, Refused{ugly}},
                        {105, {}, Done{ugly}},
                        {106, {}, Busy{ugly}}};
    for (const Row& row : rows) {
        CAPTURE(row.type);
        CHECK(encode(row.reply) == message_of(row.type, with_text(row.numbers, clean)));
        CHECK_FALSE(is_reply(message_of(row.type, with_text(row.numbers, ugly))));
    }
}

TEST_CASE("Plugin protocol: truncates a sentence that is too long", "[wire]") {
    const auto reply = decode_reply(encode(Reply(Refused{std::string(100000, 'x')})));
    REQUIRE(reply.ok());
    CHECK(std::get<Refused>(*reply).sentence == std::string(kMaxSentenceBytes, 'x'));
}

TEST_CASE("Plugin protocol: reads no byte outside a message with a flipped bit", "[wire]") {
    for (const Bytes& whole : all_messages()) {
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes flipped = whole;
            flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
            const bool taken = is_request(flipped) || is_reply(flipped);
            const bool in_type = bit / 8 == kTypeAt || bit / 8 == kTypeAt + 1;
            CAPTURE(bit);
            // A type may turn into another one with the same fields; no other field of a header
            // may.
            if (bit / 8 < kHeaderBytes && !in_type) CHECK_FALSE(taken);
        }
    }
}

}  // namespace
}  // namespace secrets::plugin_protocol
