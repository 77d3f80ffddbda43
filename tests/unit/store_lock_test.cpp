// SPDX-License-Identifier: Apache-2.0
// Promise: a process that has the store's file locked holds the event loop up for a moment only,
// and a backup locks the file for moments.

#include <atomic>
#include <thread>

#include "tests/unit/catch.h"
#include "tests/unit/kept.h"

namespace secrets::store {
namespace {

using std::chrono::milliseconds;
using RealClock = std::chrono::system_clock;

const Owner kAlice = Owner::user(Uid{1001});

SecretHead head(std::string name) {
    return {.name = std::move(name), .set = Time(std::chrono::seconds(1000))};
}

TEST_CASE("SecretStore: gives a change up soon that another process keeps from the file") {
    const TemporaryFolder folder;
    auto store = SecretStore::open(folder.file("store.db"), key_of(folder, 'k'));
    REQUIRE(store.ok());
    const auto other = SqliteDatabase::open(folder.file("store.db"), false);
    REQUIRE(other.ok());
    {
        const auto locked = Transaction::begin(*other);
        REQUIRE(locked.ok());
        const auto before = RealClock::now();
        const Status wrong = (*store)->put(kAlice, head("A"), view_of("value"));
        CHECK(wrong.code() == StatusCode::unavailable);
        CHECK(RealClock::now() - before < milliseconds(500));
    }
    CHECK((*store)->put(kAlice, head("A"), view_of("value")).ok());
}

TEST_CASE("SecretStore: changes while a backup is being made, which ends all the same") {
    const TemporaryFolder folder;
    auto store = SecretStore::open(folder.file("store.db"), key_of(folder, 'k'));
    REQUIRE(store.ok());
    const std::string large(60'000, 'x');
    for (int i = 0; i < 60; ++i) {
        REQUIRE((*store)->put(kAlice, head("S" + std::to_string(i)), view_of(large)).ok());
    }
    std::atomic<bool> is_done{false};
    Status made;
    std::thread backup([&] {
        made = SecretStore::back_up(folder.file("store.db"), folder.file("copy.db"));
        is_done = true;
    });
    constexpr int kMostChanges = 1000;
    int changes = 0;
    int refused = 0;  // by the last step of a backup that was begun anew too often
    while (!is_done && changes < kMostChanges) {
        std::this_thread::sleep_for(milliseconds(5));
        const std::string value = std::to_string(changes++);
        if (!(*store)->put(kAlice, head("CHANGED"), view_of(value)).ok()) ++refused;
    }
    backup.join();
    CHECK(made.ok());
    CHECK(changes < kMostChanges);
    CHECK(refused < changes);
    const auto copy = SecretStore::open(folder.file("copy.db"), key_of(folder, 'k'));
    REQUIRE(copy.ok());
    CHECK((*copy)->usage().secrets >= 60);
}

}  // namespace
}  // namespace secrets::store
