// SPDX-License-Identifier: Apache-2.0
// Promise: a record says exactly what was written into it, and one that is damaged is not read.

#include "agentd/vault/record_codec.h"

#include <limits>

#include "tests/unit/catch.h"
#include "tests/unit/guarded_bytes.h"
#include "tests/unit/keeps_quiet.h"
#include "tests/unit/secrets_of.h"

namespace secrets::vault {
namespace {

static_assert(kKeepsQuiet<NewSecret>);
static_assert(kKeepsQuiet<RunSecret>);
static_assert(!std::is_copy_constructible_v<NewSecret>);

const RunHead kHead{run_id("demo-1"), Uid{1001}, 3, at(1'700'000'000), at(1'700'086'400), "tower"};
const Hold kHold{JobId{12}, Uid{1001}, at(-5), {{"A,run:r", "r", 7}, {"none?", "", 0}}};

// Where a record of kHead, whose form is written down in records.h, has its fields.
constexpr std::size_t kRunIdAt = 4 + 8 + 8 + 8;
constexpr std::size_t kCountAt = kRunIdAt + 2 + 6 + 2 + 5;
constexpr std::size_t kFirstScopeAt = kCountAt + 4;
constexpr std::size_t kHoldCountAt = 4 + 4 + 8;

Bytes record_of(const RunHead& head, std::span<const NewSecret> secrets) {
    Bytes payload(run_payload_size(head, secrets));
    write_run(head, secrets, payload);
    return payload;
}

Bytes record_of(const Hold& hold) {
    Bytes payload(hold_payload_size(hold));
    write_hold(hold, payload);
    return payload;
}

void append_text(Bytes& bytes, std::string_view text) {
    append_number(bytes, static_cast<std::uint16_t>(text.size()));
    append(bytes, text);
}

Bytes small_run() {
    return record_of(kHead, list_of(user_secret("A", "xyz\n"), workspace_secret("B-1", "")));
}

std::string refusal_of_run(const Bytes& payload) {
    const auto read = read_run_secrets(GuardedBytes(payload).bytes());
    return read ? "(read)" : read.status().message();
}

std::string refusal_of_hold(const Bytes& payload) {
    const auto read = read_hold(GuardedBytes(payload).bytes());
    return read ? "(read)" : read.status().message();
}

TEST_CASE(
    "Record codec: adds nothing to a run that ends with a job, which 0.2.0 must be able to read") {
    RunHead head = kHead;
    head.until_job = JobId{12};
    const auto secrets = list_of(user_secret("A", "a"));
    CHECK(record_of(head, secrets) == record_of(kHead, secrets));
}

TEST_CASE("Record codec: writes exactly the documented bytes of a run") {
    Bytes expected;
    append_number<std::uint32_t>(expected, 1001);
    append_number<std::uint64_t>(expected, 3);
    append_number<std::int64_t>(expected, 1'700'000'000);
    append_number<std::int64_t>(expected, 1'700'086'400);
    append_text(expected, "demo-1");
    append_text(expected, "tower");
    append_number<std::uint32_t>(expected, 2);
    append_number<std::uint8_t>(expected, 1);
    append_text(expected, "A");
    append_number<std::uint32_t>(expected, 4);
    append(expected, std::string_view("x\0y\n", 4));
    append_number<std::uint8_t>(expected, 2);
    append_text(expected, "B-1");
    append_number<std::uint32_t>(expected, 0);

    const auto secrets =
        list_of(user_secret("A", std::string_view("x\0y\n", 4)), workspace_secret("B-1", ""));
    CHECK(record_of(kHead, secrets) == expected);
}

TEST_CASE("Record codec: writes exactly the documented bytes of a hold") {
    Bytes expected;
    append_number<std::uint32_t>(expected, 12);
    append_number<std::uint32_t>(expected, 1001);
    append_number<std::int64_t>(expected, -5);
    append_number<std::uint32_t>(expected, 2);
    append_text(expected, "A,run:r");
    append_text(expected, "r");
    append_number<std::uint64_t>(expected, 7);
    append_text(expected, "none?");
    append_text(expected, "");
    append_number<std::uint64_t>(expected, 0);
    CHECK(record_of(kHold) == expected);
}

TEST_CASE("Record codec: reads a run as it was written with its values in place") {
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
    const auto secrets =
        list_of(workspace_secret("A", every_byte), user_secret("A", ""),
                user_secret("LONGEST", std::string(64UL * 1024, 'x')), user_secret("Z", "z"));
    const GuardedBytes record(record_of(kHead, secrets));

    const auto head = read_run_head(record.bytes());
    REQUIRE(head.ok());
    CHECK(head->id == kHead.id);
    CHECK(head->owner == kHead.owner);
    CHECK(head->generation == kHead.generation);
    CHECK(head->created == kHead.created);
    CHECK(head->expires == kHead.expires);
    CHECK(head->platform == kHead.platform);
    const auto stored = read_run_secrets(record.bytes());
    REQUIRE(stored.ok());
    REQUIRE(stored->size() == secrets.size());
    for (std::size_t i = 0; i < secrets.size(); ++i) {
        CAPTURE(i);
        const RunSecret& got = stored.value()[i];
        CHECK(got.scope == secrets[i].scope);
        CHECK(got.name == secrets[i].name);
        CHECK(text_of(got.value.bytes()) == text_of(secrets[i].value.view().bytes()));
        CHECK(lies_within(got.value.bytes(), record.bytes()));
    }
}

TEST_CASE("Record codec: reads a run without secrets") {
    const Bytes record = record_of(kHead, {});
    CHECK(record.size() == kFirstScopeAt);
    CHECK(read_run_head(record)->id == kHead.id);
    CHECK(read_run_secrets(record)->empty());
}

TEST_CASE("Record codec: reads a hold as it was written") {
    const auto hold = read_hold(GuardedBytes(record_of(kHold)).bytes());
    REQUIRE(hold.ok());
    CHECK(hold->job == kHold.job);
    CHECK(hold->owner == kHold.owner);
    CHECK(hold->since == kHold.since);
    REQUIRE(hold->grants.size() == 2);
    CHECK(hold->grants[0].ask == "A,run:r");
    CHECK(hold->grants[0].run == "r");
    CHECK(hold->grants[0].generation == 7);
    CHECK(hold->grants[1].ask == "none?");
    CHECK(hold->grants[1].run.empty());
}

TEST_CASE("Record codec: rejects every truncated record of a run or a hold") {
    const Bytes run = small_run();
    REQUIRE(refusal_of_run(run) == "(read)");
    for (std::size_t length = 0; length < run.size(); ++length) {
        CAPTURE(length);
        const Bytes cut(run.begin(), run.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(refusal_of_run(cut) == "malformed run record");
        CHECK_FALSE(read_run_head(GuardedBytes(cut).bytes()).ok());
    }
    const Bytes hold = record_of(kHold);
    REQUIRE(refusal_of_hold(hold) == "(read)");
    for (std::size_t length = 0; length < hold.size(); ++length) {
        CAPTURE(length);
        const Bytes cut(hold.begin(), hold.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(refusal_of_hold(cut) == "malformed hold record");
    }
}

TEST_CASE("Record codec: rejects a record with false lengths or counts") {
    constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
    const auto run_with = [](std::size_t offset, auto number) {
        Bytes run = small_run();
        set_number(run, offset, number);
        return refusal_of_run(run);
    };
    const std::string malformed = "malformed run record";
    CHECK(run_with(kRunIdAt, std::uint16_t{0}) == malformed);
    CHECK(run_with(kRunIdAt, std::uint16_t{65535}) == malformed);
    CHECK(run_with(kRunIdAt + 2, '/') == malformed);
    CHECK(run_with(kCountAt, std::uint32_t{3}) == malformed);
    CHECK(run_with(kCountAt, kMost) == malformed);
    CHECK(run_with(kFirstScopeAt + 1, std::uint16_t{65535}) == malformed);
    CHECK(run_with(kFirstScopeAt + 4, kMost) == malformed);

    Bytes hold = record_of(kHold);
    set_number(hold, kHoldCountAt, kMost);
    CHECK(refusal_of_hold(hold) == "malformed hold record");
}

TEST_CASE("Record codec: rejects an unknown scope and trailing bytes") {
    for (const int scope : {0, 3, 255}) {
        Bytes run = small_run();
        set_number(run, kFirstScopeAt, static_cast<std::uint8_t>(scope));
        CHECK(refusal_of_run(run) == "malformed run record");
    }
    Bytes fewer = small_run();
    set_number(fewer, kCountAt, std::uint32_t{1});
    CHECK(refusal_of_run(fewer) == "malformed run record");
    Bytes hold = record_of(kHold);
    hold.push_back(std::byte{0});
    CHECK(refusal_of_hold(hold) == "malformed hold record");
}

TEST_CASE("Record codec: uses the scope words of the push body") {
    CHECK(std::string(scope_word(Scope::user)) == "user");
    CHECK(std::string(scope_word(Scope::workspace)) == "workspace");
}

}  // namespace
}  // namespace secrets::vault
