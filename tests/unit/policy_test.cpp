// Promise: each may do what the table of rights says and nothing else. The accounts are the
// machine's own: root, alice and bob (tests/setup), and www-data as platform.

#include "agentd/auth/policy.h"

#include "agentd/auth/user_database.h"
#include "tests/unit/catch.h"

namespace secrets::desk {
namespace {

struct Here {
    const Uid root{0};
    const Uid alice = find_account("alice").value();
    const Uid bob = find_account("bob").value();
    const Uid tower = find_account("www-data").value();
    const Uid unknown{4'000'000'000U};
};

TEST_CASE("the table of rights, literally") {
    struct Row {
        Operation operation;
        const char* may;  // root, owner, platform, workspace admin, member, stranger
    };
    constexpr Principal kAll[] = {Principal::root,     Principal::owner,
                                  Principal::platform, Principal::workspace_admin,
                                  Principal::member,   Principal::stranger};
    for (const Row& row : {
             Row{Operation::push_run, "YYYnnn"},
             Row{Operation::read_run, "YYYnnn"},
             Row{Operation::complete_run, "YYYnnn"},
             Row{Operation::use_run, "nYnnnn"},
             Row{Operation::keep_own, "nYnnnn"},
             Row{Operation::use_own, "nYnnnn"},
             Row{Operation::keep_workspace, "YnnYnn"},
             Row{Operation::use_workspace, "nnnYYn"},
         }) {
        for (std::size_t i = 0; i < std::size(kAll); ++i) {
            CAPTURE(static_cast<int>(row.operation), i);
            CHECK(may(kAll[i], row.operation) == (row.may[i] == 'Y'));
        }
    }
}

TEST_CASE("in a workspace each is what the configuration says, root too") {
    const Here here;
    const People people({}, {{"lab", {{"bob"}, {}}, {{"root"}, {"alice"}}},
                             {"ops", {{}, {"root", "no-such-group"}}, {{"bob", "root"}, {}}}});
    const auto in = [&](Uid uid, const char* name) {
        return people.standing(uid, *people.find_workspace(name)).principal;
    };
    CHECK(in(here.bob, "lab") == Principal::workspace_admin);
    CHECK(in(here.alice, "lab") == Principal::member);
    CHECK(in(here.root, "lab") == Principal::member);
    CHECK(in(here.tower, "lab") == Principal::stranger);
    CHECK(in(here.unknown, "lab") == Principal::stranger);
    CHECK(in(here.root, "ops") == Principal::workspace_admin);
    CHECK(in(here.bob, "ops") == Principal::member);
    CHECK(in(here.alice, "ops") == Principal::stranger);
    const People alone({}, {{"lab", {{"bob"}, {}}, {}}});
    CHECK(alone.standing(here.root, *alone.find_workspace("lab")).principal == Principal::root);
    CHECK(people.find_workspace("Lab") == nullptr);
    CHECK(people.find_workspace("") == nullptr);
}

cluster::SlurmAccounts saying(const std::map<std::string, std::vector<std::string>>& accounts) {
    cluster::SlurmAccounts said;
    for (const auto& [account, users] : accounts) said.set(account, true, users);
    return said;
}

TEST_CASE("the users of a Slurm account are in the workspaces that name it") {
    const Here here;
    People people({}, {{"lab", {{"root"}, {}}, {{}, {}, {"chem", "bio"}}},
                       {"desk", {{}, {}, {"bio"}}, {{"alice"}, {}}}});
    people.know(saying({{"chem", {"alice"}}, {"bio", {"bob", "root"}}, {"law", {"www-data"}}}));
    const auto in = [&](Uid uid, const char* name) {
        const Standing standing = people.standing(uid, *people.find_workspace(name));
        CHECK(standing.undecided.empty());
        return standing.principal;
    };
    CHECK(in(here.alice, "lab") == Principal::member);
    CHECK(in(here.bob, "lab") == Principal::member);
    CHECK(in(here.root, "lab") == Principal::workspace_admin);
    CHECK(in(here.tower, "lab") == Principal::stranger);
    CHECK(in(here.unknown, "lab") == Principal::stranger);
    CHECK(in(here.bob, "desk") == Principal::workspace_admin);
    CHECK(in(here.root, "desk") == Principal::workspace_admin);
    CHECK(in(here.alice, "desk") == Principal::member);
    CHECK(in(here.tower, "desk") == Principal::stranger);
    people.know(saying({{"chem", {}}, {"bio", {}}}));
    CHECK(in(here.alice, "lab") == Principal::stranger);
    CHECK(in(here.bob, "desk") == Principal::stranger);
    CHECK(in(here.root, "desk") == Principal::root);
    CHECK(
        people.standing(Caller::of_certificate("bob"), *people.find_workspace("desk")).principal ==
        Principal::stranger);
}

TEST_CASE("what hangs on a Slurm account that is not known yet is undecided, and nothing else") {
    const Here here;
    People people({}, {{"lab", {{"root"}, {}}, {{}, {"bob"}, {"chem", "bio"}}},
                       {"desk", {{"root"}, {}, {"bio"}}, {{"alice"}, {}}}});
    const auto in = [&](Uid uid, const char* name) {
        const Standing standing = people.standing(uid, *people.find_workspace(name));
        return std::pair(standing.principal, standing.undecided);
    };
    CHECK(in(here.root, "lab") == std::pair(Principal::workspace_admin, std::string()));
    CHECK(in(here.bob, "lab") == std::pair(Principal::member, std::string()));
    CHECK(in(here.alice, "lab") == std::pair(Principal::stranger, std::string("chem")));
    CHECK(in(here.root, "desk") == std::pair(Principal::workspace_admin, std::string()));
    CHECK(in(here.alice, "desk") == std::pair(Principal::member, std::string("bio")));
    CHECK(in(here.bob, "desk") == std::pair(Principal::stranger, std::string("bio")));
    // One account suffices where it has them, and does not where it has them not.
    people.know(saying({{"bio", {"alice"}}}));
    CHECK(in(here.alice, "lab") == std::pair(Principal::member, std::string()));
    CHECK(in(here.tower, "lab") == std::pair(Principal::stranger, std::string("chem")));
    CHECK(in(here.alice, "desk") == std::pair(Principal::workspace_admin, std::string()));
    // Whoever is no account of this machine is no user of a Slurm account.
    CHECK(in(here.unknown, "lab") == std::pair(Principal::stranger, std::string()));
}

TEST_CASE("without platforms there are root, the user, and strangers") {
    const Here here;
    const People people({});
    CHECK(people.principal(here.root, here.alice) == Principal::root);
    CHECK(people.principal(here.root, here.unknown) == Principal::root);
    CHECK(people.principal(here.alice, here.alice) == Principal::owner);
    CHECK(people.principal(here.root, here.root) == Principal::owner);
    CHECK(people.principal(here.unknown, here.unknown) == Principal::owner);
    CHECK(people.principal(here.bob, here.alice) == Principal::stranger);
    CHECK(people.principal(here.alice, here.root) == Principal::stranger);
    CHECK(people.principal(here.tower, here.alice) == Principal::stranger);
    CHECK_FALSE(people.is_platform(here.tower));
    CHECK_FALSE(people.is_platform(here.root));
}

TEST_CASE("a platform acts for the users that it lists, by name or number, and for no others") {
    const Here here;
    for (const std::string& user : {std::string("alice"), std::to_string(here.alice.value)}) {
        const People people({{"tower", "www-data", {"no-such-user", user}, {}}});
        CHECK(people.principal(here.tower, here.alice) == Principal::platform);
        CHECK(people.principal(here.tower, here.bob) == Principal::stranger);
        CHECK(people.principal(here.tower, here.root) == Principal::stranger);
        CHECK(people.principal(here.tower, here.unknown) == Principal::stranger);
        CHECK(people.principal(here.tower, here.tower) == Principal::owner);
        CHECK(people.principal(here.bob, here.alice) == Principal::stranger);
        CHECK(people.principal(here.root, here.alice) == Principal::root);
        CHECK(people.is_platform(here.tower));
        CHECK_FALSE(people.is_platform(here.alice));
    }
}

TEST_CASE("a platform acts for the members of the groups that it lists") {
    const Here here;
    const People people({{"tower", "www-data", {}, {"no-such-group", "alice"}}});
    CHECK(people.principal(here.tower, here.alice) == Principal::platform);
    CHECK(people.principal(here.tower, here.bob) == Principal::stranger);
    CHECK(people.principal(here.tower, here.unknown) == Principal::stranger);
}

TEST_CASE("one platform's users are not another's") {
    const Here here;
    const People people({{"tower", "www-data", {"alice"}, {}}, {"other", "bob", {"www-data"}, {}}});
    CHECK(people.principal(here.tower, here.alice) == Principal::platform);
    CHECK(people.principal(here.bob, here.tower) == Principal::platform);
    CHECK(people.principal(here.bob, here.alice) == Principal::stranger);
    CHECK(people.principal(here.tower, here.bob) == Principal::stranger);
}

TEST_CASE("an account may act for others in several platforms") {
    const Here here;
    const People people({{"one", "www-data", {"alice"}, {}}, {"two", "www-data", {"bob"}, {}}});
    CHECK(people.principal(here.tower, here.alice) == Principal::platform);
    CHECK(people.principal(here.tower, here.bob) == Principal::platform);
}

TEST_CASE("a platform whose account is not there is nobody") {
    const Here here;
    const People people({{"tower", "no-such-user", {"alice"}, {}}});
    for (const Uid uid : {here.bob, here.tower, here.unknown}) {
        CHECK_FALSE(people.is_platform(uid));
        CHECK(people.principal(uid, here.alice) == Principal::stranger);
    }
}

TEST_CASE("a certificate is its platform alone, and no account") {
    const Here here;
    Platform named{"tower", "", {"alice"}, {}};
    named.certificate = "tower.example.org";
    const People people({named, {"local", "www-data", {"bob"}, {}}},
                        {{"lab", {{"alice"}, {}}, {}}});
    const Caller tower = Caller::of_certificate("tower.example.org");
    CHECK(people.is_platform(tower));
    CHECK(people.principal(tower, here.alice) == Principal::platform);
    CHECK(people.principal(tower, here.bob) == Principal::stranger);
    CHECK(people.principal(tower, here.root) == Principal::stranger);
    CHECK(people.standing(tower, *people.find_workspace("lab")).principal == Principal::stranger);
    CHECK_FALSE(tower.is_root());
    for (const char* other : {"", "Tower.example.org", "tower", "www-data", "alice", "root"}) {
        CAPTURE(other);
        const Caller stranger = Caller::of_certificate(other);
        CHECK_FALSE(people.is_platform(stranger));
        CHECK(people.principal(stranger, here.alice) == Principal::stranger);
        CHECK(people.principal(stranger, here.root) == Principal::stranger);
    }
    // Who comes without a certificate is not the platform that has only one.
    for (const Uid uid : {here.root, here.alice, here.unknown}) {
        CHECK_FALSE(people.is_platform(uid));
    }
}

TEST_CASE("accounts are found by their whole name or number, and named") {
    const Here here;
    CHECK(find_account("root") == here.root);
    CHECK(find_account("0") == here.root);
    CHECK(account_name(here.alice) == "alice");
    CHECK(account_name(here.unknown) == "uid 4000000000");
    for (const std::string& text :
         {std::string(), std::string("no-such-user"), std::string("4000000000"), std::string("-1"),
          std::string("0x0"), std::string("0 "), std::string("4294967296"), std::string("alic"),
          std::string("alice\0", 6), std::string("alice\0bob", 9)}) {
        CAPTURE(text);
        CHECK_FALSE(find_account(text).has_value());
    }
}

}  // namespace
}  // namespace secrets::desk
