// SPDX-License-Identifier: Apache-2.0
#pragma once
// The vault: the only owner of secret bytes in the agent. Knows no socket, no HTTP, no Slurm and no
// rights; who may do what is the desk's.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "agentd/vault/fd_store.h"
#include "agentd/vault/record_codec.h"
#include "agentd/vault/slab.h"
#include "common/secure_memory/delivery.h"

namespace secrets::vault {

/// A delivery: the descriptor of a fresh region with the image in it, for one step. Whoever holds
/// the descriptor holds the values; when the last one is closed they are gone.
struct Delivery {
    UniqueFd fd;
    std::uint32_t image_length = 0;
};

/// What a wipe did, for the receipt.
struct WipeReceipt {
    std::size_t records = 0;
    std::size_t bytes = 0;

    WipeReceipt& operator+=(const WipeReceipt& other) {
        records += other.records;
        bytes += other.bytes;
        return *this;
    }
};

/// What is held at the moment.
struct Inventory {
    std::size_t runs = 0;
    std::size_t holds = 0;
    std::size_t slabs = 0;
    std::size_t kept_slabs = 0;    ///< of which a process after this one would find
    std::size_t slab_bytes = 0;    ///< locked memory of all slabs
    std::size_t secret_bytes = 0;  ///< of which records of runs and of hub grants
    std::size_t cached_grants = 0;
};

/// A slab that an earlier process left with the keeper.
struct FoundSlab {
    std::string name;
    UniqueFd fd;
};

/// What came of the slabs that were found.
struct RecoveryReport {
    std::size_t slabs = 0;
    std::size_t runs = 0;
    std::size_t holds = 0;
    std::size_t cached_grants = 0;
    std::size_t dropped = 0;           ///< records that were half written or damaged: overwritten
    std::vector<std::string> refused;  ///< of each slab that can't be trusted: why, as a sentence
};

/// Not thread-safe. Refers to time only as an argument. Where memory of any kind runs out, in a
/// Status or as std::bad_alloc, nothing has changed; what wipes needs none.
class Vault {
  public:
    /// `capacity`: the most locked memory that all slabs together may take, in bytes. `keeper`:
    /// where slabs are kept over the end of the process, or null; must outlive the vault.
    Vault(MemoryKind memory, std::size_t capacity, FdStore* keeper = nullptr)
        : memory_(memory), capacity_(capacity), keeper_(keeper) {}

    /// Slabs that are kept stay as they are, for the next process; others are overwritten.
    ~Vault();
    Vault(const Vault&) = delete;
    Vault& operator=(const Vault&) = delete;

    /// Takes over the slabs of an earlier process; to be called on an empty vault. A slab that
    /// can't be trusted is overwritten and forgotten, and so are records that are not whole; of two
    /// of one run or job the newer is taken.
    RecoveryReport restore(std::vector<FoundSlab> found);

    /// Whether swap is active. While it is, slabs of memfd are not kept: between two processes
    /// nobody has them locked. Slabs of memfd_secret always are. Those there are follow,
    /// and the keeper is told again of those that it could not be told of.
    void set_swap(bool active);

    /// Whether it holds, or is about to hold, what swap could take between two processes.
    bool uses_swappable_memory() const;

    /// For a new configuration. Slabs beyond it stay until their records go.
    void set_capacity(std::size_t capacity) { capacity_ = capacity; }

    /// Writes the record of a run. One of the same id is replaced: it is live until the new one is,
    /// and overwritten then. On failure nothing has changed.
    Status put_run(const RunHead& head, std::span<const NewSecret> secrets);

    /// Nothing when there is no such run. The pointer is valid until the vault changes.
    const RunHead* find_run(const RunId& run) const;
    std::vector<RunSecret> secrets_of(const RunId& run) const;
    std::vector<const RunHead*> runs() const;
    std::size_t runs_of(Uid owner) const;
    std::size_t runs_of_platform(const std::string& platform) const;

    /// Overwrites the record of a run; empty when there was none.
    WipeReceipt wipe_run(const RunId& run) noexcept;

    /// The earliest expiry of all runs, and a run that has it.
    std::optional<RunHead> next_to_expire() const;

    /// Records that a job was given `grant`: makes the job's hold, or adds to it. A grant of the
    /// same ask and run that is there already is brought up to date.
    Status hold(JobId job, Uid owner, const Grant& grant, Time now);
    const Hold* find_hold(JobId job) const;
    std::vector<const Hold*> holds() const;
    /// With the hub grants of the job.
    WipeReceipt wipe_hold(JobId job) noexcept;

    /// Keeps what a hub granted to a job that has a hold. One of the same job and ask is replaced.
    /// On failure nothing has changed.
    Status put_cached_grant(const CachedGrant& grant, SecretView image);
    const CachedGrant* find_cached_grant(JobId job, const std::string& ask) const;
    std::vector<const CachedGrant*> cached_grants() const;
    std::size_t cached_grant_bytes_of(JobId job) const;
    WipeReceipt wipe_cached_grant(JobId job, const std::string& ask) noexcept;

    /// Puts a hub grant's values into a region of their own; the job must have it.
    StatusOr<Delivery> deliver_cached_grant(JobId job, const std::string& ask) const;

    /// Puts the values of `entries` into a region of their own.
    StatusOr<Delivery> deliver(std::span<const DeliveryEntry> entries) const;

    /// Overwrites everything.
    WipeReceipt wipe_all();

    /// Overwrites what is not kept for the next process.
    WipeReceipt wipe_unkept();

    Inventory inventory() const;
    MemoryKind memory() const { return memory_; }

  private:
    /// A slab, and what the keeper knows it by.
    struct NamedSlab {
        std::string name;
        bool kept = false;
        Slab slab;
    };
    struct RecordRef {
        NamedSlab* slab = nullptr;
        RecordOffset offset;
    };
    using Expiries = std::set<std::pair<Time, RunId>>;
    struct StoredRun {
        RunHead head;
        RecordRef place;
        Expiries::iterator expiry;
    };
    struct StoredHold {
        Hold hold;
        RecordRef place;
    };
    struct StoredCachedGrant {
        CachedGrant grant;
        RecordRef place;
    };
    using Runs = std::unordered_map<RunId, StoredRun>;
    using Holds = std::unordered_map<JobId, StoredHold>;
    /// By job, then by ask; all of a job are found without an ask, which would need memory.
    struct ByJob {
        using is_transparent = void;
        using Key = std::pair<JobId, std::string>;
        bool operator()(const Key& a, const Key& b) const { return a < b; }
        bool operator()(const Key& a, JobId b) const { return a.first < b; }
        bool operator()(JobId a, const Key& b) const { return a < b.first; }
    };
    using HubGrants = std::map<ByJob::Key, StoredCachedGrant, ByJob>;

    /// A record on its way: overwritten, and its slab dropped, unless it is committed.
    class Draft;
    /// What a run needs of the index, made before anything changes.
    struct RunEntry {
        Runs::node_type run;
        Expiries::node_type expiry;
    };

    StatusOr<Draft> begin(RecordType type, std::size_t payload_bytes);
    std::size_t free(RecordRef place) noexcept;
    std::size_t new_slab_bytes(std::size_t payload_bytes) const;
    bool may_keep(const NamedSlab& slab) const;
    void keep(NamedSlab& slab);
    void forget(NamedSlab& slab) noexcept;
    RunEntry prepare_run(RunHead head, RecordRef place);
    Holds::node_type prepare_hold(Hold hold, RecordRef place);
    void add_run(RunEntry entry) noexcept;
    std::size_t remove(Runs::iterator run) noexcept;
    std::size_t remove(Holds::iterator hold) noexcept;
    WipeReceipt wipe_hold_record(JobId job) noexcept;
    std::size_t remove(HubGrants::iterator grant) noexcept;
    WipeReceipt wipe(HubGrants::iterator grant) noexcept;
    WipeReceipt wipe_hub_grants_of(JobId job) noexcept;
    static HubGrants::node_type prepare_hub_grant(CachedGrant grant, RecordRef place);
    void add_hub_grant(HubGrants::node_type grant) noexcept;

    /// What a record turned out to be that was found.
    enum class Finding { taken, superseded, malformed };
    Finding index(NamedSlab& slab, const RecordFound& record);
    Finding index_run(RecordRef place, std::span<const std::byte> payload);
    Finding index_hold(RecordRef place, std::span<const std::byte> payload);
    Finding index_hub_grant(RecordRef place, std::span<const std::byte> payload);
    void remove_hub_grants_without_hold() noexcept;
    static bool is_newer(RecordRef a, RecordRef b);
    void drop_if_empty(NamedSlab* slab) noexcept;

    MemoryKind memory_;
    std::size_t capacity_;
    FdStore* keeper_;
    bool swap_is_active_ = false;
    std::uint64_t next_name_ = 1;
    std::uint64_t next_sequence_ = 1;
    std::size_t slab_bytes_ = 0;
    std::size_t secret_bytes_ = 0;
    std::vector<std::unique_ptr<NamedSlab>> slabs_;
    Runs runs_;
    Expiries expiries_;
    std::map<uid_t, std::size_t> runs_of_owner_;
    std::map<std::string, std::size_t> runs_of_platform_;  ///< of none, too, by the empty name
    Holds holds_;
    HubGrants hub_grants_;
};

}  // namespace secrets::vault
