// SPDX-License-Identifier: Apache-2.0
// Promise: lookups that hang delay neither other lookups nor the end of the process.

#include "agentd/auth/lookup_workers.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <vector>

#include "tests/unit/catch.h"

namespace secrets::auth {
namespace {

/// A name service whose lookups of names that begin with '-' hang until release().
struct NameService {
    LookupAnswer answer(const Lookup& lookup) {
        std::unique_lock lock(mutex);
        begun.push_back(lookup.name);
        changed.notify_all();
        if (lookup.name == "throw") throw std::bad_alloc();
        if (lookup.name.starts_with('-')) {
            changed.wait(lock, [this] { return released; });
        }
        return LookupResult{FoundUser{Uid{1}, lookup.name}};
    }
    void release() {
        const std::lock_guard lock(mutex);
        released = true;
        changed.notify_all();
    }
    std::size_t begun_lookups() {
        const std::lock_guard lock(mutex);
        return begun.size();
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> begun;
    bool released = false;
};

struct Fixture {
    ~Fixture() { service->release(); }

    void start(const std::string& name, bool urgent = true) {
        REQUIRE(workers->start({Lookup::Kind::user_by_name, name, {}}, urgent));
    }
    bool turns_until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            loop.restart();
            loop.run_for(std::chrono::milliseconds(2));
        }
        return true;
    }
    bool is_answered(const std::string& name) const {
        return std::find(answered.begin(), answered.end(), name) != answered.end();
    }

    /// The threads may outlive the fixture.
    std::shared_ptr<NameService> service = std::make_shared<NameService>();
    boost::asio::io_context loop;
    std::vector<std::string> answered;
    std::vector<std::string> failed;
    std::optional<LookupWorkers> workers{
        std::in_place, loop,
        [service = service](const Lookup& lookup) { return service->answer(lookup); },
        [this](const Lookup& lookup, const LookupAnswer& answer) {
            (answer.ok() ? answered : failed).push_back(lookup.name);
        }};
};

TEST_CASE("LookupWorkers: answers a lookup while three others hang") {
    Fixture fixture;
    for (const char* name : {"-1", "-2", "-3"}) fixture.start(name);
    for (int i = 0; i < 20; ++i) fixture.start("quick" + std::to_string(i));
    CHECK(fixture.turns_until([&] { return fixture.answered.size() == 20; }));
    fixture.service->release();
    CHECK(fixture.turns_until([&] { return fixture.answered.size() == 23; }));
}

TEST_CASE("LookupWorkers: leaves half of the threads to urgent lookups") {
    Fixture fixture;
    for (int i = 0; i < 10; ++i) fixture.start("-" + std::to_string(i), false);
    fixture.start("asked");
    CHECK(fixture.turns_until([&] { return fixture.is_answered("asked"); }));
    CHECK(fixture.turns_until([&] { return fixture.service->begun_lookups() == 3; }));
}

TEST_CASE("LookupWorkers: moves a queued lookup forward when it becomes urgent") {
    Fixture fixture;
    for (const char* name : {"-1", "-2"}) fixture.start(name, false);
    REQUIRE(fixture.turns_until([&] { return fixture.service->begun_lookups() == 2; }));
    fixture.start("asked", false);
    fixture.workers->hurry({Lookup::Kind::user_by_name, "asked", {}});
    fixture.workers->hurry({Lookup::Kind::user_by_name, "-1", {}});  // has begun
    CHECK(fixture.turns_until([&] { return fixture.is_answered("asked"); }));
    CHECK(fixture.turns_until([&] { return fixture.service->begun_lookups() == 3; }));
}

TEST_CASE("LookupWorkers: returns an error if memory runs out in a lookup") {
    Fixture fixture;
    fixture.start("throw");
    fixture.start("after");
    CHECK(fixture.turns_until([&] { return fixture.is_answered("after"); }));
    CHECK(fixture.turns_until([&] { return fixture.failed == std::vector<std::string>{"throw"}; }));
}

TEST_CASE("LookupWorkers: ends without waiting for a lookup that hangs") {
    Fixture fixture;
    fixture.start("-1");
    REQUIRE(fixture.turns_until([&] { return fixture.service->begun_lookups() == 1; }));
    const auto begin = std::chrono::steady_clock::now();
    fixture.workers.reset();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
    fixture.service->release();
    fixture.loop.run_for(std::chrono::milliseconds(20));
    CHECK(fixture.answered.empty());
}

TEST_CASE("LookupWorkers: refuses lookups once very many are queued") {
    Fixture fixture;
    for (int i = 0; i < 4; ++i) fixture.start("-" + std::to_string(i));
    REQUIRE(fixture.turns_until([&] { return fixture.service->begun_lookups() == 4; }));
    std::size_t queued = 0;
    while (queued < 100'000 && fixture.workers->start({Lookup::Kind::user_by_uid, "", {}}, true)) {
        ++queued;
    }
    CHECK(queued == 4096);
}

}  // namespace
}  // namespace secrets::auth
