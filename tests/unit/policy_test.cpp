// SPDX-License-Identifier: Apache-2.0
// Promise: each may do what the table of rights says and nothing else. The accounts are the
// machine's own: root, alice and bob (tests/setup), and www-data as platform.

#include "agentd/auth/policy.h"

#include "agentd/auth/user_database.h"
#include "tests/unit/catch.h"
#include "tests/unit/fake_users.h"

namespace secrets::auth {
namespace {

struct Here {
    const Uid root{0};
    const Uid alice = uid_of("alice");
    const Uid bob = uid_of("bob");
    const Uid tower = uid_of("www-data");
    const Uid unknown{4'000'000'000U};
};

TEST_CASE("Policy: allows exactly the operations of the table of rights") {
    struct Row {
        Permission operation;
        const char* may;  // root, owner, platform, workspace admin, member, stranger
    };
    constexpr Role kAll[] = {Role::root,   Role::owner,   Role::platform, Role::workspace_admin,
                             Role::member, Role::stranger};
    for (const Row& row : {
             Row{Permission::push_run, "YYYnnn"},
             Row{Permission::read_run, "YYYnnn"},
             Row{Permission::complete_run, "YYYnnn"},
             Row{Permission::use_run, "nYnnnn"},
             Row{Permission::manage_own, "nYnnnn"},
             Row{Permission::use_own, "nYnnnn"},
             Row{Permission::list_workspace, "YnnYYn"},
             Row{Permission::manage_workspace, "YnnYnn"},
             Row{Permission::use_workspace, "nnnYYn"},
         }) {
        for (std::size_t i = 0; i < std::size(kAll); ++i) {
            CAPTURE(static_cast<int>(row.operation), i);
            CHECK(may(kAll[i], row.operation) == (row.may[i] == 'Y'));
        }
    }
}

TEST_CASE("PrincipalResolver: gives each user and root the configured role in a workspace") {
    const Here here;
    const PrincipalResolver people(
        {}, {{"lab", {{"bob"}, {}}, {{"root"}, {"alice"}}},
             {"ops", {{}, {"root", "no-such-group"}}, {{"bob", "root"}, {}}}});
    const auto in = [&](Uid uid, const char* name) {
        return people.workspace_role(uid, *people.find_workspace(name)).role;
    };
    CHECK(in(here.bob, "lab") == Role::workspace_admin);
    CHECK(in(here.alice, "lab") == Role::member);
    CHECK(in(here.root, "lab") == Role::member);
    CHECK(in(here.tower, "lab") == Role::stranger);
    CHECK(in(here.unknown, "lab") == Role::stranger);
    CHECK(in(here.root, "ops") == Role::workspace_admin);
    CHECK(in(here.bob, "ops") == Role::member);
    CHECK(in(here.alice, "ops") == Role::stranger);
    const PrincipalResolver alone({}, {{"lab", {{"bob"}, {}}, {}}});
    CHECK(alone.workspace_role(here.root, *alone.find_workspace("lab")).role == Role::root);
    CHECK(people.find_workspace("Lab") == nullptr);
    CHECK(people.find_workspace("") == nullptr);
}

auth::SlurmAccountMembers saying(const std::map<std::string, std::vector<std::string>>& accounts,
                                 bool is_established = true) {
    auth::SlurmAccountMembers said;
    for (const auto& [account, users] : accounts) said.set(account, true, users, is_established);
    return said;
}

TEST_CASE("PrincipalResolver: takes nothing back for a Slurm account's answers of a short time") {
    const Here here;
    PrincipalResolver people({}, {{"lab", {{"root"}, {}}, {{}, {}, {"chem"}}}});
    const auto bob = [&](Certainty certainty) {
        return people.workspace_role(here.bob, *people.find_workspace("lab"), certainty);
    };
    people.know(saying({{"chem", {"alice"}}}, false));
    CHECK(bob(Certainty::current).undecided.ok());
    CHECK(bob(Certainty::established).undecided.message() ==
          "cannot tell yet if bob is in workspace lab: slurmctld does not list them in the Slurm "
          "account chem; this is certain only after slurmctld has answered so for 10 minutes");
    people.know(saying({{"chem", {"alice", "bob"}}}, false));
    CHECK(bob(Certainty::established).role == Role::member);
    people.know(saying({{"chem", {"alice"}}}));
    CHECK(bob(Certainty::established).undecided.ok());
    CHECK(bob(Certainty::established).role == Role::stranger);
}

TEST_CASE("PrincipalResolver: admits users of a Slurm account to the workspaces that name it") {
    const Here here;
    PrincipalResolver people({}, {{"lab", {{"root"}, {}}, {{}, {}, {"chem", "bio"}}},
                                  {"desk", {{}, {}, {"bio"}}, {{"alice"}, {}}}});
    people.know(saying({{"chem", {"alice"}}, {"bio", {"bob", "root"}}, {"law", {"www-data"}}}));
    const auto in = [&](Uid uid, const char* name) {
        const WorkspaceRole workspace_role =
            people.workspace_role(uid, *people.find_workspace(name));
        CHECK(workspace_role.undecided.ok());
        return workspace_role.role;
    };
    CHECK(in(here.alice, "lab") == Role::member);
    CHECK(in(here.bob, "lab") == Role::member);
    CHECK(in(here.root, "lab") == Role::workspace_admin);
    CHECK(in(here.tower, "lab") == Role::stranger);
    CHECK(in(here.unknown, "lab") == Role::stranger);
    CHECK(in(here.bob, "desk") == Role::workspace_admin);
    CHECK(in(here.root, "desk") == Role::workspace_admin);
    CHECK(in(here.alice, "desk") == Role::member);
    CHECK(in(here.tower, "desk") == Role::stranger);
    people.know(saying({{"chem", {}}, {"bio", {}}}));
    CHECK(in(here.alice, "lab") == Role::stranger);
    CHECK(in(here.bob, "desk") == Role::stranger);
    CHECK(in(here.root, "desk") == Role::root);
    CHECK(people.workspace_role(Principal::of_certificate("bob"), *people.find_workspace("desk"))
              .role == Role::stranger);
}

TEST_CASE("PrincipalResolver: leaves undecided only what depends on an unknown Slurm account") {
    const Here here;
    PrincipalResolver people({}, {{"lab", {{"root"}, {}}, {{}, {"bob"}, {"chem", "bio"}}},
                                  {"desk", {{"root"}, {}, {"bio"}}, {{"alice"}, {}}}});
    const auto in = [&](Uid uid, const char* name) {
        const WorkspaceRole workspace_role =
            people.workspace_role(uid, *people.find_workspace(name));
        const std::string& why = workspace_role.undecided.message();
        const auto account = why.find("Slurm account ");
        return std::pair(
            workspace_role.role,
            account == why.npos ? why : why.substr(account + 14, why.find(';') - account - 14));
    };
    CHECK(in(here.root, "lab") == std::pair(Role::workspace_admin, std::string()));
    CHECK(in(here.bob, "lab") == std::pair(Role::member, std::string()));
    CHECK(in(here.alice, "lab") == std::pair(Role::stranger, std::string("chem")));
    CHECK(in(here.root, "desk") == std::pair(Role::workspace_admin, std::string()));
    CHECK(in(here.alice, "desk") == std::pair(Role::member, std::string("bio")));
    CHECK(in(here.bob, "desk") == std::pair(Role::stranger, std::string("bio")));
    // One account suffices where it has them, and does not where it has them not.
    people.know(saying({{"bio", {"alice"}}}));
    CHECK(in(here.alice, "lab") == std::pair(Role::member, std::string()));
    CHECK(in(here.tower, "lab") == std::pair(Role::stranger, std::string("chem")));
    CHECK(in(here.alice, "desk") == std::pair(Role::workspace_admin, std::string()));
    // Whoever is no account of this machine is no user of a Slurm account.
    CHECK(in(here.unknown, "lab") == std::pair(Role::stranger, std::string()));
}

TEST_CASE("PrincipalResolver: knows only root and owner and stranger without platforms") {
    const Here here;
    const PrincipalResolver people({});
    CHECK(*people.role_of(here.root, here.alice) == Role::root);
    CHECK(*people.role_of(here.root, here.unknown) == Role::root);
    CHECK(*people.role_of(here.alice, here.alice) == Role::owner);
    CHECK(*people.role_of(here.root, here.root) == Role::owner);
    CHECK(*people.role_of(here.unknown, here.unknown) == Role::owner);
    CHECK(*people.role_of(here.bob, here.alice) == Role::stranger);
    CHECK(*people.role_of(here.alice, here.root) == Role::stranger);
    CHECK(*people.role_of(here.tower, here.alice) == Role::stranger);
    CHECK_FALSE(*people.is_platform(here.tower));
    CHECK_FALSE(*people.is_platform(here.root));
}

TEST_CASE("PrincipalResolver: lets a platform act only for users listed by name or number") {
    const Here here;
    for (const std::string& user : {std::string("alice"), std::to_string(here.alice.value)}) {
        const PrincipalResolver people({{"tower", "www-data", {"no-such-user", user}, {}}});
        CHECK(*people.role_of(here.tower, here.alice) == Role::platform);
        CHECK(*people.role_of(here.tower, here.bob) == Role::stranger);
        CHECK(*people.role_of(here.tower, here.root) == Role::stranger);
        CHECK(*people.role_of(here.tower, here.unknown) == Role::stranger);
        CHECK(*people.role_of(here.tower, here.tower) == Role::owner);
        CHECK(*people.role_of(here.bob, here.alice) == Role::stranger);
        CHECK(*people.role_of(here.root, here.alice) == Role::root);
        CHECK(*people.is_platform(here.tower));
        CHECK_FALSE(*people.is_platform(here.alice));
    }
}

TEST_CASE("PrincipalResolver: lets a platform act for members of its listed groups") {
    const Here here;
    const PrincipalResolver people({{"tower", "www-data", {}, {"no-such-group", "alice"}}});
    CHECK(*people.role_of(here.tower, here.alice) == Role::platform);
    CHECK(*people.role_of(here.tower, here.bob) == Role::stranger);
    CHECK(*people.role_of(here.tower, here.unknown) == Role::stranger);
}

TEST_CASE("PrincipalResolver: keeps the users of one platform from another") {
    const Here here;
    const PrincipalResolver people(
        {{"tower", "www-data", {"alice"}, {}}, {"other", "bob", {"www-data"}, {}}});
    CHECK(*people.role_of(here.tower, here.alice) == Role::platform);
    CHECK(*people.role_of(here.bob, here.tower) == Role::platform);
    CHECK(*people.role_of(here.bob, here.alice) == Role::stranger);
    CHECK(*people.role_of(here.tower, here.bob) == Role::stranger);
}

TEST_CASE("PrincipalResolver: lets one account act for several platforms") {
    const Here here;
    const PrincipalResolver people(
        {{"one", "www-data", {"alice"}, {}}, {"two", "www-data", {"bob"}, {}}});
    CHECK(*people.role_of(here.tower, here.alice) == Role::platform);
    CHECK(*people.role_of(here.tower, here.bob) == Role::platform);
}

TEST_CASE("PrincipalResolver: ignores a platform whose account does not exist") {
    const Here here;
    const PrincipalResolver people({{"tower", "no-such-user", {"alice"}, {}}});
    for (const Uid uid : {here.bob, here.tower, here.unknown}) {
        CHECK_FALSE(*people.is_platform(uid));
        CHECK(*people.role_of(uid, here.alice) == Role::stranger);
    }
}

TEST_CASE("PrincipalResolver: maps a certificate only to its platform and to no account") {
    const Here here;
    Platform named{"tower", "", {"alice"}, {}};
    named.certificate = "tower.example.org";
    const PrincipalResolver people({named, {"local", "www-data", {"bob"}, {}}},
                                   {{"lab", {{"alice"}, {}}, {}}});
    const Principal tower = Principal::of_certificate("tower.example.org");
    CHECK(*people.is_platform(tower));
    CHECK(*people.role_of(tower, here.alice) == Role::platform);
    CHECK(*people.role_of(tower, here.bob) == Role::stranger);
    CHECK(*people.role_of(tower, here.root) == Role::stranger);
    CHECK(people.workspace_role(tower, *people.find_workspace("lab")).role == Role::stranger);
    CHECK_FALSE(tower.is_root());
    for (const char* other : {"", "Tower.example.org", "tower", "www-data", "alice", "root"}) {
        CAPTURE(other);
        const Principal stranger = Principal::of_certificate(other);
        CHECK_FALSE(*people.is_platform(stranger));
        CHECK(*people.role_of(stranger, here.alice) == Role::stranger);
        CHECK(*people.role_of(stranger, here.root) == Role::stranger);
    }
    // Who comes without a certificate is not the platform that has only one.
    for (const Uid uid : {here.root, here.alice, here.unknown}) {
        CHECK_FALSE(*people.is_platform(uid));
    }
}

TEST_CASE("UserDatabase: finds accounts only by whole name or number and returns their names") {
    use_database(nullptr);  // the system's
    CHECK(**users().find_uid("root", Certainty::current) == Uid{0});
    CHECK(**users().find_uid("0", Certainty::current) == Uid{0});
    CHECK(user_name(Uid{0}) == "root");
    CHECK(user_name(Uid{4'000'000'000U}) == "uid 4000000000");
    for (const std::string& text :
         {std::string(), std::string("no-such-user"), std::string("4000000000"), std::string("-1"),
          std::string("0x0"), std::string("0 "), std::string("4294967296"), std::string("roo"),
          std::string("root\0", 5), std::string("root\0bob", 8)}) {
        CAPTURE(text);
        CHECK_FALSE(users().find_uid(text, Certainty::current)->has_value());
    }
    use_database(&fake_users());
}

TEST_CASE("PrincipalResolver: reports that nobody can tell while users cannot be looked up") {
    const Here here;
    const PrincipalResolver people({{"tower", "www-data", {"alice"}, {}}},
                                   {{"lab", {{"bob"}, {}}, {{}, {"alice"}}}});
    fake_users().failure = Status::unavailable("the name service is away");
    CHECK(people.role_of(here.tower, here.alice).status().code() == StatusCode::unavailable);
    CHECK(people.is_platform(here.bob).status().code() == StatusCode::unavailable);
    CHECK(people.workspace_role(here.alice, *people.find_workspace("lab")).undecided.message() ==
          "the name service is away");
    CHECK(*people.role_of(here.alice, here.alice) == Role::owner);
    CHECK(*people.role_of(here.root, here.alice) == Role::root);
    fake_users().failure = Status();
}

}  // namespace
}  // namespace secrets::auth
