// SPDX-License-Identifier: Apache-2.0
#include "slurmview/accounting.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <slurm/slurmdb.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "common/base/limits.h"
#include "slurmview/controller.h"
#include "slurmview/slurm_versions.h"

namespace secrets::slurmview {
namespace {

using Associations =
    std::unique_ptr<assoc_mgr_info_msg_t, decltype(&slurm_free_assoc_mgr_info_msg)>;

/// Explains an empty list, which slurmctld returns even if it has no accounts or hides them.
Status check_list() {
    slurm_conf_t* raw = nullptr;
    if (slurm_load_ctl_conf(0, &raw) != SLURM_SUCCESS) return cannot_be_asked(errno);
    const ControllerConfig config(raw, &free_controller_config);
    const char* type = config->accounting_storage_type;
    if (type == nullptr || !std::string_view(type).ends_with("slurmdbd")) {
        return Status::failed(
            "this cluster has no accounts: AccountingStorageType in slurm.conf is not "
            "accounting_storage/slurmdbd");
    }
    const bool hides = (config->private_data & (PRIVATE_DATA_USERS | PRIVATE_DATA_USAGE)) != 0;
    if (hides && getuid() != config->slurm_user_id) {
        return Status::failed(
            "slurmctld hides the users of an account: PrivateData in slurm.conf has users or "
            "usage, and slurm-secrets-view does not run as SlurmUser");
    }
    return Status();
}

/// The account that every cluster has.
constexpr char kRootAccount[] = "root";

/// Returns the associations of an account and of the account root.
StatusOr<Associations> associations_with(std::string account) {
    std::string root = kRootAccount;
    const auto accounts = slurm_list_create(nullptr);
    slurm_list_append(accounts, account.data());
    if (account != root) slurm_list_append(accounts, root.data());
    assoc_mgr_info_request_msg_t request{};
    request.acct_list = accounts;
    request.flags = ASSOC_MGR_INFO_FLAG_ASSOC;
    assoc_mgr_info_msg_t* raw = nullptr;
    const bool done = slurm_load_assoc_mgr_info(&request, &raw) == SLURM_SUCCESS;
    const int code = errno;
    slurm_list_destroy(accounts);
    if (!done) return cannot_be_asked(code);
    return Associations(raw, &slurm_free_assoc_mgr_info_msg);
}

}  // namespace

StatusOr<AccountUsers> users_of_account(const std::string& account) {
    if (Status why = check_list(); !why.ok()) return why;
    const auto associations = associations_with(account);
    if (!associations) return associations.status();
    const auto list = (*associations)->assoc_list;
    AccountUsers found;
    bool has_root = false;
    const auto each = list != nullptr ? slurm_list_iterator_create(list) : nullptr;
    while (const void* element = each != nullptr ? slurm_list_next(each) : nullptr) {
        const auto& association = *static_cast<const slurmdb_assoc_rec_t*>(element);
        if (association.acct == nullptr) continue;
        has_root = has_root || std::string_view(association.acct) == kRootAccount;
        if (association.acct != account) continue;
        found.known = true;  // an association without a user is the account itself
        if (association.user == nullptr || *association.user == '\0') continue;
        std::string user = association.user;
        // This machine has no account with a longer name.
        if (user.size() <= kMaxUserBytes) found.users.push_back(std::move(user));
    }
    if (each != nullptr) slurm_list_iterator_destroy(each);
    if (!has_root) {
        return Status::failed(
            "slurmctld has no accounts, not even root: it has started without slurmdbd and without "
            "its own copy; start slurmdbd");
    }
    // A user may have an association for each partition.
    std::sort(found.users.begin(), found.users.end());
    found.users.erase(std::unique(found.users.begin(), found.users.end()), found.users.end());
    if (found.users.size() > kMaxUsersOfAccount) {
        return Status::failed("the Slurm account " + account + " has " +
                              std::to_string(found.users.size()) + " users; the limit is " +
                              std::to_string(kMaxUsersOfAccount));
    }
    return found;
}

}  // namespace secrets::slurmview
