// SPDX-License-Identifier: Apache-2.0
// Promise: a store that can't be opened takes nothing else down: runs are served, and what depends
// on the store is answered "unavailable", never "not set".

#include "agentd/store/closed_store.h"

#include <stdlib.h>

#include "agentd/base/supervisor.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

const SecretScope kOwn;

/// An agent whose configured store could not be opened.
struct ClosedOffice : Office {
    ClosedOffice() : Office(config()) {
        services.context.why_store_closed = "the key is another one";
        std::vector<vault::NewSecret> secrets;
        secrets.push_back({vault::Scope::user, "TOKEN", buffer_of("of the run")});
        REQUIRE(push(tower, "r", "alice", std::move(secrets)).ok());
    }
    static Config config() {
        Config config = Office::small();
        config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {"alice"}}}};
        return config;
    }
};

TEST_CASE("GrantService: grants runs and denies nothing for good while the store is closed",
          "[closed_store]") {
    ClosedOffice office;
    CHECK(given(office.ask(office.alice, "run:r,TOKEN")) == "TOKEN=of the run\n");
    CHECK(given(office.ask(office.alice, "run:r")) == "TOKEN=of the run\n");
    for (const char* spec : {"KEPT", "KEPT?", "run:r,TOKEN,KEPT", "workspace:lab,KEPT"}) {
        CAPTURE(spec);
        const Status status = status_of(office.ask(office.alice, spec));
        CHECK(status.code() == StatusCode::unavailable);
        CHECK(status.message() ==
              "cannot look up secret KEPT: the agent's store is closed; its admin finds the reason "
              "with: secretctl status");
    }
    // A job that is submitted now may start when the store is open again.
    CHECK(office.services.grants.check_submission(office.alice, "KEPT").ok());
}

TEST_CASE("SecretService: is unavailable while the store is closed", "[closed_store]") {
    ClosedOffice office;
    SecretService& secrets = office.services.secrets;
    const std::string before = office.state();
    for (const Status& status :
         {status_of(secrets.put_secret(office.alice, kOwn, "A", {buffer_of("a"), {}}, {})),
          status_of(secrets.rename_secret(office.alice, kOwn, "A", "B", {})),
          secrets.remove_secret(office.alice, kOwn, "A", {}),
          status_of(secrets.read_secret(office.alice, kOwn, "A")),
          status_of(secrets.list_secrets(office.alice, kOwn)),
          status_of(secrets.list_workspaces(office.bob))}) {
        CHECK(status.code() == StatusCode::unavailable);
        CHECK(status.message().find("the agent's store is closed") != std::string::npos);
    }
    CHECK(office.state() == before);
    const StatusInfo info = office.services.status.status(kRoot);
    CHECK_FALSE(info.store_file);
    CHECK(info.why_store_closed == "the key is another one");
}

TEST_CASE("open_store: a file that can't be opened is a closed store", "[closed_store]") {
    const TemporaryFolder folder;
    Config config;
    config.store_file = folder.file("store.db");
    SECTION("no key is configured") {
        unsetenv("CREDENTIALS_DIRECTORY");
        const auto opened = store::open_store(config, best_memory_kind());
        REQUIRE(opened.ok());
        CHECK(opened->store == nullptr);
        CHECK(opened->why_closed.find("no key is configured") != std::string::npos);
    }
    SECTION("what came instead of the key is a sentence") {
        setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
        const std::string credential = folder.file("store.key");
        store::write_file(credential, "unavailable: this host cannot decrypt the key");
        CHECK(store::open_store(config, best_memory_kind())->why_closed ==
              "this host cannot decrypt the key");
        std::filesystem::remove(credential);
        store::write_file(credential, "");
        CHECK(store::open_store(config, best_memory_kind())->why_closed.find("is empty; see: ") !=
              std::string::npos);
        std::filesystem::remove(credential);
        store::write_file(credential, "a key of the wrong size, which nobody may read");
        const std::string why = store::open_store(config, best_memory_kind())->why_closed;
        CHECK(why.find("must be exactly 32 bytes") != std::string::npos);
        CHECK(why.find("a key of") == std::string::npos);
        unsetenv("CREDENTIALS_DIRECTORY");
    }
    SECTION("another process has locked the file") {
        config.store_key_file = folder.file("store.key");
        store::write_file(config.store_key_file, std::string(32, 'k'));
        REQUIRE(store::open_store(config, best_memory_kind())->store != nullptr);
        const auto other = store::SqliteDatabase::open(config.store_file, false);
        REQUIRE(other.ok());
        const auto writing = store::Transaction::begin(*other);
        REQUIRE(writing.ok());
        const store::OpenedStore opened = store::reopen_store(config, best_memory_kind());
        CHECK(opened.store == nullptr);
        CHECK(opened.why_closed.find("another process is writing") != std::string::npos);
    }
    SECTION("an admin has moved the file away") {
        config.store_key_file = folder.file("store.key");
        store::write_file(config.store_key_file, std::string(32, 'k'));
        const store::OpenedStore opened = store::reopen_store(config, best_memory_kind());
        CHECK(opened.store == nullptr);
        CHECK_FALSE(opened.why_closed.empty());
        CHECK_FALSE(std::filesystem::exists(config.store_file));
    }
    SECTION("none is needed on a node of a hub") {
        config.hub.urls = {{"https://hub:8443", "hub", 8443}};
        const auto opened = store::open_store(config, best_memory_kind());
        REQUIRE(opened.ok());
        CHECK(opened->store == nullptr);
        CHECK(opened->why_closed.empty());
    }
    SECTION("none is configured") {
        config.store_file.clear();
        unsetenv("STATE_DIRECTORY");
        const auto opened = store::open_store(config, best_memory_kind());
        REQUIRE(opened.ok());
        CHECK(opened->why_closed.empty());
    }
}

TEST_CASE("ClosedStore: gives the store when it can be opened, and each reason once",
          "[closed_store]") {
    EventLoop loop;
    Supervisor supervisor(loop.io, [](const auto&, const auto&, auto) {});
    std::vector<std::string> reasons = {"locked", "locked", "full", "full"};  // at each attempt
    std::vector<std::string> given;
    store::ClosedStore closed(
        loop.io,
        [&]() -> store::OpenedStore {
            if (reasons.empty()) {
                return {store::SecretStore::in_memory("test", best_memory_kind()).value(), ""};
            }
            std::string why = reasons.front();
            reasons.erase(reasons.begin());
            return {nullptr, std::move(why)};
        },
        [&](store::OpenedStore opened) {
            given.push_back(opened.store != nullptr ? "open" : opened.why_closed);
        });
    closed.start(supervisor, "locked", std::chrono::milliseconds(1));
    CHECK(loop.turns_until([&] { return given.size() == 2; }));
    loop.turn(std::chrono::milliseconds(20));
    CHECK(given == std::vector<std::string>{"full", "open"});
    supervisor.stop();
    closed.stop();
    loop.turn();
}

TEST_CASE("ClosedStore: opens a store once, also if giving it fails", "[closed_store]") {
    EventLoop loop;
    const RestartDelays at_once{std::chrono::milliseconds(1), std::chrono::milliseconds(1)};
    Supervisor supervisor(
        loop.io, [](const auto&, const auto&, auto) {}, at_once);
    int opened = 0;
    store::ClosedStore closed(
        loop.io,
        [&]() -> store::OpenedStore {
            ++opened;
            return {store::SecretStore::in_memory("test", best_memory_kind()).value(), ""};
        },
        [](const store::OpenedStore&) { throw std::bad_alloc(); });
    closed.start(supervisor, "locked", std::chrono::milliseconds(1));
    loop.turn(std::chrono::milliseconds(50));
    CHECK(opened == 1);
    supervisor.stop();
    closed.stop();
    loop.turn();
}

}  // namespace
}  // namespace secrets::service
