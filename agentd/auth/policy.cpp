#include "agentd/auth/policy.h"

#include <algorithm>
#include <array>

#include "agentd/auth/user_database.h"

namespace secrets::desk {
namespace {

struct Right {
    Operation operation;
    std::array<bool, kPrincipals> may;  ///< in the order of Principal
};

// clang-format off
constexpr bool YES = true;
constexpr bool no = false;
constexpr auto kRights = std::to_array<Right>({
    // operation                   root owner platform admin member stranger
    {Operation::push_run,        {{YES, YES,  YES,     no,   no,    no}}},
    {Operation::read_run,        {{YES, YES,  YES,     no,   no,    no}}},
    {Operation::complete_run,    {{YES, YES,  YES,     no,   no,    no}}},
    {Operation::use_run,         {{no,  YES,  no,      no,   no,    no}}},  // a job acts as its user, root's jobs too
    {Operation::keep_own,        {{no,  YES,  no,      no,   no,    no}}},
    {Operation::use_own,         {{no,  YES,  no,      no,   no,    no}}},
    {Operation::keep_workspace,  {{YES, no,   no,      YES,  no,    no}}},
    {Operation::use_workspace,   {{no,  no,   no,      YES,  YES,   no}}},
});
// clang-format on

bool holds(const Accounts& accounts, Uid uid) {
    const auto names = [&](const std::string& user) { return find_account(user) == uid; };
    const auto has = [&](const std::string& group) { return is_member(uid, group); };
    return std::any_of(accounts.users.begin(), accounts.users.end(), names) ||
           std::any_of(accounts.groups.begin(), accounts.groups.end(), has);
}

/// Whether the user is in one of these Slurm accounts. Where none is known to have them,
/// `undecided` becomes the first of which it is not known who is in it.
bool is_in(const std::vector<std::string>& accounts, Uid uid, const cluster::SlurmAccounts& known,
           std::string& undecided) {
    if (accounts.empty()) return false;
    const auto user = find_name(uid);
    if (!user) return false;
    std::string first_unknown;
    for (const std::string& account : accounts) {
        const auto has = known.has(account, *user);
        if (has && *has) return true;
        if (!has && first_unknown.empty()) first_unknown = account;
    }
    if (undecided.empty()) undecided = first_unknown;
    return false;
}

/// Whether the caller is who that platform connects as.
bool comes_as(const Platform& platform, const Caller& caller) {
    if (!caller.uid()) {
        return !platform.certificate.empty() && platform.certificate == caller.certificate();
    }
    return !platform.user.empty() && find_account(platform.user) == caller.uid();
}

}  // namespace

bool may(Principal principal, Operation operation) {
    for (const Right& right : kRights) {
        if (right.operation == operation) return right.may[static_cast<std::size_t>(principal)];
    }
    return false;
}

bool People::is_platform(const Caller& caller) const {
    return std::any_of(platforms_.begin(), platforms_.end(),
                       [&](const Platform& platform) { return comes_as(platform, caller); });
}

Principal People::principal(const Caller& caller, Uid about) const {
    if (caller.uid() == about) return Principal::owner;
    if (caller.is_root()) return Principal::root;
    return find_platform(caller, about) != nullptr ? Principal::platform : Principal::stranger;
}

const Platform* People::find_platform(const Caller& caller, Uid about) const {
    for (const Platform& platform : platforms_) {
        if (comes_as(platform, caller) && holds({platform.users, platform.groups}, about)) {
            return &platform;
        }
    }
    return nullptr;
}

Standing People::standing(const Caller& caller, const Workspace& workspace) const {
    if (!caller.uid()) return {Principal::stranger};
    const Uid uid = *caller.uid();
    std::string undecided;
    const auto is_one_of = [&](const Accounts& accounts) {
        return holds(accounts, uid) ||
               is_in(accounts.slurm_accounts, uid, slurm_accounts_, undecided);
    };
    if (is_one_of(workspace.admins)) return {Principal::workspace_admin};
    if (is_one_of(workspace.members)) return {Principal::member, undecided};
    return {caller.is_root() ? Principal::root : Principal::stranger, undecided};
}

const Workspace* People::find_workspace(std::string_view name) const {
    for (const Workspace& workspace : workspaces_) {
        if (workspace.name == name) return &workspace;
    }
    return nullptr;
}

}  // namespace secrets::desk
