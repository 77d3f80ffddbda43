// SPDX-License-Identifier: Apache-2.0
#pragma once
// The store: secrets of users and workspaces, which outlive runs, jobs and reboots. One SQLite
// database, in which each value is sealed under the store's key; the database without the key is
// worthless. Knows no rights, no socket and no HTTP.
//
// Format 1 (PRAGMA user_version), tables:
//
//     meta(name, value)    "key": the id of the key that all values are sealed under
//     secrets(scope, owner, name, generation, set_at, expires_at, used_at, used_job, sealed)
//         scope 1 user, 2 workspace; owner a uid in digits or a workspace's name; times in seconds
//         since 1970; primary key (scope, owner, name)
//
// The context that a value is sealed in (additional data) is scope, owner, name, generation,
// set_at and expires_at, so that a row that was altered, or moved to another name or owner, does
// not open. `used_at` and `used_job` are not protected.

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agentd/store/owner.h"
#include "agentd/store/sqlite.h"
#include "agentd/store/store_key.h"

namespace secrets::store {

using Time = std::chrono::sys_seconds;

/// All of a kept secret but its value.
struct SecretHead {
    struct Use {
        JobId job;
        Time at;
    };
    std::string name;
    std::uint64_t generation = 1;
    Time set;
    std::optional<Time> expires{};
    std::optional<Use> used{};
    std::size_t bytes = 0;
    bool has_nul = false;  ///< the value holds a NUL byte: good for files alone
    bool damaged = false;  ///< its row was altered or moved: it can be overwritten or removed
};

/// Not thread-safe. Reads come from memory, where values are sealed as they are in the file; a
/// change is on the disk before its function returns. On a Status nothing has changed.
class SecretStore {
  public:
    /// Opens the database, or makes it where there is none. Fails where the key is not the one that
    /// it was sealed under, the file is damaged or of a later format, or another process has it.
    static StatusOr<std::unique_ptr<SecretStore>> open(const std::string& path, StoreKey key);
    /// An empty one that is gone with the object, sealed under a key of its own: what is kept
    /// elsewhere, as far as it is here. `name`: where that is, for people.
    static StatusOr<std::unique_ptr<SecretStore>> in_memory(const std::string& name,
                                                            MemoryKind memory);
    ~SecretStore();
    SecretStore(const SecretStore&) = delete;
    SecretStore& operator=(const SecretStore&) = delete;

    /// Null when there is none. The pointer is valid until the store changes.
    const SecretHead* find(const Owner& owner, const std::string& name) const;
    std::vector<const SecretHead*> list(const Owner& owner) const;

    struct Usage {
        std::size_t secrets = 0;
        std::size_t bytes = 0;
    };
    Usage usage_of(const Owner& owner) const;
    /// Of all together, and how many they belong to.
    Usage usage() const { return usage_; }
    std::size_t owners() const { return shelves_.size(); }

    /// Each row that can't be trusted, as a sentence.
    std::vector<std::string> damage() const;

    StatusOr<SecretBuffer> value_of(const Owner& owner, const std::string& name) const;

    /// Sets or replaces. `head` is taken as it is, but for `bytes`, `has_nul` and `damaged`.
    Status put(const Owner& owner, SecretHead head, SecretView value);
    /// Also fine when there is none.
    Status remove(const Owner& owner, const std::string& name);
    /// To a name that is free; one generation up.
    Status rename(const Owner& owner, const std::string& from, const std::string& to);

    /// Remembers which job used a secret last. On the disk after save_uses().
    void note_use(const Owner& owner, const std::string& name, SecretHead::Use use);
    bool has_unsaved_uses() const { return !unsaved_uses_.empty(); }
    Status save_uses();

    struct Expiry {
        Owner owner;
        std::string name;
        Time expires;
    };
    /// The secret that expires first.
    std::optional<Expiry> next_to_expire() const;

    std::size_t expiring_before(Time time) const;

    const std::string& path() const { return database_.path(); }
    const std::string& key_id() const { return key_.id(); }

    /// Seals all values anew, from one key to another, in one transaction; how many there were. A
    /// running agent keeps answering, and refuses changes until it is restarted with the new key.
    static StatusOr<std::size_t> rekey(const std::string& path, const StoreKey& from,
                                       const StoreKey& to);
    /// Writes a copy, whole in itself, to a file that must not exist.
    static Status back_up(const std::string& path, const std::string& to);

  private:
    struct Entry {
        SecretHead head;
        std::string sealed;
    };
    using Shelf = std::map<std::string, Entry, std::less<>>;

    SecretStore(SqliteDatabase database, StoreKey key, UniqueFd lock);
    const Entry* entry_of(const Owner& owner, const std::string& name) const;
    Status read_all();
    StatusOr<Transaction> begin_change() const;
    void place(const Owner& owner, Shelf::node_type entry) noexcept;
    void take_away(const Owner& owner, const std::string& name) noexcept;
    void count(const Entry& entry, bool comes) noexcept;

    UniqueFd lock_;  ///< keeps a second agent out; closed after the database
    SqliteDatabase database_;
    StoreKey key_;
    std::map<Owner, Shelf> shelves_;
    Usage usage_;
    std::map<std::pair<Owner, std::string>, SecretHead::Use> unsaved_uses_;
};

}  // namespace secrets::store
