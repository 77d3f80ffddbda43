// SPDX-License-Identifier: Apache-2.0
#pragma once
// The versions of one secret, and the staging labels that AWS's API moves between them. The label
// AWSCURRENT is always on one version, once there is any; the version that had it before has
// AWSPREVIOUS. A version from which the last label was moved is dropped, and its value wiped: AWS
// keeps such versions for a while, but promises them to nobody.

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

inline constexpr std::string_view kCurrent = "AWSCURRENT";
inline constexpr std::string_view kPrevious = "AWSPREVIOUS";

inline constexpr std::size_t kMaxStages = 20;        ///< of one version, as AWS has it
inline constexpr std::size_t kMaxStageBytes = 256;   ///< the same
inline constexpr std::size_t kMinVersionBytes = 32;  ///< of an id, as AWS has it
inline constexpr std::size_t kMaxVersionBytes = 64;

/// Versions of one secret. AWS keeps about a hundred; here they share the owner's memory.
inline constexpr std::size_t kMaxVersions = 20;

struct Version {
    std::string id;  ///< the ClientRequestToken with which the version was written
    std::vector<std::string> stages{};  ///< in the order in which they were attached
    std::chrono::sys_time<std::chrono::milliseconds> created{};
    bool is_binary = false;  ///< whether the client sent SecretBinary
    SecretBuffer value;
};

/// The versions of one secret. An error has a sentence for the client and a code that tells which
/// error of AWS it is: not_found (ResourceNotFound), conflict (ResourceExists), invalid_argument
/// (InvalidParameter), failed_precondition (InvalidRequest); nothing has changed then. Not
/// thread-safe.
class SecretVersions {
  public:
    /// `arn` names the secret in sentences. `versions`: as all() returned them.
    explicit SecretVersions(std::string arn, std::vector<Version> versions = {})
        : arn_(std::move(arn)), versions_(std::move(versions)) {}

    /// Returns all versions, in the order in which they were written.
    std::span<const Version> all() const { return versions_; }

    /// Finds the version that has this id and this stage, of those that are given; AWSCURRENT if
    /// neither is. The pointer is valid until the next change.
    StatusOr<const Version*> find(const std::optional<std::string>& id,
                                  const std::optional<std::string>& stage) const;

    /// Adds a version with these staging labels, and no others; they leave the versions that had
    /// them, and the first version is always current. A version of the same id and value is added
    /// once: a client repeats a request that was not answered. If there are more than kMaxVersions
    /// then, the oldest that is neither current nor previous is dropped. The pointer is valid until
    /// the next change.
    StatusOr<const Version*> put(Version version, const std::vector<std::string>& stages);

    /// Moves a staging label from one version to another; without `to` it is removed from `from`,
    /// and without `from` it must be on no version. AWSCURRENT can only be moved.
    Status move_stage(const std::string& stage, const std::optional<std::string>& to,
                      const std::optional<std::string>& from);

  private:
    Version* with_id(std::string_view id);
    const Version* with_stage(std::string_view stage) const;
    void attach(Version& to, std::string_view stage);
    void drop_unlabelled();

    std::string arn_;
    std::vector<Version> versions_;
};

}  // namespace secrets::aws
