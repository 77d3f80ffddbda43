// SPDX-License-Identifier: Apache-2.0
// Promise: the services says what a request is about, and answers from what a store that agents
// share has of it, as soon as it was told.

#include "tests/unit/catch.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

Config with_workspaces() {
    Config config = Office::small();
    config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {"alice"}}},
                         {"team", {{"bob"}, {}}, {{"alice"}, {}}},
                         {"other", {{"bob"}, {}}, {}}};
    return config;
}

struct SharingOffice {
    std::unique_ptr<store::SecretStore> store =
        store::SecretStore::in_memory("OpenBao", best_memory_kind()).value();
    Office office{with_workspaces(), 64UL * 1024 * 1024, store.get()};
    Services& services = office.services;
    const store::Owner alice = store::Owner::user(office.alice);

    Status take(std::string_view run, std::uint64_t generation, std::string_view value,
                vault::Time expires) {
        std::vector<vault::NewSecret> secrets;
        secrets.push_back({vault::Scope::user, "TOKEN", buffer_of(value)});
        return services.replication.replicate_run(
            {run_id(run), office.alice, generation, office.time, expires}, secrets);
    }
    Status replicate_secrets(const std::vector<std::pair<std::string, std::uint64_t>>& names,
                             std::optional<store::Time> expires = {}) {
        std::vector<ReplicatedSecret> kept;
        for (const auto& [name, generation] : names) {
            store::SecretHead head;
            head.name = name;
            head.generation = generation;
            head.set = office.time;
            head.expires = expires;
            kept.push_back({head, buffer_of(name + std::to_string(generation))});
        }
        return services.replication.replicate_secrets(alice, kept);
    }
    std::string kept() const {
        std::string text;
        for (const store::SecretHead* head : store->list(alice)) {
            text += head->name + "=" +
                    std::string(text_of(store->value_of(alice, head->name)->view().bytes())) + " ";
        }
        return text;
    }
};

std::set<std::string> owners_of(const DocumentKeys& subjects) {
    std::set<std::string> names;
    for (const store::Owner& owner : subjects.owners) {
        names.insert(owner.is_workspace() ? owner.workspace() : std::to_string(owner.uid().value));
    }
    return names;
}

TEST_CASE("Document keys: name the run of a spec and each owner its secrets may have") {
    SharingOffice sharing;
    const Uid alice = sharing.office.alice;
    const std::string uid = std::to_string(alice.value);
    const auto about = [&](const std::string& ask) {
        return sharing.services.replication.documents_of_spec(alice, ask);
    };
    CHECK(about("run:r").runs == std::set<RunId>{run_id("r")});
    CHECK(owners_of(about("run:r")).empty());
    CHECK(owners_of(about("TOKEN,run:r")) == std::set<std::string>{uid, "lab", "team"});
    CHECK(owners_of(about("TOKEN,workspace:team")) == std::set<std::string>{uid, "team"});
    CHECK(owners_of(about("TOKEN,workspace:other")) == std::set<std::string>{uid});
    for (const char* ask : {"none", "run:", ""}) {
        CAPTURE(ask);
        CHECK(about(ask).runs.empty());
        CHECK(about(ask).owners.empty());
    }
}

TEST_CASE("Document keys: name the owners of the stored secrets that a request is about") {
    SharingOffice sharing;
    const auth::Principal alice = sharing.office.alice;
    CHECK(owners_of(sharing.services.replication.documents_of_scope(alice, {})) ==
          std::set<std::string>{std::to_string(sharing.office.alice.value)});
    CHECK(owners_of(sharing.services.replication.documents_of_scope(alice, {"lab"})) ==
          std::set<std::string>{"lab"});
    CHECK(owners_of(sharing.services.replication.documents_of_scope(alice, {"none"})).empty());
    CHECK(owners_of(sharing.services.replication.documents_of_scope(
                        auth::Principal::of_certificate("x"), {}))
              .empty());
    CHECK(owners_of(sharing.services.replication.documents_of_workspaces()) ==
          std::set<std::string>{"lab", "other", "team"});
}

TEST_CASE("SharedStoreSync: treats a run pushed to another hub like a local one") {
    SharingOffice sharing;
    std::vector<std::string> woken;
    sharing.office.events.on_push = [&](const RunId& run) { woken.push_back(run.text()); };
    const vault::Time later = sharing.office.time + std::chrono::hours(1);
    REQUIRE(sharing.take("r", 4, "one", later).ok());
    CHECK(woken == std::vector<std::string>{"r"});
    CHECK(sharing.office.info("r").head.generation == 4);
    CHECK(given(sharing.office.ask(sharing.office.alice, "run:r")) == "TOKEN=one\n");
    REQUIRE(sharing.take("r", 5, "two", later).ok());
    CHECK(given(sharing.office.ask(sharing.office.alice, "run:r")) == "TOKEN=two\n");
    sharing.services.replication.drop_replicated_run(run_id("r"));
    CHECK_FALSE(sharing.services.runs.has_run(run_id("r")));
    sharing.services.replication.drop_replicated_run(run_id("r"));
    CHECK(sharing.office.vault.inventory().runs == 0);
}

TEST_CASE("SharedStoreSync: drops a run that has expired in the shared store") {
    SharingOffice sharing;
    REQUIRE(sharing.take("r", 1, "one", sharing.office.time + std::chrono::seconds(5)).ok());
    sharing.office.time += std::chrono::seconds(5);
    REQUIRE(sharing.take("r", 1, "one", sharing.office.time).ok());
    CHECK_FALSE(sharing.services.runs.has_run(run_id("r")));
}

TEST_CASE("SharedStoreSync: replaces the local secrets of an owner with the shared ones") {
    SharingOffice sharing;
    REQUIRE(sharing.replicate_secrets({{"A", 1}, {"B", 1}}).ok());
    CHECK(sharing.kept() == "A=A1 B=B1 ");
    REQUIRE(sharing.replicate_secrets({{"B", 2}, {"C", 1}}).ok());
    CHECK(sharing.kept() == "B=B2 C=C1 ");
    CHECK(sharing.store->usage().secrets == 2);
    REQUIRE(sharing.replicate_secrets({}).ok());
    CHECK(sharing.kept().empty());
}

TEST_CASE("SharedStoreSync: expires shared secrets locally") {
    SharingOffice sharing;
    sharing.services.expiry.expire();
    REQUIRE(
        sharing.replicate_secrets({{"A", 1}}, sharing.office.time + std::chrono::seconds(5)).ok());
    sharing.office.time += std::chrono::seconds(5);
    sharing.services.expiry.expire();
    CHECK(sharing.kept().empty());
}

TEST_CASE("SharedStoreSync: keeps the last use of a secret until its generation changes") {
    SharingOffice sharing;
    REQUIRE(sharing.replicate_secrets({{"A", 1}, {"B", 1}}).ok());
    (void)sharing.office.ask(sharing.office.alice, "A,B");
    REQUIRE(sharing.replicate_secrets({{"A", 1}, {"B", 2}}).ok());
    CHECK(sharing.store->find(sharing.alice, "A")->used);
    CHECK_FALSE(sharing.store->find(sharing.alice, "B")->used);
}

}  // namespace
}  // namespace secrets::service
