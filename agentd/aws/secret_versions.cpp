// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/secret_versions.h"

#include <algorithm>

#include "common/base/names.h"

namespace secrets::aws {
namespace {

bool has_stage(const Version& version, std::string_view stage) {
    return std::find(version.stages.begin(), version.stages.end(), stage) != version.stages.end();
}

bool same_value(const Version& one, const Version& other) {
    const auto a = one.value.view().bytes(), b = other.value.view().bytes();
    return one.is_binary == other.is_binary && std::equal(a.begin(), a.end(), b.begin(), b.end());
}

Status check_stages(const std::vector<std::string>& stages) {
    if (stages.empty() || stages.size() > kMaxStages) {
        return Status::invalid("VersionStages must have between 1 and " +
                               std::to_string(kMaxStages) + " staging labels");
    }
    for (const std::string& stage : stages) {
        if (!stage.empty() && stage.size() <= kMaxStageBytes) continue;
        return Status::invalid("a staging label must be 1-" + std::to_string(kMaxStageBytes) +
                               " characters long");
    }
    return Status();
}

Status check_id(std::string_view id) {
    if (id.size() >= kMinVersionBytes && id.size() <= kMaxVersionBytes) return Status();
    return Status::invalid("ClientRequestToken must be 32-64 characters long.");
}

Status no_version(std::string_view id) {
    return {StatusCode::not_found,
            "Secrets Manager can't find the specified secret value for VersionId: " +
                printable_ascii(id)};
}

}  // namespace

Version* SecretVersions::with_id(std::string_view id) {
    const auto found = std::find_if(versions_.begin(), versions_.end(),
                                    [&](const Version& version) { return version.id == id; });
    return found == versions_.end() ? nullptr : &*found;
}

const Version* SecretVersions::with_stage(std::string_view stage) const {
    const auto found =
        std::find_if(versions_.begin(), versions_.end(),
                     [&](const Version& version) { return has_stage(version, stage); });
    return found == versions_.end() ? nullptr : &*found;
}

StatusOr<const Version*> SecretVersions::find(const std::optional<std::string>& id,
                                              const std::optional<std::string>& stage) const {
    if (!id) {
        const std::string wanted = stage.value_or(std::string(kCurrent));
        if (const Version* found = with_stage(wanted)) return found;
        return Status(StatusCode::not_found,
                      "Secrets Manager can't find the specified secret value for staging label: " +
                          printable_ascii(wanted));
    }
    for (const Version& version : versions_) {
        if (version.id != *id) continue;
        if (!stage || has_stage(version, *stage)) return &version;
        return Status(StatusCode::failed_precondition,
                      "You provided a VersionStage that is not associated to the provided "
                      "VersionId.");
    }
    return no_version(*id);
}

/// Attaches a label to `to` alone; what was current becomes previous.
void SecretVersions::attach(Version& to, std::string_view stage) {
    if (has_stage(to, stage)) return;
    for (Version& version : versions_) {
        const bool had_it = std::erase(version.stages, stage) > 0;
        if (had_it && stage == kCurrent) attach(version, kPrevious);
    }
    to.stages.emplace_back(stage);
}

void SecretVersions::drop_unlabelled() {
    std::erase_if(versions_, [](const Version& version) { return version.stages.empty(); });
    while (versions_.size() > kMaxVersions) {
        // The last one was just added.
        versions_.erase(
            std::find_if(versions_.begin(), std::prev(versions_.end()), [](const Version& version) {
                return !has_stage(version, kCurrent) && !has_stage(version, kPrevious);
            }));
    }
}

StatusOr<const Version*> SecretVersions::put(Version version,
                                             const std::vector<std::string>& stages) {
    if (Status wrong = check_id(version.id); !wrong.ok()) return wrong;
    if (Status wrong = check_stages(stages); !wrong.ok()) return wrong;
    if (const Version* same = with_id(version.id)) {
        if (same_value(*same, version)) return same;
        return Status(StatusCode::conflict, "You can't use ClientRequestToken " +
                                                printable_ascii(version.id) +
                                                " because that value is already in use for a "
                                                "version of secret " +
                                                arn_ + ".");
    }
    version.stages.clear();
    versions_.push_back(std::move(version));
    Version& added = versions_.back();
    const std::string id = added.id;
    for (const std::string& stage : stages) attach(added, stage);
    if (with_stage(kCurrent) == nullptr) attach(added, kCurrent);
    drop_unlabelled();
    return with_id(id);
}

Status SecretVersions::move_stage(const std::string& stage, const std::optional<std::string>& to,
                                  const std::optional<std::string>& from) {
    if (Status wrong = check_stages({stage}); !wrong.ok()) return wrong;
    if (!to && !from) {
        return Status::invalid("expected MoveToVersionId, RemoveFromVersionId, or both of them");
    }
    Version* const target = to ? with_id(*to) : nullptr;
    if (to && target == nullptr) return no_version(*to);
    if (from && with_id(*from) == nullptr) return no_version(*from);
    const Version* const holder = with_stage(stage);
    if (!to && stage == kCurrent) {
        return Status::invalid(
            "You can only move staging label AWSCURRENT to a different secret "
            "version. It can't be completely removed.");
    }
    if (from && (holder == nullptr || holder->id != *from)) {
        return Status::invalid("staging label " + printable_ascii(stage) +
                               " is not attached to version " + printable_ascii(*from));
    }
    if (!from && holder != nullptr && holder != target) {
        return Status::invalid(
            "The parameter RemoveFromVersionId can't be empty. Staging label " +
            printable_ascii(stage) + " is currently attached to version " + holder->id +
            ", so you must explicitly reference that version in RemoveFromVersionId.");
    }
    if (target != nullptr) {
        if (target->stages.size() >= kMaxStages && !has_stage(*target, stage)) {
            return Status::invalid("version " + target->id + " has " + std::to_string(kMaxStages) +
                                   " staging labels, which is the limit");
        }
        attach(*target, stage);
    } else {
        std::erase(with_id(*from)->stages, stage);
    }
    drop_unlabelled();
    return Status();
}

}  // namespace secrets::aws
