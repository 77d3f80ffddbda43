// SPDX-License-Identifier: Apache-2.0
// Promise: what people keep is theirs to change and their jobs' to use, by the table of rights;
// what is refused changes nothing.

#include "tests/unit/catch.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

const SecretScope kOwn;
const SecretScope kLab{"lab"};
const SecretScope kTeam{"team"};

/// A services with a store: bob is admin of lab, alice a member of lab and team, www-data (the
/// platform) in neither, root in neither.
struct KeepingOffice {
    static Config config() {
        Config config = Office::small();
        config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {"alice"}}},
                             {"team", {{"bob"}, {}}, {{"alice"}, {}}},
                             {"other", {{"bob"}, {}}, {}}};
        config.limits.stored_secrets = 3;
        config.limits.stored_bytes = 100;
        return config;
    }

    TemporaryFolder folder;
    std::unique_ptr<store::SecretStore> store = open();
    Office office{config(), 64UL * 1024 * 1024, store.get()};
    Services& services = office.services;
    const Uid alice = office.alice, bob = office.bob, tower = office.tower;

    std::unique_ptr<store::SecretStore> open() const {
        return std::move(
            store::SecretStore::open(folder.file("store.db"), store::key_of(folder, 'k')).value());
    }
    StatusOr<PutSecretResult> set(Uid caller, const SecretScope& place, const std::string& name,
                                  std::string_view value, std::optional<std::string> ttl = {},
                                  const Precondition& precondition = {}) {
        return services.secrets.put_secret(caller, place, name, {buffer_of(value), std::move(ttl)},
                                           precondition);
    }
    std::string state() const {
        std::string text = office.state();
        for (const auto& owner :
             {store::Owner::user(alice), store::Owner::user(bob), store::Owner::user(tower),
              store::Owner::user(kRoot), store::Owner::workspace_named("lab"),
              store::Owner::workspace_named("team"), store::Owner::workspace_named("other")}) {
            for (const store::SecretHead* head : store->list(owner)) {
                text += owner.workspace() + std::to_string(owner.uid().value) + " " + head->name +
                        " " + std::to_string(head->generation) + " " +
                        std::string(text_of(store->value_of(owner, head->name)->view().bytes())) +
                        "\n";
            }
        }
        return text;
    }
};

TEST_CASE("GrantService: grants a stored secret only to jobs of its user", "[keeping]") {
    KeepingOffice here;
    const auto made = here.set(here.alice, kOwn, "HF-TOKEN", "hf value");
    REQUIRE(made.ok());
    CHECK(made.value().created);
    CHECK(made.value().secret.generation == 1);
    CHECK(given(here.office.ask(here.alice, "HF-TOKEN")) == "HF_TOKEN=hf value\n");
    CHECK(given(here.office.ask(here.alice, "HF-TOKEN=X")) == "X=hf value\n");
    CHECK(given(here.office.ask(here.bob, "HF-TOKEN", 0, JobId{2})) ==
          "secret HF-TOKEN is not set for bob; set it with: secretctl set HF-TOKEN");
    CHECK(given(here.office.ask(kRoot, "HF-TOKEN", 0, JobId{3})) ==
          "secret HF-TOKEN is not set for root; set it with: secretctl set HF-TOKEN");
    const auto again = here.set(here.alice, kOwn, "HF-TOKEN", "new");
    CHECK_FALSE(again.value().created);
    CHECK(again.value().secret.generation == 2);
    CHECK(given(here.office.ask(here.alice, "HF-TOKEN")) == "HF_TOKEN=new\n");
    CHECK(here.services.secrets.remove_secret(here.alice, kOwn, "HF-TOKEN", {}).ok());
    CHECK(given(here.office.ask(here.alice, "HF-TOKEN")).find("is not set for alice") !=
          std::string::npos);
}

TEST_CASE("GrantService: resolves a name from the run then the user then the workspace",
          "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.office.push(here.alice, "r", {}, list_of(user_secret("RUN", "run's"))).ok());
    for (const char* name : {"RUN", "OWN", "LAB"}) {
        REQUIRE(here.set(here.bob, kLab, name, "lab's").ok());
    }
    for (const char* name : {"RUN", "OWN"}) {
        REQUIRE(here.set(here.alice, kOwn, name, "user's").ok());
    }
    CHECK(given(here.office.ask(here.alice, "run:r,RUN,OWN,LAB")) ==
          "RUN=run's\nOWN=user's\nLAB=lab's\n");
    const SpecCheck info = here.services.grants.check(here.alice, "run:r,RUN,OWN,LAB,NO?").value();
    CHECK(info.ok);
    CHECK(info.items[0].source == Source::run);
    CHECK(info.items[1].source == Source::user);
    CHECK(info.items[2].source == Source::workspace);
    CHECK(info.items[2].workspace == "lab");
    CHECK(info.items[2].bytes == 5);
    CHECK_FALSE(info.items[3].found);
    // All of a run is what was pushed.
    CHECK(given(here.office.ask(here.alice, "run:r")) == "RUN=run's\n");
    CHECK(given(here.office.ask(here.alice, "run:r,NEVER")) ==
          "secret NEVER is not among the secrets of run r, and not set for alice; set it with: "
          "secretctl set NEVER");
}

TEST_CASE("GrantService: requires the spec to name the workspace when two have the secret",
          "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.bob, kLab, "TOKEN", "lab's").ok());
    REQUIRE(here.set(here.bob, kTeam, "TOKEN", "team's").ok());
    REQUIRE(here.set(here.bob, SecretScope{"other"}, "TOKEN", "other's").ok());
    CHECK(given(here.office.ask(here.alice, "TOKEN?")) ==
          "secret TOKEN is in the workspaces lab, team; choose one with --workspace=lab");
    CHECK(given(here.office.ask(here.alice, "workspace:team,TOKEN")) == "TOKEN=team's\n");
    CHECK(given(here.office.ask(here.alice, "workspace:lab,TOKEN")) == "TOKEN=lab's\n");
    CHECK(given(here.office.ask(here.alice, "workspace:other,TOKEN")) ==
          "there is no workspace other that alice is in");
    CHECK(given(here.office.ask(here.alice, "workspace:never,TOKEN")) ==
          "there is no workspace never that alice is in");
    CHECK(given(here.office.ask(here.tower, "TOKEN", 0, JobId{2})).find("not set for www-data") !=
          std::string::npos);
    REQUIRE(here.set(here.alice, kOwn, "TOKEN", "own").ok());
    CHECK(given(here.office.ask(here.alice, "TOKEN")) == "TOKEN=own\n");
}

TEST_CASE("SecretService: allows only what the policy says and changes nothing when it denies",
          "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.bob, kLab, "LAB", "lab's").ok());
    REQUIRE(here.set(here.alice, kOwn, "OWN", "own").ok());
    struct Row {
        Uid caller;
        SecretScope place;
        bool keeps;
        StatusCode why;
    };
    const Uid nobody{65534};
    for (const Row& row : {
             Row{kRoot, kLab, true, {}},
             Row{here.bob, kLab, true, {}},
             Row{here.alice, kLab, false, StatusCode::permission_denied},
             Row{here.tower, kLab, false, StatusCode::not_found},
             Row{nobody, kLab, false, StatusCode::not_found},
             Row{kRoot, SecretScope{"never"}, false, StatusCode::not_found},
             Row{here.bob, SecretScope{"never"}, false, StatusCode::not_found},
         }) {
        CAPTURE(row.caller.value, row.place.workspace.value_or(""));
        const std::string before = here.state();
        const auto reason_of = [](const auto& answer) {
            const Status status = status_of(answer);
            return status.ok() ? std::nullopt : std::optional(status.code());
        };
        const auto expected = row.keeps ? std::nullopt : std::optional(row.why);
        const auto list = here.services.secrets.list_secrets(row.caller, row.place);
        if (row.why == StatusCode::permission_denied) {  // a member
            REQUIRE(list.ok());
            CHECK(list->names_only);
        } else {
            CHECK(reason_of(list) == expected);
            CHECK_FALSE((list.ok() && list->names_only));
        }
        CHECK(reason_of(here.set(row.caller, row.place, "NEW", "v")) == expected);
        CHECK(reason_of(here.services.secrets.rename_secret(row.caller, row.place, "NEW", "NEWER",
                                                            {})) == expected);
        CHECK(reason_of(here.services.secrets.read_secret(row.caller, row.place, "NEWER")) ==
              expected);
        const auto removed =
            here.services.secrets.remove_secret(row.caller, row.place, "NEWER", {});
        CHECK((removed.ok() ? std::nullopt : std::optional(removed.code())) == expected);
        CHECK(here.state() == before);
    }
    // Each sees and changes their own alone.
    for (const Uid caller : {kRoot, here.bob, here.tower}) {
        const auto list = here.services.secrets.list_secrets(caller, kOwn);
        CHECK(list.value().secrets.empty());
        CHECK(here.services.secrets.remove_secret(caller, kOwn, "OWN", {}).code() ==
              StatusCode::not_found);
    }
    const auto seen = [&](Uid caller) {
        std::string text;
        const auto answer = here.services.secrets.list_workspaces(caller);
        for (const auto& workspace : answer.value()) {
            text += workspace.name + (workspace.is_admin ? "!" : "") +
                    std::to_string(workspace.secrets) + " ";
        }
        return text;
    };
    CHECK(seen(here.bob) == "lab!1 team!0 other!0 ");
    CHECK(seen(here.alice) == "lab1 team0 ");
    CHECK(seen(kRoot) == "lab!1 team!0 other!0 ");
    CHECK(seen(here.tower).empty());
}

TEST_CASE("SecretService: denies an invalid change with a message and changes nothing",
          "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.alice, kOwn, "A-B", "v").ok());
    REQUIRE(here.set(here.alice, kOwn, "C", std::string(50, 'c')).ok());
    const std::string before = here.state();
    const auto refused = [&](const std::string& name, std::string_view value,
                             std::optional<std::string> ttl = {},
                             const Precondition& precondition = {}) {
        return refusal_of(here.set(here.alice, kOwn, name, value, std::move(ttl), precondition));
    };
    CHECK(refused("1A", "v").find("'1A'") != std::string::npos);
    CHECK(refused("PATH", "v") != "(granted)");
    CHECK(refused("A_B", "v") ==
          "secret A_B would become the variable A_B, as A-B of alice does; choose another name");
    CHECK(refused("D", std::string(61, 'd')) == "the value has 61 bytes; the limit is 60");
    CHECK(refused("D", std::string(60, 'd')).find("exceed the limit of 100 bytes") !=
          std::string::npos);
    CHECK(refused("D", "v", "never").find("\"ttl\": ") == 0);
    CHECK(refused("C", "v", {}, {.is_new = true}) == "secret C already exists");
    CHECK(refused("C", "v", {}, {.generation = 2}).find("has generation 1, not 2") !=
          std::string::npos);
    CHECK(refused("D", "v", {}, {.generation = 1}) == "secret D does not exist");
    CHECK(refused("D", "v", {}, {.exists = true}) == "secret D does not exist");
    const auto rename = [&](const char* from, const char* to) {
        return refusal_of(here.services.secrets.rename_secret(here.alice, kOwn, from, to, {}));
    };
    CHECK(rename("NEVER", "D") == "secret NEVER is not set for alice");
    CHECK(rename("C", "A-B") == "secret A-B of alice is set already; remove it first");
    CHECK(rename("C", "A_B").find("would become the variable A_B") != std::string::npos);
    CHECK(rename("C", "LD_PRELOAD") != "(granted)");
    CHECK(here.services.secrets.remove_secret(here.alice, kOwn, "NEVER", {}).message() ==
          "secret NEVER is not set for alice");
    CHECK(here.state() == before);
    CHECK(rename("A-B", "A_B") == "(granted)");  // its own variable is no other's
    CHECK(here.set(here.alice, kOwn, "D", "v").ok());
    CHECK(refused("E", "v").find("has 3 stored secrets; the limit is 3") != std::string::npos);
    CHECK(here.set(here.alice, kOwn, "D", "w", {}, {.generation = 1}).ok());
}

TEST_CASE("SecretService: renames and removes a secret whose variable is not allowed any more",
          "[keeping]") {
    KeepingOffice here;
    const store::Owner owner = store::Owner::user(here.alice);
    for (const char* name : {"LUA_INIT", "LD-PRELOAD"}) {
        store::SecretHead head;
        head.name = name;
        const Status stored = here.store->put(owner, std::move(head), buffer_of("v").view());
        REQUIRE(stored.ok());
    }
    auto& secrets = here.services.secrets;
    CHECK(secrets.read_secret(here.alice, kOwn, "LUA_INIT")->name == "LUA_INIT");
    CHECK_FALSE(here.set(here.alice, kOwn, "LUA_INIT", "w").ok());
    CHECK(secrets.rename_secret(here.alice, kOwn, "LUA_INIT", "MY_LUA_INIT", {}).ok());
    CHECK(secrets.check_change(here.alice, kOwn, "LD-PRELOAD").ok());
    CHECK(secrets.remove_secret(here.alice, kOwn, "LD-PRELOAD", {}).ok());
    CHECK(here.store->list(owner).size() == 1);
}

TEST_CASE("SecretService: removes an expired secret and warns jobs beforehand", "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.alice, kOwn, "SOON", "v", "3d").ok());
    REQUIRE(here.set(here.alice, kOwn, "LATER", "v", "30d").ok());
    REQUIRE(here.set(here.bob, kLab, "SHARED", "v", "2h").ok());
    const auto note = [&](const char* ask, JobId job) {
        const auto answer = here.office.ask(here.alice, ask, 0, job);
        const auto* granted = std::get_if<Granted>(&answer);
        return granted != nullptr ? granted->note : refusal_of(answer);
    };
    CHECK(note("SOON,LATER,SHARED", JobId{1}) ==
          "secret SOON expires in 3 days; set it again with: secretctl set SOON; secret SHARED of "
          "workspace lab expires in less than a day");
    CHECK(note("SOON", JobId{1}).empty());  // each job is told once
    CHECK(note("LATER", JobId{2}).empty());
    CHECK(here.services.expiry.expire() == here.office.time + std::chrono::hours(2));
    here.office.time += std::chrono::hours(3 * 24) - std::chrono::seconds(1);
    CHECK(note("SOON", JobId{3}).find("in less than a day") != std::string::npos);
    here.office.time += std::chrono::seconds(1);
    CHECK(note("SOON", JobId{4}).find("is not set for alice") != std::string::npos);
    CHECK(here.store->find(store::Owner::user(here.alice), "SOON") == nullptr);
    CHECK(here.services.expiry.expire() == here.office.time + std::chrono::hours(27 * 24));
}

TEST_CASE("GrantService: denies an expired secret even when it cannot be removed", "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.alice, kOwn, "A", "v", "1h").ok());
    REQUIRE(store::SecretStore::rekey(here.folder.file("store.db"), store::key_of(here.folder, 'k'),
                                      store::key_of(here.folder, 'n')));
    here.office.time += std::chrono::hours(1);
    CHECK(given(here.office.ask(here.alice, "A")).find("is not set for alice") !=
          std::string::npos);
    REQUIRE(here.store->find(store::Owner::user(here.alice), "A") != nullptr);
    // Tried again, and said again, a minute later: not at every request.
    const std::uint64_t said = audit::count_of(audit::Kind::trouble);
    CHECK(here.services.expiry.expire() == here.office.time + std::chrono::minutes(1));
    CHECK(audit::count_of(audit::Kind::trouble) == said);
    here.office.time += std::chrono::minutes(1);
    here.services.expiry.expire();
    CHECK(audit::count_of(audit::Kind::trouble) == said + 1);
}

TEST_CASE("SecretService: lists the job that last used each secret", "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.alice, kOwn, "A", "v").ok());
    REQUIRE(here.set(here.bob, kLab, "B", "v").ok());
    here.office.time += std::chrono::seconds(5);
    here.office.ask(here.alice, "A,B", 0, JobId{77});
    const auto list = here.services.secrets.list_secrets(here.alice, kOwn).value().secrets;
    REQUIRE(list.size() == 1);
    CHECK(list[0].used->job == JobId{77});
    CHECK(list[0].used->at == here.office.time);
    const auto shared = here.services.secrets.list_secrets(here.bob, kLab).value().secrets;
    CHECK(shared[0].used->job == JobId{77});
    here.services.secrets.save_uses();
    CHECK_FALSE(here.store->has_unsaved_uses());
}

TEST_CASE("GrantService: denies a submission when a secret is missing that no run can supply",
          "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.alice, kOwn, "A", "v").ok());
    CHECK(here.services.grants.check_submission(here.alice, "A").ok());
    CHECK(here.services.grants.check_submission(here.alice, "run:later,B").ok());
    CHECK(here.services.grants.check_submission(here.alice, "B?").ok());
    CHECK(here.services.grants.check_submission(here.alice, "A,HF_TOKEN").message() ==
          "secret HF_TOKEN is not set for alice; set it with: secretctl set HF_TOKEN");
}

TEST_CASE("GrantService: denies a stored secret that was altered", "[keeping]") {
    KeepingOffice here;
    REQUIRE(here.set(here.alice, kOwn, "A", "v").ok());
    here.store.reset();
    {
        const auto database = store::SqliteDatabase::open(here.folder.file("store.db"), false);
        REQUIRE(database->run("UPDATE secrets SET generation=9").ok());
    }
    const auto store = here.open();
    Office office(KeepingOffice::config(), 64UL * 1024 * 1024, store.get());
    CHECK(given(office.ask(office.alice, "A?")) ==
          "secret A of alice was altered in the agent's store and is not used; set it again");
    CHECK(refusal_of(office.services.secrets.rename_secret(office.alice, kOwn, "A", "B", {}))
              .find("altered") != std::string::npos);
}

/// A services where workspace chemists is of a Slurm account, as are the admins of services, in
/// which alice is by her name; both have a secret PEN, and chemists TOKEN.
struct AccountOffice : KeepingOffice {
    AccountOffice() {
        Config config = KeepingOffice::config();
        config.workspaces = {{"chemists", {{"bob"}, {}}, {{}, {}, {"chem"}}},
                             {"desk", {{"bob"}, {}, {"bio"}}, {{"alice"}, {}}}};
        services.context.configure(config);
        for (const auto& [place, name] :
             {std::pair(SecretScope{"chemists"}, "TOKEN"),
              std::pair(SecretScope{"chemists"}, "PEN"), std::pair(SecretScope{"desk"}, "PEN")}) {
            REQUIRE(set(bob, place, name, *place.workspace).ok());
        }
    }
    void say(const std::string& account, std::vector<std::string> users) {
        said.set(account, true, std::move(users), true);
        services.context.principals.know(said);
    }

    auth::SlurmAccountMembers said;
};

template <typename Variant>
bool is_unavailable(const Variant& answer, const std::string& sentence) {
    const Status status = status_of(answer);
    if (status.code() != StatusCode::unavailable) return false;
    CHECK(status.message() == sentence);
    return true;
}

TEST_CASE("Services: report unavailable only for what depends on an unknown Slurm account",
          "[keeping]") {
    AccountOffice here;
    const auto whether = [](const std::string& user, const std::string& workspace,
                            const std::string& account) {
        return "cannot tell yet if " + user + " is in workspace " + workspace +
               ": slurmctld has not yet listed the users of the Slurm account " + account +
               "; try again in a moment";
    };
    const std::string alice_in_chemists = whether("alice", "chemists", "chem");
    for (const char* ask : {"TOKEN", "TOKEN?", "workspace:chemists,TOKEN", "PEN", "TOKEN,NONE?"}) {
        CAPTURE(ask);
        CHECK(is_unavailable(here.office.ask(here.alice, ask), alice_in_chemists));
        CHECK(is_unavailable(here.services.grants.check(here.alice, ask), alice_in_chemists));
        // The job may well be answered by the time it starts.
        CHECK(here.services.grants.check_submission(here.alice, ask).ok());
    }
    CHECK(given(here.office.ask(here.alice, "workspace:desk,PEN")) == "PEN=desk\n");
    CHECK(given(here.office.ask(here.bob, "TOKEN", 0, JobId{2})) == "TOKEN=chemists\n");
    REQUIRE(here.set(here.alice, kOwn, "TOKEN", "own").ok());
    CHECK(given(here.office.ask(here.alice, "TOKEN")) == "TOKEN=own\n");

    const SecretScope shared{"desk"};
    CHECK(is_unavailable(here.services.secrets.list_workspaces(here.alice), alice_in_chemists));
    CHECK(here.services.secrets.list_workspaces(here.bob).ok());
    CHECK(here.services.secrets.list_workspaces(kRoot).ok());
    CHECK(is_unavailable(here.services.secrets.list_secrets(here.alice, shared),
                         whether("alice", "desk", "bio")));
    const std::string before = here.state();
    CHECK(is_unavailable(here.set(here.tower, shared, "PEN", "x"),
                         whether("www-data", "desk", "bio")));
    CHECK(here.state() == before);

    here.say("chem", {"alice"});
    CHECK(given(here.office.ask(here.alice, "workspace:chemists,PEN")) == "PEN=chemists\n");
    CHECK(given(here.office.ask(here.alice, "PEN")).find("choose one with") != std::string::npos);
    CHECK(is_unavailable(here.services.secrets.list_workspaces(here.alice),
                         whether("alice", "desk", "bio")));
    here.say("bio", {});
    CHECK(here.services.secrets.list_workspaces(here.alice).ok());
    CHECK(status_of(here.set(here.alice, shared, "PEN", "x")).code() ==
          StatusCode::permission_denied);
    here.say("bio", {"alice"});
    CHECK(here.set(here.alice, shared, "PEN", "x").ok());
    // What is known stays known with a new configuration.
    AccountOffice another;
    another.say("chem", {"alice"});
    Config config = KeepingOffice::config();
    config.workspaces = {{"chemists", {{"bob"}, {}}, {{}, {}, {"chem"}}}};
    another.services.context.configure(config);
    CHECK(given(another.office.ask(another.alice, "TOKEN")) == "TOKEN=chemists\n");
}

TEST_CASE("SecretService: reports when the agent has no store", "[keeping]") {
    Office office;
    CHECK(refusal_of(office.services.secrets.list_secrets(office.alice, kOwn))
              .find("sets no store") != std::string::npos);
    CHECK(refusal_of(
              office.services.secrets.put_secret(office.alice, kOwn, "A", {buffer_of("v"), {}}, {}))
              .find("sets no store") != std::string::npos);
    CHECK(office.services.secrets.list_workspaces(office.alice).value().empty());
}

}  // namespace
}  // namespace secrets::service
