// SPDX-License-Identifier: Apache-2.0
// Promise: a user who was given the number of another does not inherit the other's stored secrets;
// a name that cannot be looked up takes nothing from anybody.

#include "agentd/service/owner_names.h"

#include "tests/unit/catch.h"
#include "tests/unit/fake_users.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

const SecretScope kOwn;

/// An agent that stores alice's secret TOKEN.
struct Fixture {
    Fixture() { REQUIRE(set("TOKEN").ok()); }
    ~Fixture() {
        auth::fake_users().names[office.alice] = "alice";
        auth::fake_users().failure = Status();
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    StatusOr<PutSecretResult> set(const std::string& name) {
        return office.services.secrets.put_secret(office.alice, kOwn, name,
                                                  {buffer_of("value"), {}}, {});
    }
    /// Returns what a step of the uid is granted, or the denial.
    std::string granted(const std::string& spec = "TOKEN") {
        return given(office.ask(office.alice, spec));
    }
    std::unique_ptr<store::SecretStore> open() const {
        return std::move(
            store::SecretStore::open(folder.file("store.db"), store::key_of(folder, 'k')).value());
    }
    static void give_number_to(const std::string& name) {
        auth::fake_users().names[Uid{1001}] = name;
    }

    TemporaryFolder folder;
    std::unique_ptr<store::SecretStore> store = open();
    Office office{Office::large(), 64UL * 1024 * 1024, store.get()};
    const store::Owner owner = store::Owner::user(office.alice);
};

constexpr const char* kRefusal =
    "the stored secrets of uid 1001 belong to user alice, but uid 1001 is mallory now; root can "
    "remove them (slurm-secretsd --remove-secrets-of 1001) or, if the user was renamed, keep them "
    "(--keep-secrets-of 1001), and then restarts slurm-secretsd";

TEST_CASE("Stored secrets: are refused to another user who has the owner's number") {
    Fixture fixture;
    CHECK(fixture.store->user_of(fixture.owner) == "alice");
    CHECK(fixture.granted() == "TOKEN=value\n");
    fixture.office.services.secrets.save_uses();
    fixture.give_number_to("mallory");
    auto& secrets = fixture.office.services.secrets;
    const Uid mallory = fixture.office.alice;
    CHECK(fixture.granted() == "secret TOKEN: " + std::string(kRefusal));
    CHECK(fixture.set("TOKEN").status().message() == kRefusal);
    CHECK(fixture.set("OTHER").status().message() == kRefusal);
    CHECK(secrets.list_secrets(mallory, kOwn).status().message() == kRefusal);
    CHECK(secrets.remove_secret(mallory, kOwn, "TOKEN", {}).message() == kRefusal);
    // What needs none of them is granted.
    CHECK(std::holds_alternative<Nothing>(fixture.office.ask(mallory, "TOKEN?")));
    REQUIRE(fixture.office.push(mallory, "r", {}, list_of(user_secret("TOKEN", "own"))).ok());
    CHECK(fixture.granted("run:r,TOKEN") == "TOKEN=own\n");
    fixture.give_number_to("alice");
    CHECK(fixture.granted() == "TOKEN=value\n");
}

TEST_CASE("Stored secrets: are granted while the owner's name cannot be looked up") {
    Fixture fixture;
    auth::fake_users().failure = auth::FakeUsers::away();
    CHECK(fixture.granted() == "TOKEN=value\n");
    auth::fake_users().failure = Status();
    auth::fake_users().names.erase(fixture.office.alice);
    CHECK(fixture.granted() == "TOKEN=value\n");
}

TEST_CASE("Stored secrets: get their owner's name on the disk, at the next use if it is missing") {
    Fixture fixture;
    fixture.office.services.secrets.save_uses();
    fixture.store.reset();
    fixture.store = fixture.open();
    CHECK(fixture.store->user_of(fixture.owner) == "alice");
    fixture.store->set_user(fixture.owner, "");  // as an earlier version stored it
    fixture.office.services.context.store = fixture.store.get();
    CHECK(fixture.granted() == "TOKEN=value\n");
    CHECK(fixture.store->user_of(fixture.owner) == "alice");
    fixture.office.services.secrets.save_uses();
    fixture.office.services.context.store = nullptr;
    fixture.store.reset();
    CHECK(fixture.open()->user_of(fixture.owner) == "alice");
}

TEST_CASE("Stored secrets: leave no name behind when the last of them is removed") {
    Fixture fixture;
    fixture.office.services.secrets.save_uses();
    REQUIRE(fixture.office.services.secrets.remove_secret(fixture.office.alice, kOwn, "TOKEN", {})
                .ok());
    fixture.give_number_to("mallory");
    CHECK(fixture.set("MINE").ok());
    CHECK(fixture.store->user_of(fixture.owner) == "mallory");
}

TEST_CASE("Stored secrets: are kept or removed by root's command") {
    const bool keeps = GENERATE(true, false);
    Fixture fixture;
    fixture.office.services.secrets.save_uses();
    fixture.office.services.context.store = nullptr;
    fixture.store.reset();
    const auto settled =
        store::SecretStore::forget_user(fixture.folder.file("store.db"), Uid{1001}, !keeps);
    REQUIRE(settled.ok());
    CHECK(*settled == 1);
    fixture.store = fixture.open();
    CHECK(fixture.store->user_of(fixture.owner).empty());
    CHECK(fixture.store->list(fixture.owner).size() == (keeps ? 1 : 0));
}

}  // namespace
}  // namespace secrets::service
