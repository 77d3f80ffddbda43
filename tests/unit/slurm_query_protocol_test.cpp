// SPDX-License-Identifier: Apache-2.0
// Promise: the agent and slurm-secrets-view understand one another exactly or not at all, and no
// packet harms either.

#include "common/ipc/slurm_query_protocol.h"

#include <string>

#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/guarded_bytes.h"

namespace secrets::slurm_query {
namespace {

constexpr std::size_t kHeaderBytes = 12;
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kTypeAt = 6;
constexpr std::size_t kLengthAt = 8;

/// A message written by hand, from `type` and the bytes of its body.
Bytes message_of(std::uint16_t type, const Bytes& body, std::uint16_t version = 2) {
    Bytes message;
    append(message, "SLV1");
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

/// A count, and that many numbers.
Bytes counted(const std::vector<std::uint32_t>& values) {
    Bytes bytes;
    append_number(bytes, static_cast<std::uint32_t>(values.size()));
    for (const std::uint32_t value : values) append_number(bytes, value);
    return bytes;
}

Bytes with_text(Bytes bytes, std::string_view text) {
    append_number(bytes, static_cast<std::uint32_t>(text.size()));
    append(bytes, text);
    return bytes;
}

Bytes users_body(std::uint32_t known, std::uint32_t more, const std::vector<std::string>& users) {
    Bytes bytes;
    for (const std::uint32_t number : {known, more, static_cast<std::uint32_t>(users.size())}) {
        append_number(bytes, number);
    }
    for (const std::string& user : users) bytes = with_text(std::move(bytes), user);
    return bytes;
}

const Request kJobs = JobsRequest{{JobId{7}, JobId{4294967295U}}};
const Request kEnds = JobsRequest{{JobId{7}, JobId{8}}, true, {Uid{1001}, kAnyUser}};
const Request kAccount = AccountRequest{"chem", "alice"};
const Reply kUsers = Users{true, true, {"bob", "carol"}};
const Reply kStates =
    States{{JobState::active, JobState::ended, JobState::unknown}, "slurmctld is down"};
const Request kPlaces =
    PlacementsRequest{{{JobId{7}, Uid{1001}, "n1", "10.77.0.2"}, {JobId{8}, Uid{0}, "n2", "::1"}}};
const Request kRecall = PlacementsRequest{std::get<PlacementsRequest>(kPlaces).places, false};
const Reply kVerdicts = Verdicts{{Verdict::runs_there, Verdict::unknown}, "slurmctld is down"};
const Request kProcess = ProcessRequest{4711};
const Reply kJob = JobOfProcess{JobId{7}};
const Reply kRefused = Refused{"only root and the agent may ask"};

std::string refusal_of_request(const Bytes& message) {
    const auto request = decode_request(GuardedBytes(message).bytes());
    return request.ok() ? "(taken)" : request.status().message();
}
std::string refusal_of_reply(const Bytes& message) {
    const auto reply = decode_reply(GuardedBytes(message).bytes());
    return reply.ok() ? "(taken)" : reply.status().message();
}
bool is_taken(const Bytes& message) {
    return refusal_of_request(message) == "(taken)" || refusal_of_reply(message) == "(taken)";
}

std::vector<Bytes> all_messages() {
    return {encode(kJobs),    encode(kAccount), encode(kPlaces),   encode(kStates),
            encode(kRefused), encode(kUsers),   encode(kVerdicts), encode(kProcess),
            encode(kJob),     encode(kRecall),  encode(kEnds)};
}

TEST_CASE("Slurm query protocol: encodes exactly the documented bytes", "[view_wire]") {
    CHECK(encode(kJobs) == message_of(1, counted({7, 4294967295U})));
    CHECK(encode(kEnds) == message_of(6, numbers({2, 7, 1001, 8, 4294967295U})));
    CHECK(encode(kStates) == message_of(101, with_text(counted({1, 2, 3}), "slurmctld is down")));
    CHECK(encode(kRefused) == message_of(102, with_text({}, "only root and the agent may ask")));
    CHECK(encode(kAccount) == message_of(2, with_text(with_text({}, "chem"), "alice")));
    CHECK(encode(kUsers) == message_of(103, users_body(1, 1, {"bob", "carol"})));
    Bytes places = with_text(with_text(counted({7, 1001}), "n1"), "10.77.0.2");
    append_number<std::uint32_t>(places, 8);
    append_number<std::uint32_t>(places, 0);
    places = with_text(with_text(places, "n2"), "::1");
    CHECK(encode(kPlaces) == message_of(3, places));
    CHECK(encode(kRecall) == message_of(5, places));
    CHECK(encode(kProcess) == message_of(4, numbers({4711})));
    CHECK(encode(kJob) == message_of(105, numbers({7})));
    CHECK(encode(kVerdicts) == message_of(104, with_text(counted({1, 6}), "slurmctld is down")));
}

TEST_CASE("Slurm query protocol: decodes every message with its fields", "[view_wire]") {
    auto request = decode_request(encode(kJobs));
    REQUIRE(request.ok());
    CHECK(std::get<JobsRequest>(*request).jobs == std::get<JobsRequest>(kJobs).jobs);
    CHECK_FALSE(std::get<JobsRequest>(*request).for_good);
    request = decode_request(encode(kEnds));
    REQUIRE(request.ok());
    CHECK(std::get<JobsRequest>(*request).jobs == std::vector{JobId{7}, JobId{8}});
    CHECK(std::get<JobsRequest>(*request).for_good);
    CHECK(std::get<JobsRequest>(*request).owners == std::vector{Uid{1001}, kAnyUser});
    request = decode_request(encode(kAccount));
    REQUIRE(request.ok());
    CHECK(std::get<AccountRequest>(*request).account == "chem");
    CHECK(std::get<AccountRequest>(*request).after == "alice");

    request = decode_request(encode(kProcess));
    REQUIRE(request.ok());
    CHECK(std::get<ProcessRequest>(*request).pid == 4711);

    auto reply = decode_reply(encode(kJob));
    REQUIRE(reply.ok());
    CHECK(std::get<JobOfProcess>(*reply).job == JobId{7});

    reply = decode_reply(encode(kStates));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<States>(*reply));
    CHECK(std::get<States>(*reply).states == std::get<States>(kStates).states);
    CHECK(std::get<States>(*reply).sentence == "slurmctld is down");

    reply = decode_reply(encode(kRefused));
    REQUIRE(reply.ok());
    REQUIRE(std::holds_alternative<Refused>(*reply));
    CHECK(std::get<Refused>(*reply).sentence == "only root and the agent may ask");

    reply = decode_reply(encode(kUsers));
    REQUIRE(reply.ok());
    const auto& users = std::get<Users>(*reply);
    CHECK((users.known && users.more));
    CHECK(users.users == std::vector<std::string>{"bob", "carol"});
    request = decode_request(encode(kPlaces));
    REQUIRE(request.ok());
    const auto& places = std::get<PlacementsRequest>(*request).places;
    REQUIRE(places.size() == 2);
    CHECK(places[1].job == JobId{8});
    CHECK(places[0].owner == Uid{1001});
    CHECK(places[0].node == "n1");
    CHECK(places[1].address == "::1");
    CHECK(std::get<PlacementsRequest>(*request).may_look_up);
    request = decode_request(encode(kRecall));
    REQUIRE(request.ok());
    CHECK(std::get<PlacementsRequest>(*request).places.size() == 2);
    CHECK_FALSE(std::get<PlacementsRequest>(*request).may_look_up);
    reply = decode_reply(encode(kVerdicts));
    REQUIRE(reply.ok());
    CHECK(std::get<Verdicts>(*reply).verdicts ==
          std::vector{Verdict::runs_there, Verdict::unknown});
    CHECK(std::get<Verdicts>(*reply).sentence == "slurmctld is down");

    reply = decode_reply(encode(Reply(Users{})));
    REQUIRE(reply.ok());
    CHECK_FALSE(std::get<Users>(*reply).known);
}

TEST_CASE("Slurm query protocol: says unknown in place of words that version 1 lacks",
          "[view_wire]") {
    const Reply states = States{{JobState::ended, JobState::forgotten}, ""};
    const std::string why = "slurmctld does not know the job or the node";
    CHECK(encode(states, 1) == message_of(101, with_text(counted({2, 3}), why), 1));
    CHECK(encode(states, 2) == message_of(101, with_text(counted({2, 4}), "")));
    const std::vector words{Verdict::no_node, Verdict::is_node, Verdict::unknown_job};
    CHECK(encode(Reply(Verdicts{words, "down"}), 1) ==
          message_of(104, with_text(counted({6, 7, 6}), "down"), 1));
    CHECK(encode(Reply(Verdicts{words, ""}), 1) ==
          message_of(104, with_text(counted({6, 7, 6}), why), 1));
    CHECK(refusal_of_reply(message_of(101, with_text(counted({4}), ""), 1)) ==
          "a malformed STATES message");
    CHECK(refusal_of_reply(message_of(104, with_text(counted({8}), ""), 1)) ==
          "a malformed VERDICTS message");
    CHECK(refusal_of_request(encode(kJobs, 1)) == "(taken)");
}

TEST_CASE("Slurm query protocol: enforces the bounds of placements and verdicts", "[view_wire]") {
    const slurm_query::Placement longest{JobId{1}, Uid{2}, std::string(kMaxNodeNameBytes, 'n'),
                                         std::string(kMaxAddressBytes, '1')};
    const auto places = [&](std::size_t count) {
        return encode(Request(PlacementsRequest{std::vector(count, longest)}));
    };
    CHECK(refusal_of_request(places(kMaxPlacementsPerQuery)) == "(taken)");
    CHECK(places(kMaxPlacementsPerQuery).size() <= kMaxQueryMessageBytes);
    CHECK(refusal_of_request(places(0)) == "a malformed PLACES message");
    CHECK(refusal_of_request(places(kMaxPlacementsPerQuery + 1)) == "a malformed PLACES message");
    slurm_query::Placement too_long = longest;
    too_long.node += "n";
    CHECK_FALSE(is_taken(encode(Request(PlacementsRequest{{too_long}}))));
    too_long = longest;
    too_long.address += "1";
    CHECK_FALSE(is_taken(encode(Request(PlacementsRequest{{too_long}}))));
    const auto verdict = [](std::uint32_t number) {
        return refusal_of_reply(message_of(104, with_text(counted({number}), "")));
    };
    CHECK(verdict(0) == "a malformed VERDICTS message");
    CHECK(verdict(1) == "(taken)");
    CHECK(verdict(9) == "(taken)");
    CHECK(verdict(10) == "a malformed VERDICTS message");
    CHECK(refusal_of_reply(message_of(104, with_text(counted({}), ""))) ==
          "a malformed VERDICTS message");
}

TEST_CASE("Slurm query protocol: fits the longest messages into its size limit", "[view_wire]") {
    const Bytes request = encode(JobsRequest{std::vector(kMaxJobsPerQuery, JobId{1})});
    CHECK(request.size() <= kMaxQueryMessageBytes);
    CHECK(refusal_of_request(request) == "(taken)");
    const Bytes reply = encode(
        Reply(States{std::vector(kMaxJobsPerQuery, JobState::ended), std::string(100000, 'x')}));
    CHECK(reply.size() <= kMaxQueryMessageBytes);
    CHECK(refusal_of_reply(reply) == "(taken)");
    const Bytes account =
        encode(AccountRequest{std::string(kMaxAccountBytes, 'a'), std::string(kMaxUserBytes, 'u')});
    CHECK(account.size() <= kMaxQueryMessageBytes);
    CHECK(refusal_of_request(account) == "(taken)");
    Users users{true, true, {}};
    for (std::size_t i = 0; i < kMaxUsersPerReply; ++i) {
        users.users.push_back(std::string(kMaxUserBytes - 3, 'u') + std::to_string(100 + i));
    }
    const Bytes named = encode(Reply(users));
    CHECK(named.size() <= kMaxQueryMessageBytes);
    CHECK(refusal_of_reply(named) == "(taken)");
}

TEST_CASE("Slurm query protocol: rejects a request with an invalid account or user name",
          "[view_wire]") {
    const auto account = [](std::string_view name, std::string_view after) {
        return message_of(2, with_text(with_text({}, name), after));
    };
    CHECK(refusal_of_request(account("chem", "")) == "(taken)");
    for (const std::string& name :
         {std::string(), std::string("a b"), std::string("a\0b", 3), std::string("a\n"),
          std::string("\xc3\xa4"), std::string(kMaxAccountBytes + 1, 'a')}) {
        CHECK(refusal_of_request(account(name, "")) == "a malformed ACCOUNT message");
    }
    CHECK(refusal_of_request(account("chem", std::string(kMaxUserBytes + 1, 'u'))) ==
          "a malformed ACCOUNT message");
}

TEST_CASE("Slurm query protocol: requires sorted and unique users of a known account",
          "[view_wire]") {
    using Names = std::vector<std::string>;
    const auto users = [](std::uint32_t known, std::uint32_t more, const Names& names) {
        return refusal_of_reply(message_of(103, users_body(known, more, names)));
    };
    CHECK(users(1, 0, {"alice", "bob"}) == "(taken)");
    CHECK(users(1, 0, {}) == "(taken)");
    CHECK(users(0, 0, {}) == "(taken)");
    for (const std::string& refusal :
         {users(1, 0, {"bob", "alice"}), users(1, 0, {"bob", "bob"}), users(1, 0, {""}),
          users(1, 0, {"bob", ""}), users(0, 0, {"bob"}), users(1, 1, {}), users(0, 1, {}),
          users(2, 0, {"bob"}), users(1, 2, {"bob"}),
          users(1, 0, {std::string(kMaxUserBytes + 1, 'u')})}) {
        CHECK(refusal == "a malformed USERS message");
    }
    Names many;
    for (std::size_t i = 0; i <= kMaxUsersPerReply; ++i) many.push_back(std::to_string(1000 + i));
    CHECK(users(1, 0, many) == "a malformed USERS message");
}

TEST_CASE("Slurm query protocol: rejects every truncated or extended message", "[view_wire]") {
    for (const Bytes& whole : all_messages()) {
        for (std::size_t length = 0; length < whole.size(); ++length) {
            CAPTURE(number_at<std::uint16_t>(whole, kTypeAt), length);
            Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
            CHECK_FALSE(is_taken(cut));
            if (length < kHeaderBytes) continue;
            // The same, with a header that owns up to it.
            set_number(cut, kLengthAt, static_cast<std::uint32_t>(length));
            CHECK_FALSE(is_taken(cut));
        }
        Bytes longer = whole;
        longer.push_back(std::byte{0});
        CHECK_FALSE(is_taken(longer));
        set_number(longer, kLengthAt, static_cast<std::uint32_t>(longer.size()));
        CHECK_FALSE(is_taken(longer));
    }
}

TEST_CASE("Slurm query protocol: rejects each wrong header field with its cause", "[view_wire]") {
    for (const Bytes& whole : all_messages()) {
        Bytes message = whole;
        message[2] ^= std::byte{0x20};
        CHECK(refusal_of_request(message) ==
              "an invalid message: it does not belong to a slurm-secrets protocol");
        CHECK(refusal_of_reply(message) == refusal_of_request(message));
        message = whole;
        set_number<std::uint16_t>(message, kVersionAt, 3);
        CHECK(refusal_of_request(message) ==
              "a message of protocol version 3, but this side has version 2; install agent and "
              "slurm-secrets-view of one release");
        CHECK(refusal_of_reply(message) == refusal_of_request(message));
        message = whole;
        set_number(message, kLengthAt, 0xffffffffU);
        CHECK_FALSE(is_taken(message));
    }
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 7, 100, 106, 65535}) {
        const std::string sentence = "a message of unknown type " + std::to_string(type);
        CHECK(refusal_of_request(message_of(type, {})) == sentence);
        CHECK(refusal_of_reply(message_of(type, {})) == sentence);
    }
    CHECK(refusal_of_reply(encode(kJobs)) == "a message of unknown type 1");
    CHECK(refusal_of_request(encode(kStates)) == "a message of unknown type 101");
}

TEST_CASE("Slurm query protocol: rejects messages of the plugin protocol and the reverse",
          "[view_wire]") {
    CHECK_FALSE(is_taken(
        plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::PingRequest{}))));
    CHECK_FALSE(plugin_protocol::decode_request(encode(kJobs)).ok());
    CHECK_FALSE(plugin_protocol::decode_reply(encode(kRefused)).ok());
}

TEST_CASE("Slurm query protocol: accepts one to the maximum number of jobs", "[view_wire]") {
    const auto jobs = [](std::size_t count) {
        return message_of(1, counted(std::vector<std::uint32_t>(count, 1)));
    };
    const auto states = [](std::size_t count) {
        return message_of(101, with_text(counted(std::vector<std::uint32_t>(count, 1)), ""));
    };
    CHECK(refusal_of_request(jobs(1)) == "(taken)");
    CHECK(refusal_of_request(jobs(kMaxJobsPerQuery)) == "(taken)");
    CHECK(refusal_of_reply(states(kMaxJobsPerQuery)) == "(taken)");
    for (const std::size_t count : {std::size_t{0}, kMaxJobsPerQuery + 1}) {
        CHECK(refusal_of_request(jobs(count)) == "a malformed JOBS message");
        CHECK(refusal_of_reply(states(count)) == "a malformed STATES message");
    }
    for (const std::uint32_t count : {1U, 3U, 0x7fffffffU, 0xffffffffU}) {
        Bytes message = encode(kJobs);
        set_number(message, kHeaderBytes, count);
        CHECK(refusal_of_request(message) == "a malformed JOBS message");
    }
}

TEST_CASE("Slurm query protocol: rejects an unknown job state", "[view_wire]") {
    for (const std::uint32_t state : {0U, 5U, 0xffffffffU}) {
        CHECK(refusal_of_reply(message_of(101, with_text(counted({1, state}), ""))) ==
              "a malformed STATES message");
    }
}

TEST_CASE("Slurm query protocol: writes only printable sentences and rejects others",
          "[view_wire]") {
    const std::string ugly = "a\nb\x1b[31m";
    CHECK(encode(Reply(Refused{ugly})) == message_of(102, with_text({}, "a?b?[31m")));
    CHECK(refusal_of_reply(message_of(102, with_text({}, ugly))) == "a malformed REFUSED message");
    CHECK(refusal_of_reply(message_of(101, with_text(counted({1}), ugly))) ==
          "a malformed STATES message");
}

TEST_CASE("Slurm query protocol: reads no byte outside a message with a flipped bit",
          "[view_wire]") {
    for (const Bytes& whole : all_messages()) {
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes flipped = whole;
            flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
            const bool taken = is_taken(flipped);
            CAPTURE(bit);
            if (bit / 8 < kHeaderBytes) CHECK_FALSE(taken);
        }
    }
}

}  // namespace
}  // namespace secrets::slurm_query
