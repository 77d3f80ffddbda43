#include "agentd/desk/rights.h"

#include <algorithm>
#include <array>

#include "agentd/desk/accounts.h"

namespace secrets::desk {
namespace {

struct Right {
    Operation operation;
    bool root;
    bool owner;
    bool platform;
    bool stranger;
};

// clang-format off
constexpr auto kRights = std::to_array<Right>({
    // operation               root   owner  platform stranger
    {Operation::push_run,      true,  true,  true,    false},
    {Operation::read_run,      true,  true,  true,    false},
    {Operation::complete_run,  true,  true,  true,    false},
    {Operation::use_run,       false, true,  false,   false},  // a job acts as its user, root's jobs too
});
// clang-format on

bool acts_for(const Platform& platform, Uid about) {
    const auto names = [&](const std::string& user) { return find_account(user) == about; };
    const auto holds = [&](const std::string& group) { return is_member(about, group); };
    return std::any_of(platform.users.begin(), platform.users.end(), names) ||
           std::any_of(platform.groups.begin(), platform.groups.end(), holds);
}

}  // namespace

bool may(Principal principal, Operation operation) {
    for (const Right& right : kRights) {
        if (right.operation != operation) continue;
        switch (principal) {
            case Principal::root:
                return right.root;
            case Principal::owner:
                return right.owner;
            case Principal::platform:
                return right.platform;
            case Principal::stranger:
                return right.stranger;
        }
    }
    return false;
}

bool People::is_platform(Uid caller) const {
    return std::any_of(platforms_.begin(), platforms_.end(), [&](const Platform& platform) {
        return find_account(platform.user) == caller;
    });
}

Principal People::principal(Uid caller, Uid about) const {
    if (caller == about) return Principal::owner;
    if (caller.value == 0) return Principal::root;
    for (const Platform& platform : platforms_) {
        if (find_account(platform.user) == caller && acts_for(platform, about)) {
            return Principal::platform;
        }
    }
    return Principal::stranger;
}

}  // namespace secrets::desk
