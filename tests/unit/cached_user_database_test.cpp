// SPDX-License-Identifier: Apache-2.0
// Promise: a name service that is slow or away holds nothing up, and nothing is denied because of
// it that its last answer allows.

#include "agentd/auth/cached_user_database.h"

#include <algorithm>

#include "agentd/auth/lookup_attempts.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/fake_users.h"

namespace secrets::auth {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Kind = Lookup::Kind;

const Uid kAnn{5001};

Lookup user(std::string name) {
    return {Kind::user_by_name, std::move(name), {}};
}

/// A database whose lookups the test answers, at times that the test sets.
struct Fixture {
    using Answer = StatusOr<std::optional<Uid>>;

    Answer find(const std::string& name, Certainty certainty = Certainty::current) {
        return users.find_uid(name, certainty);
    }
    StatusOr<bool> is_member(Certainty certainty = Certainty::current) {
        return users.is_group_member(kAnn, "lab", certainty);
    }
    /// Answers all lookups that have been started.
    void answer(const LookupAnswer& answer) {
        for (const Lookup& lookup : std::exchange(asked, {})) users.take(lookup, answer);
        urgent.clear();
    }
    void find_all() { answer(LookupResult{FoundUser{kAnn, "ann"}}); }
    void find_none() { answer(LookupResult{}); }
    void fail() { answer(Status::unavailable("the name service failed: Connection refused")); }
    /// Lets time pass, with the background task at work; each lookup is answered by `answer`.
    template <typename Answering>
    void pass(seconds time, Answering answering) {
        for (seconds passed{}; passed < time; passed += seconds(5)) {
            now += seconds(5);
            users.refresh();
            answering();
        }
    }

    CachedUserDatabase::Time now{std::chrono::hours(1)};
    std::vector<Lookup> asked;
    std::vector<Lookup> urgent;
    bool accepts = true;
    CachedUserDatabase users{{[this](const Lookup& lookup, bool is_urgent) {
                                  if (!accepts) return false;
                                  asked.push_back(lookup);
                                  if (is_urgent) urgent.push_back(lookup);
                                  return true;
                              },
                              [this](const Lookup& lookup) { urgent.push_back(lookup); }},
                             [this] { return now; }};
};

TEST_CASE("CachedUserDatabase: looks an unknown user up once, for all who ask") {
    Fixture fixture;
    const auto first = fixture.find("ann");
    CHECK(is_pending(first));
    CHECK(
        first.status().message() ==
        "cannot look up user 'ann': the name service has not answered yet; try again in a moment");
    CHECK(is_pending(fixture.find("ann")));
    CHECK(fixture.asked == std::vector{user("ann")});
    CHECK(fixture.urgent == std::vector{user("ann")});
    fixture.find_all();
    CHECK(*fixture.find("ann") == kAnn);
    CHECK(fixture.asked.empty());
    CHECK(fixture.users.stats().answered == 1);
}

TEST_CASE("CachedUserDatabase: answers at once that there is no user of an impossible name") {
    Fixture fixture;
    CHECK(*fixture.find("") == std::nullopt);
    CHECK(*fixture.find(std::string("ann\0", 4)) == std::nullopt);
    CHECK(*fixture.find(std::string(300, 'a')) == std::nullopt);
    CHECK(fixture.asked.empty());
}

TEST_CASE("CachedUserDatabase: returns an old answer at once and repeats the lookup behind it") {
    Fixture fixture;
    static_cast<void>(fixture.find("ann"));
    fixture.find_all();
    fixture.now += seconds(61);
    CHECK(*fixture.find("ann") == kAnn);
    CHECK(fixture.asked == std::vector{user("ann")});
    CHECK(fixture.urgent.empty());
    fixture.now += minutes(3);  // the lookup hangs
    CHECK(*fixture.find("ann") == kAnn);
    fixture.answer(LookupResult{FoundUser{Uid{6000}, "ann"}});
    CHECK(*fixture.find("ann") == Uid{6000});
}

TEST_CASE("CachedUserDatabase: returns unavailable for a lookup that hangs, to all who ask later") {
    Fixture fixture;
    CHECK(is_pending(fixture.find("ann")));
    fixture.now += seconds(3);
    CHECK(fixture.find("ann").status().code() == StatusCode::unavailable);
    fixture.now += minutes(1);
    CHECK(fixture.find("ann").status().code() == StatusCode::unavailable);
    CHECK(fixture.asked.size() == 1);
    fixture.users.refresh();
    CHECK(fixture.users.stats().trouble ==
          "cannot look up user 'ann': the name service does not answer; check the services that "
          "/etc/nsswitch.conf names");
    fixture.find_all();
    CHECK(*fixture.find("ann") == kAnn);
    CHECK(fixture.users.stats().slow == 1);
    fixture.users.refresh();
    CHECK(fixture.users.stats().trouble.empty());
}

TEST_CASE("CachedUserDatabase: returns unavailable instead of pending to a last attempt") {
    Fixture fixture;
    {
        const LastAttempt last(true);
        CHECK(fixture.find("ann").status().code() == StatusCode::unavailable);
    }
    CHECK(is_pending(fixture.find("ann")));
}

TEST_CASE("CachedUserDatabase: returns unavailable while the name service fails, and tries again") {
    Fixture fixture;
    static_cast<void>(fixture.find("ann"));
    fixture.fail();
    const auto answer = fixture.find("ann");
    CHECK(answer.status().code() == StatusCode::unavailable);
    CHECK(answer.status().message() ==
          "cannot look up user 'ann': the name service failed: Connection refused; try again in a "
          "moment");
    CHECK(fixture.asked.empty());
    fixture.now += seconds(1);
    CHECK(is_pending(fixture.find("ann")));
    fixture.find_all();
    CHECK(*fixture.find("ann") == kAnn);
}

TEST_CASE("CachedUserDatabase: keeps the last good answer while the name service fails") {
    Fixture fixture;
    static_cast<void>(fixture.is_member());
    fixture.find_all();
    for (int i = 0; i < 6 * 24; ++i) {
        fixture.pass(minutes(10), [&] { fixture.fail(); });
        REQUIRE(*fixture.is_member());
        REQUIRE(*fixture.is_member(Certainty::established));
    }
    CHECK_FALSE(fixture.users.stats().trouble.empty());
}

TEST_CASE("CachedUserDatabase: counts a lost membership only after ten minutes without it") {
    Fixture fixture;
    static_cast<void>(fixture.is_member());
    fixture.find_all();
    const auto begin = fixture.now;
    fixture.now += seconds(61);
    CHECK(*fixture.is_member());
    fixture.find_none();
    CHECK(*fixture.is_member());
    fixture.pass(minutes(9), [&] { fixture.find_none(); });
    CHECK(*fixture.is_member());
    CHECK(fixture.users.stats().missing == 1);
    fixture.pass(minutes(2), [&] { fixture.find_none(); });
    CHECK_FALSE(*fixture.is_member(Certainty::established));
    fixture.find_none();
    CHECK_FALSE(*fixture.is_member());
    CHECK(fixture.now - begin < minutes(13));
    // Found again: valid at once.
    fixture.now += seconds(6);
    CHECK(is_pending(fixture.is_member()));
    fixture.find_all();
    CHECK(*fixture.is_member());
}

TEST_CASE("CachedUserDatabase: does not count an absence that the service's failures interrupt") {
    Fixture fixture;
    static_cast<void>(fixture.is_member());
    fixture.find_all();
    for (int i = 0; i < 20; ++i) {
        fixture.pass(minutes(8), [&] { fixture.find_none(); });
        fixture.pass(minutes(1), [&] { i % 2 == 0 ? fixture.fail() : fixture.find_all(); });
        REQUIRE(*fixture.is_member());
    }
}

TEST_CASE("CachedUserDatabase: does not count an absence that was seen only twice") {
    Fixture fixture;
    static_cast<void>(fixture.is_member());
    fixture.find_all();
    for (int i = 0; i < 2; ++i) {
        fixture.now += std::chrono::hours(1);
        CHECK(*fixture.is_member());
        fixture.find_none();
    }
    CHECK(*fixture.is_member());
}

TEST_CASE("CachedUserDatabase: denies a user never found, but takes nothing back for ten minutes") {
    Fixture fixture;
    CHECK(is_pending(fixture.is_member(Certainty::established)));
    fixture.find_none();
    CHECK_FALSE(*fixture.is_member());
    CHECK(fixture.is_member(Certainty::established).status().code() == StatusCode::unavailable);
    for (seconds passed{}; passed < minutes(11); passed += seconds(20)) {
        // A report of a node comes every 20 s, and finds the lookup of the previous one answered.
        fixture.now += seconds(20);
        static_cast<void>(fixture.is_member(Certainty::established));
        fixture.find_none();
    }
    const auto established = fixture.is_member(Certainty::established);
    REQUIRE(established.ok());
    CHECK_FALSE(*established);
    fixture.now += seconds(20);  // while the lookup is repeated, too
    CHECK_FALSE(*fixture.is_member(Certainty::established));
}

TEST_CASE(
    "CachedUserDatabase: waits a second at most where the last answer was that there is none") {
    Fixture fixture;
    static_cast<void>(fixture.find("ghost"));
    fixture.find_none();
    CHECK(*fixture.find("ghost") == std::nullopt);
    CHECK(fixture.asked.empty());
    fixture.now += seconds(6);
    CHECK(is_pending(fixture.find("ghost")));
    fixture.now += seconds(1);
    CHECK(*fixture.find("ghost") == std::nullopt);
    fixture.fail();
    CHECK(fixture.find("ghost").status().code() == StatusCode::unavailable);
}

TEST_CASE("CachedUserDatabase: finds a missing membership plausible if user and group are there") {
    Fixture fixture;
    static_cast<void>(fixture.is_member());
    fixture.find_none();
    CHECK(fixture.is_member(Certainty::plausible).status().code() == StatusCode::unavailable);
    fixture.now += seconds(6);
    static_cast<void>(fixture.is_member());
    fixture.answer(LookupResult{.only_not_member = true});
    CHECK_FALSE(*fixture.is_member(Certainty::plausible));
    CHECK(fixture.is_member(Certainty::established).status().code() == StatusCode::unavailable);
}

TEST_CASE("CachedUserDatabase: makes a prefetched lookup urgent once a request needs it") {
    Fixture fixture;
    fixture.users.prefetch("ann");
    fixture.users.prefetch("ann");
    fixture.users.prefetch("");
    CHECK(fixture.asked == std::vector{user("ann")});
    CHECK(fixture.urgent.empty());
    CHECK(is_pending(fixture.find("ann")));
    CHECK(is_pending(fixture.find("ann")));
    CHECK(fixture.asked.size() == 1);
    CHECK(fixture.urgent == std::vector{user("ann")});
}

TEST_CASE("CachedUserDatabase: waits a quarter of a second for a name that is only for sentences") {
    Fixture fixture;
    CHECK(is_pending(fixture.users.await_name(kAnn)));
    fixture.now += std::chrono::milliseconds(250);
    CHECK(fixture.users.await_name(kAnn).ok());
    fixture.find_all();
    CHECK(*fixture.users.find_name(kAnn, Certainty::current) == "ann");
}

TEST_CASE(
    "CachedUserDatabase: forgets entries that were not used for long, and the oldest of many") {
    Fixture fixture;
    static_cast<void>(fixture.is_member());
    static_cast<void>(fixture.find("ann"));
    fixture.find_all();
    fixture.now += std::chrono::hours(23);
    CHECK(*fixture.find("ann") == kAnn);
    fixture.now += std::chrono::hours(1);
    fixture.users.refresh();
    fixture.asked.clear();
    CHECK(*fixture.find("ann") == kAnn);
    CHECK(is_pending(fixture.is_member()));
    fixture.find_all();
    for (std::size_t i = 0; i < CachedUserDatabase::kMostEntries; ++i) {
        static_cast<void>(fixture.find("other" + std::to_string(i)));
        fixture.find_all();
        if (i == 100) CHECK(*fixture.find("ann") == kAnn);
    }
    CHECK(*fixture.find("ann") == kAnn);
    CHECK(is_pending(fixture.is_member()));
}

TEST_CASE("CachedUserDatabase: keeps found users however many names are asked for in vain") {
    Fixture fixture;
    static_cast<void>(fixture.find("ann"));
    fixture.find_all();
    for (std::size_t i = 0; i < 2 * CachedUserDatabase::kMostEntries; ++i) {
        static_cast<void>(fixture.find("guess" + std::to_string(i)));
        fixture.find_none();
    }
    CHECK(*fixture.find("ann") == kAnn);
}

TEST_CASE("CachedUserDatabase: returns unavailable if no further lookup can be queued") {
    Fixture fixture;
    fixture.accepts = false;
    const auto answer = fixture.find("ann");
    CHECK(answer.status().code() == StatusCode::unavailable);
    CHECK(answer.status().message().find("too many lookups are in progress") != std::string::npos);
    fixture.accepts = true;
    CHECK(is_pending(fixture.find("ann")));
}

TEST_CASE("CachedUserDatabase: repeats a lookup whose answer never came, and ignores a late one") {
    Fixture fixture;
    static_cast<void>(fixture.find("ann"));
    fixture.asked.clear();
    fixture.now += minutes(5);
    CHECK(is_pending(fixture.find("ann")));
    fixture.find_all();
    fixture.users.take(user("ann"), LookupResult{});
    CHECK(*fixture.find("ann") == kAnn);
    CHECK(fixture.users.stats().waiting == 0);
}

/// The database in a loop, by the program's clock.
struct LoopFixture : EventLoop {
    LoopFixture() { use_database(&users); }
    ~LoopFixture() { use_database(&fake_users()); }
    LoopFixture(const LoopFixture&) = delete;
    LoopFixture& operator=(const LoopFixture&) = delete;

    /// Attempts until the user is known; returns the answer.
    static asio::awaitable<StatusOr<std::optional<Uid>>> ask(std::string name, int* attempts_made) {
        const LookupAttempts attempts(seconds(4));
        while (true) {
            auto answer = attempts.run([&] {
                ++*attempts_made;
                return auth::users().find_uid(name, Certainty::current);
            });
            if (!is_pending(answer)) co_return answer;
            co_await attempts.wait();
        }
    }

    CachedUserDatabase users{{[](const Lookup&, bool) { return true; }, [](const Lookup&) {}}};
};

TEST_CASE("LookupAttempts: wakes a request by the answer to its own lookup, and no other") {
    LoopFixture fixture;
    int of_ann = 0;
    int of_bob = 0;
    const auto ann = fixture.start(LoopFixture::ask("ann", &of_ann));
    const auto bob = fixture.start(LoopFixture::ask("bob", &of_bob));
    fixture.turn(std::chrono::milliseconds(5));
    fixture.users.take(user("ann"), LookupResult{FoundUser{kAnn, "ann"}});
    REQUIRE(fixture.turns_until([&] { return ann->has_value(); }));
    CHECK(***ann == kAnn);
    CHECK(of_ann == 2);
    fixture.turn(std::chrono::milliseconds(5));
    CHECK_FALSE(bob->has_value());
    CHECK(of_bob == 1);
    fixture.pass(seconds(3));
    REQUIRE(fixture.turns_until([&] { return bob->has_value(); }));
    CHECK((*bob)->status().code() == StatusCode::unavailable);
}

TEST_CASE("LookupAttempts: makes one last attempt at the deadline of the request") {
    LoopFixture fixture;
    int made = 0;
    const auto first = fixture.start(LoopFixture::ask("ann", &made));
    fixture.turn(std::chrono::milliseconds(5));
    fixture.pass(std::chrono::milliseconds(2500));
    CHECK_FALSE(first->has_value());
    fixture.users.take(user("ann"), Status::unavailable("it failed"));
    REQUIRE(fixture.turns_until([&] { return first->has_value(); }));
    CHECK((*first)->status().code() == StatusCode::unavailable);
    CHECK(made == 2);
}

}  // namespace
}  // namespace secrets::auth
