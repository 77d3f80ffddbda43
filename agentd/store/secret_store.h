// SPDX-License-Identifier: Apache-2.0
#pragma once
// The store of the secrets of users and workspaces, which outlive runs, jobs and reboots. It is one
// SQLite database, in which each value is sealed under the store's key; the database is worthless
// without the key. The store knows nothing of rights, sockets and HTTP.
//
// Format 1 (PRAGMA user_version), tables:
//
//     meta(name, value)    "key": the id of the key that all values are sealed under
//     secrets(scope, owner, name, generation, set_at, expires_at, used_at, used_job, sealed)
//         scope 1 user, 2 workspace; owner a uid in digits or a workspace's name; times in seconds
//         since 1970; primary key (scope, owner, name)
//     users(owner, name)   the name that the user with this uid had when the secrets were stored;
//         owners stored by earlier versions have no row until the next use
//
// A value's context (additional data) is scope, owner, name, generation, set_at and expires_at, so
// that a row that was altered, or moved to another name or owner, does not open. `used_at` and
// `used_job` are not protected.

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agentd/store/owner.h"
#include "agentd/store/sqlite.h"
#include "agentd/store/store_key.h"

namespace secrets::store {

using Time = std::chrono::sys_seconds;

/// All of a stored secret except its value.
struct SecretHead {
    struct Use {
        JobId job;
        Time at;
    };
    std::string name;
    std::uint64_t generation = 1;
    Time set;  ///< on the wall clock, as `expires`
    std::optional<Time> expires{};
    std::optional<Time> due{};  ///< `expires` on the agent's clock; the store determines it
    std::optional<Use> used{};
    std::size_t bytes = 0;
    bool has_nul = false;  ///< the value holds a NUL byte: usable as a file only
    bool damaged = false;  ///< its row was altered or moved: can only be overwritten or removed
};

/// Stores secrets of users and workspaces. Reads are served from memory, in which values are sealed
/// as in the file. A change is on the disk before its function returns; if that returns an error,
/// nothing has changed. Not thread-safe.
class SecretStore {
  public:
    enum class Opening {
        at_start,  ///< creates the database if there is none, and waits some seconds for a lock
        later,     ///< creates none: an admin may be replacing the key; hardly waits
    };
    /// Opens the database. Fails if it was sealed under another
    /// key, the file is damaged or of a later format, or another process has it open.
    static StatusOr<std::unique_ptr<SecretStore>> open(const std::string& path, StoreKey key,
                                                       Opening when = Opening::at_start);
    /// Creates an empty store in memory, sealed under a key of its own. It holds the local copy of
    /// secrets that are stored elsewhere, and ends with the object. `name` names their location in
    /// messages.
    static StatusOr<std::unique_ptr<SecretStore>> in_memory(const std::string& name,
                                                            MemoryKind memory);
    ~SecretStore();
    SecretStore(const SecretStore&) = delete;
    SecretStore& operator=(const SecretStore&) = delete;

    /// Returns null if there is no such secret. The pointer is valid until the store changes.
    const SecretHead* find(const Owner& owner, const std::string& name) const;
    std::vector<const SecretHead*> list(const Owner& owner) const;

    struct Usage {
        std::size_t secrets = 0;
        std::size_t bytes = 0;
    };
    Usage usage_of(const Owner& owner) const;
    /// The usage of all owners together, and the number of owners.
    Usage usage() const { return usage_; }
    std::size_t owners() const { return shelves_.size(); }

    /// Returns the name of the user who stored the owner's secrets; empty if it is not known.
    const std::string& user_of(const Owner& owner) const;
    /// Records that name, unless one is recorded or the owner has no secrets. The record is on the
    /// disk after save_uses().
    void note_user(const Owner& owner, const std::string& name);
    /// Replaces that name; empty: it is not known. For a local copy of secrets stored elsewhere.
    void set_user(const Owner& owner, const std::string& name);

    /// Returns a sentence for each row that cannot be trusted.
    std::vector<std::string> damage() const;

    StatusOr<SecretBuffer> value_of(const Owner& owner, const std::string& name) const;

    /// Sets or replaces a secret. Stores `head` as given, except for `bytes`, `has_nul` and
    /// `damaged`.
    Status put(const Owner& owner, SecretHead head, SecretView value);
    /// Removes a secret. Succeeds also if there is none.
    Status remove(const Owner& owner, const std::string& name);
    /// Renames a secret to a name that is free, and increments its generation.
    Status rename(const Owner& owner, const std::string& from, const std::string& to);

    /// Records which job used a secret last. The record is on the disk after save_uses().
    void note_use(const Owner& owner, const std::string& name, SecretHead::Use use);
    bool has_unsaved_uses() const { return !unsaved_uses_.empty() || !unsaved_users_.empty(); }
    Status save_uses();

    struct Expiry {
        Time due;
        Owner owner;
        std::string name;
        auto operator<=>(const Expiry&) const = default;
    };
    /// Returns the secret that expires first.
    std::optional<Expiry> next_to_expire() const;

    /// Returns the number of secrets that expire before a time on the agent's clock.
    std::size_t expiring_before(Time time) const;

    /// Sets how far the wall clock is ahead of the agent's clock. What was read from the disk
    /// expires as the wall clock says at this moment; a jump after it changes nothing.
    void set_wall_ahead(std::function<std::chrono::seconds()> wall_ahead);

    const std::string& path() const { return database_.path(); }
    const std::string& key_id() const { return key_.id(); }

    /// Reseals all values from one key to another in one transaction, and returns their number. A
    /// running agent keeps serving reads, and rejects changes until it is restarted with the new
    /// key.
    static StatusOr<std::size_t> rekey(const std::string& path, const StoreKey& from,
                                       const StoreKey& to);
    /// Writes a complete copy to a file that must not exist.
    static Status back_up(const std::string& path, const std::string& to);
    /// Forgets the name of the user who stored the secrets of a uid, or removes these secrets.
    /// Returns the number of secrets. A running agent must be restarted.
    static StatusOr<std::size_t> forget_user(const std::string& path, Uid uid, bool with_secrets);

  private:
    using Expiries = std::set<Expiry>;
    struct Entry {
        SecretHead head;
        std::string sealed;
        std::optional<Expiries::iterator> expiry{};  ///< if the secret expires
    };
    using Shelf = std::map<std::string, Entry, std::less<>>;

    SecretStore(SqliteDatabase database, StoreKey key, UniqueFd lock);
    const Entry* entry_of(const Owner& owner, const std::string& name) const;
    Status read_all();
    StatusOr<Transaction> begin_change() const;
    Expiries expiry_of(const Owner& owner, SecretHead& head) const;
    void place(const Owner& owner, Shelf::node_type entry, Expiries expiry) noexcept;
    void take_away(const Owner& owner, const std::string& name) noexcept;
    void drop_user(const Owner& owner) noexcept;
    void count(const Entry& entry, bool comes) noexcept;

    UniqueFd lock_;  ///< keeps a second agent out; closed after the database
    SqliteDatabase database_;
    StoreKey key_;
    std::map<Owner, Shelf> shelves_;
    Expiries expiries_;
    Usage usage_;
    std::function<std::chrono::seconds()> wall_ahead_ = [] { return std::chrono::seconds(0); };
    std::map<std::pair<Owner, std::string>, SecretHead::Use> unsaved_uses_;
    std::map<Owner, std::string> users_;
    std::set<Owner> unsaved_users_;
};

}  // namespace secrets::store
