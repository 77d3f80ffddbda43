// SPDX-License-Identifier: Apache-2.0
// Promise: refusals can't flood the log or the audit file: of each kind and caller, and of all
// together, so many a minute are written one by one, the others are counted, and none goes
// uncounted.

#include "agentd/audit/denial_rate_limit.h"

#include "tests/unit/catch.h"

namespace secrets::audit {
namespace {

using std::chrono::seconds;
const DenialRateLimit::Time kStart{std::chrono::hours(1)};
const DeniedCaller kAlice{Uid{1001}};
const DeniedCaller kBob{Uid{1002}};

std::uint64_t admitted(DenialRateLimit& limit, Kind kind, const DeniedCaller& caller, int times,
                       DenialRateLimit::Time now) {
    std::uint64_t count = 0;
    for (int i = 0; i < times; ++i) count += limit.admit(kind, caller, now) ? 1U : 0U;
    return count;
}

TEST_CASE("DenialRateLimit: admits a burst and reports the rest when the minute ends") {
    DenialRateLimit limit;
    CHECK(admitted(limit, Kind::refuse_push, kAlice, 4811, kStart) == kDenialBurst);
    CHECK(limit.next_to_tell() == kStart + kDenialWindow);
    CHECK(limit.take_ended(kStart + seconds(59)).empty());
    const auto summaries = limit.take_ended(kStart + seconds(60));
    REQUIRE(summaries.size() == 1);
    CHECK(summaries[0].kind == Kind::refuse_push);
    CHECK(summaries[0].caller == kAlice);
    CHECK(summaries[0].count == 4711);
    CHECK(summaries[0].within == seconds(60));
    CHECK(!limit.next_to_tell());
    CHECK(limit.take_ended(kStart + seconds(600)).empty());
    CHECK(admitted(limit, Kind::refuse_push, kAlice, 101, kStart + seconds(61)) == kDenialBurst);
}

TEST_CASE("DenialRateLimit: admits every denial up to the burst size and reports none") {
    DenialRateLimit limit;
    CHECK(admitted(limit, Kind::refuse_push, kAlice, 100, kStart) == 100);
    CHECK(!limit.next_to_tell());
    CHECK(limit.take_ended(kStart + seconds(61)).empty());
}

TEST_CASE("DenialRateLimit: counts each kind and user separately") {
    DenialRateLimit limit;
    admitted(limit, Kind::refuse_push, kAlice, 500, kStart);
    CHECK(admitted(limit, Kind::deny_grant, kAlice, 5, kStart) == 5);
    CHECK(admitted(limit, Kind::refuse_push, kBob, 5, kStart) == 5);
    admitted(limit, Kind::deny_grant, kBob, 150, kStart + seconds(30));
    CHECK(limit.take_ended(kStart + seconds(60)).size() == 1);
    CHECK(limit.next_to_tell() == kStart + seconds(90));
    const auto rest = limit.take_ended(kStart + seconds(90));
    REQUIRE(rest.size() == 1);
    CHECK(rest[0].kind == Kind::deny_grant);
    CHECK(rest[0].caller == kBob);
    CHECK(rest[0].count == 50);
}

TEST_CASE("DenialRateLimit: reports all counts at shutdown even within the minute") {
    DenialRateLimit limit;
    admitted(limit, Kind::refuse_push, kAlice, 103, kStart);
    const auto summaries = limit.take_all(kStart + seconds(12));
    REQUIRE(summaries.size() == 1);
    CHECK(summaries[0].count == 3);
    CHECK(summaries[0].within == seconds(12));
    CHECK(limit.take_all(kStart + seconds(12)).empty());
}

TEST_CASE("DenialRateLimit: counts callers without a uid by name, and unknown ones together") {
    DenialRateLimit limit;
    CHECK(admitted(limit, Kind::refuse_push, {{}, "tower"}, 150, kStart) == kDenialBurst);
    CHECK(admitted(limit, Kind::refuse_push, {{}, "other"}, 5, kStart) == 5);
    CHECK(admitted(limit, Kind::refuse_connection, {}, 150, kStart) == kDenialBurst);
    const auto summaries = limit.take_ended(kStart + seconds(60));
    REQUIRE(summaries.size() == 2);
    CHECK(summaries[0].caller == DeniedCaller{{}, "tower"});
    CHECK(summaries[1].caller == DeniedCaller{});
    CHECK(summaries[1].count == 50);
}

TEST_CASE("DenialRateLimit: bounds what all callers together cause, and its memory") {
    DenialRateLimit limit;
    std::uint64_t written = 0;
    constexpr std::size_t kUsers = 65536;
    for (std::size_t i = 0; i < kUsers; ++i) {
        written += admitted(limit, Kind::refuse_push, {Uid{static_cast<uid_t>(i)}}, 2, kStart);
    }
    CHECK(written == kDenialBurstOfAll);
    const auto summaries = limit.take_ended(kStart + seconds(60));
    CHECK(summaries.size() <= kMaxDenialCounts + 1);
    std::uint64_t counted = 0;
    for (const auto& summary : summaries) counted += summary.count;
    CHECK(written + counted == 2 * kUsers);
    CHECK(admitted(limit, Kind::refuse_push, kBob, 5, kStart + seconds(60)) == 5);
}

}  // namespace
}  // namespace secrets::audit
