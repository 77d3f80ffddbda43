// SPDX-License-Identifier: Apache-2.0
#pragma once
// The users and groups of this host: the interface, and the database that the process uses.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::auth {

/// How certain a "no" must be. A name service that is away often answers "no" as well.
enum class Certainty {
    current,      ///< the last answer
    plausible,    ///< one that names the user and the group, or has lasted for some minutes
    established,  ///< one that has lasted for some minutes, to take back what was granted
};

/// The queries of the name service since the start, and its state.
struct LookupStats {
    std::uint64_t answered = 0;
    std::uint64_t failed = 0;
    std::uint64_t slow = 0;   ///< of both: those that took longer than a request waits
    std::size_t waiting = 0;  ///< queries that are not answered yet
    std::size_t missing = 0;  ///< names that were found before and are not found now
    std::string trouble{};    ///< why some name can't be looked up now; empty if all can
};

/// Looks up users and groups. An error means that the answer cannot be known now; it is never a
/// "no". Its code is `pending` if waiting may help, otherwise `unavailable`. Not thread-safe.
class UserDatabase {
  public:
    UserDatabase() = default;
    UserDatabase(const UserDatabase&) = delete;
    UserDatabase& operator=(const UserDatabase&) = delete;
    virtual ~UserDatabase() = default;

    /// The user of that name, or of that number if `text` is one; nullopt if there is none.
    virtual StatusOr<std::optional<Uid>> find_uid(const std::string& text, Certainty certainty) = 0;

    /// The name of the user with that number; nullopt if there is none.
    virtual StatusOr<std::optional<std::string>> find_name(Uid uid, Certainty certainty) = 0;

    /// Whether the user is a member of the group, by the user's own entry or by the group's.
    virtual StatusOr<bool> is_group_member(Uid uid, const std::string& group,
                                           Certainty certainty) = 0;

    /// Starts to look up a user who will be asked for.
    virtual void prefetch(const std::string& /*user*/) {}

    /// Returns `pending` for the quarter of a second that a name for sentences is worth waiting
    /// for, and otherwise success, whether the name is known or not.
    virtual Status await_name(Uid /*uid*/) { return Status(); }

    /// Waits until a lookup of which a `pending` answer told is answered, or waiting no longer
    /// helps, or the time has come. To be awaited at once after such an answer.
    virtual boost::asio::awaitable<void> lookup_answered(
        std::chrono::steady_clock::time_point /*until*/) {
        co_return;
    }

    virtual LookupStats stats() const { return {}; }
};

/// The database of this process: the system's, which blocks, unless another is installed.
UserDatabase& users();

/// Installs a database, which must outlive its use; null: the system's again.
void use_database(UserDatabase* database);

/// The user's name; "uid N" if there is none or it cannot be known now. For sentences.
std::string user_name(Uid uid);

}  // namespace secrets::auth
