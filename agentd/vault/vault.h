// SPDX-License-Identifier: Apache-2.0
#pragma once
// The vault: the only owner of secret bytes in the agent. Independent of sockets, HTTP, Slurm and
// rights; the services decide which principal may do what.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agentd/vault/fd_store.h"
#include "agentd/vault/kept_word.h"
#include "agentd/vault/read_regions.h"
#include "agentd/vault/record_codec.h"
#include "agentd/vault/slab.h"
#include "common/secure_memory/delivery.h"

namespace secrets::vault {

/// The result of a wipe, for the receipt.
struct WipeReceipt {
    std::size_t records = 0;
    std::size_t bytes = 0;

    WipeReceipt& operator+=(const WipeReceipt& other) {
        records += other.records;
        bytes += other.bytes;
        return *this;
    }
};

/// A wipe, and what the vault's index had of the wiped object, for sentences made afterwards:
/// nothing if there was no such object.
struct WipedRun {
    WipeReceipt receipt;
    std::optional<RunHead> head;
};
struct WipedHold {
    WipeReceipt receipt;
    std::optional<Hold> hold;
};

/// The current content of the vault.
struct Inventory {
    std::size_t runs = 0;
    std::size_t holds = 0;
    std::size_t slabs = 0;
    std::size_t kept_slabs = 0;    ///< slabs that the next process would find
    std::size_t slab_bytes = 0;    ///< locked memory of all slabs
    std::size_t secret_bytes = 0;  ///< bytes of those that records of runs and of hub grants use
    std::size_t cached_grants = 0;
};

/// A slab that an earlier process left in the FdStore.
struct FoundSlab {
    std::string name;
    UniqueFd fd;
};

/// The result of restoring the slabs that were found.
struct RecoveryReport {
    std::size_t slabs = 0;
    std::size_t runs = 0;
    std::size_t holds = 0;
    std::size_t cached_grants = 0;
    std::size_t dropped = 0;           ///< incomplete or damaged records, which were overwritten
    std::vector<std::string> refused;  ///< for each slab that can't be trusted the cause, as a
                                       ///   sentence
};

/// What begins the name of a vault's id in the FdStore.
inline constexpr const char* kMemoryId = "memory-";

/// Not thread-safe. Receives time only as an argument. If memory of any kind runs out, reported as
/// a Status or as std::bad_alloc, nothing has changed; wiping needs no memory.
class Vault {
  public:
    /// `capacity`: the maximum of locked memory of all slabs together, in bytes. `keeper`: the
    /// store in which slabs outlive the process, or null; must outlive the vault.
    Vault(MemoryKind memory, std::size_t capacity, FdStore* keeper = nullptr)
        : memory_(memory), capacity_(capacity), keeper_(keeper), kept_id_(kMemoryId, keeper) {}

    /// Leaves slabs in the FdStore unchanged for the next process; overwrites others.
    ~Vault();
    Vault(const Vault&) = delete;
    Vault& operator=(const Vault&) = delete;

    /// Takes over the ids that the FdStore had, and has it forget them until begin_memory():
    /// whatever ends the process before, the next one finds no id for a part of the slabs. To be
    /// called before restore().
    void find_memory(const std::vector<std::string>& found);

    /// Takes over the slabs of an earlier process; must be called on an empty vault. Slabs that
    /// can't be trusted are overwritten and forgotten, and incomplete records are overwritten. Of
    /// two records of one run or job the newer is used.
    RecoveryReport restore(std::vector<FoundSlab> found);

    /// Gives the vault's content an id, which ends when any of it may be lost: a run that was in
    /// the vault under this id, and is not now, was wiped. To be called after restore(); goes on
    /// with the id that find_memory() took over, if all was restored.
    void begin_memory();
    /// Returns that id; empty: the vault has none.
    const std::string& memory_id() const { return memory_id_; }

    /// Reports whether swap is active. While it is, slabs of memfd are not put into the FdStore,
    /// since between two processes they are not locked; slabs of memfd_secret always are. Applies
    /// to existing slabs, too, and retries slabs that the FdStore could not be given before, or
    /// told to forget.
    void set_swap(bool active);

    /// Whether the vault uses, or will use, memory that could be swapped out between two processes.
    bool uses_swappable_memory() const;

    /// Applies a new configuration. Slabs beyond the capacity remain until their records are wiped.
    void set_capacity(std::size_t capacity) { capacity_ = capacity; }
    /// Sets what ends the names of new slabs: letters and digits for the process that takes them
    /// over.
    void set_slab_suffix(std::string suffix) { slab_suffix_ = std::move(suffix); }

    /// Writes the record of a run and replaces one of the same id: the old record is live until the
    /// new one is, and is then overwritten. On an error nothing has changed.
    Status put_run(const RunHead& head, std::span<const NewSecret> secrets);

    /// Returns null if the run does not exist. The pointer is valid until the vault changes.
    const RunHead* find_run(const RunId& run) const;
    std::vector<RunSecret> secrets_of(const RunId& run) const;
    std::vector<const RunHead*> runs() const;
    std::size_t runs_of(Uid owner) const;
    /// Returns the users who own runs.
    std::vector<Uid> run_owners() const;
    /// Returns the first runs of these users whose ids are greater than `after`, sorted by id, and
    /// at most `most` of them. Examines no other runs.
    std::vector<const RunHead*> runs_of(std::span<const Uid> owners, std::string_view after,
                                        std::size_t most) const;
    /// Returns the size of the records of all runs of an owner.
    std::size_t run_bytes_of(Uid owner) const;
    /// Returns the size of a run's record; 0 if the run does not exist.
    std::size_t bytes_of(const RunId& run) const;
    std::size_t runs_of_platform(const std::string& platform) const;

    /// Overwrites the record of a run; returns an empty receipt if the run does not exist. `run`
    /// may be in the vault's own object, which the call destroys.
    WipeReceipt wipe_run(const RunId& run) noexcept { return take_run(run).receipt; }
    WipedRun take_run(const RunId& run) noexcept;

    /// Returns the jobs with which runs end, in order, beginning after `after`, and at most `most`
    /// of them. Examines no other jobs.
    std::vector<JobId> jobs_that_end_runs(JobId after, std::size_t most) const;
    std::vector<RunId> runs_until(JobId job) const;

    /// Returns the run with the earliest expiry, or null. Valid until the vault changes.
    const RunHead* next_to_expire() const noexcept;

    /// Records that a job was given `grant`: creates the job's hold, or adds to it. Updates an
    /// existing grant of the same secret spec and run.
    Status hold(JobId job, Uid owner, const Grant& grant, Time now);
    const Hold* find_hold(JobId job) const;
    std::vector<const Hold*> holds() const;
    /// Returns the holds with a grant of the run, sorted by job. Examines no other holds.
    std::vector<const Hold*> holders_of(std::string_view run) const;
    /// Wipes the hold and the hub grants of the job.
    WipeReceipt wipe_hold(JobId job) noexcept { return take_hold(job).receipt; }
    WipedHold take_hold(JobId job) noexcept;

    /// Stores a hub's grant to a job that has a hold, and replaces one of the same job and secret
    /// spec. On an error nothing has changed.
    Status put_cached_grant(const CachedGrant& grant, SecretView image);
    const CachedGrant* find_cached_grant(JobId job, const std::string& ask) const;
    std::vector<const CachedGrant*> cached_grants() const;
    std::size_t cached_grant_bytes_of(JobId job) const;
    /// Whether one more grant with this secret spec keeps within kMaxCachedGrants and
    /// kMaxCachedSpecBytes.
    bool may_cache_grant(const std::string& ask) const;
    /// `ask` may be in the vault's own object, which the call destroys.
    WipeReceipt wipe_cached_grant(JobId job, const std::string& ask) noexcept;

    /// Copies a hub grant's values into a region of their own; the job must have the grant.
    StatusOr<Delivery> deliver_cached_grant(JobId job, const std::string& ask) const;

    /// Writes the values of `entries` into a region of their own.
    StatusOr<Delivery> deliver(std::span<const DeliveryEntry> entries) const;

    /// Returns `entries` for a process of a job that has a hold. The region of an earlier, equal
    /// `request` is given again while it has these values.
    StatusOr<Delivery> deliver_read(JobId job, const std::string& request,
                                    std::span<const DeliveryEntry> entries);
    /// Closes the regions of deliver_read(): stored values may have changed.
    void close_reads() noexcept { reads_.close_all(); }

    /// Overwrites everything.
    WipeReceipt wipe_all() noexcept;

    /// Overwrites records outside the FdStore, which the next process would not find.
    WipeReceipt wipe_unkept() noexcept;

    Inventory inventory() const;
    MemoryKind memory() const { return memory_; }

  private:
    /// A slab, and its name in the FdStore.
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
    /// Orders pairs of a job and a run that ends with it, which are found by the job alone.
    struct ByJobOfEnd {
        using is_transparent = void;
        using Pair = std::pair<JobId, RunId>;
        bool operator()(const Pair& a, const Pair& b) const { return a < b; }
        bool operator()(const Pair& a, JobId b) const { return a.first < b; }
        bool operator()(JobId a, const Pair& b) const { return a < b.first; }
    };
    using RunsByJob = std::set<ByJobOfEnd::Pair, ByJobOfEnd>;
    /// Orders runs by owner, then by id. The heads are in the index of runs, so that an entry is no
    /// copy.
    struct ByOwner {
        using is_transparent = void;
        using Key = std::pair<Uid, std::string_view>;
        static Key key(const RunHead* run) { return {run->owner, run->id.text()}; }
        bool operator()(const RunHead* a, const RunHead* b) const { return key(a) < key(b); }
        bool operator()(const RunHead* a, const Key& b) const { return key(a) < b; }
        bool operator()(const Key& a, const RunHead* b) const { return a < key(b); }
    };
    using RunsByOwner = std::set<const RunHead*, ByOwner>;
    struct StoredRun {
        RunHead head;
        RecordRef place;
        Expiries::iterator expiry;
        RunsByJob::iterator until{};  ///< if the run ends with a job
    };
    struct StoredHold {
        Hold hold;
        RecordRef place;
    };
    struct StoredCachedGrant {
        CachedGrant grant;
        RecordRef place;
    };
    /// Orders pairs of a run and a job that holds it. A view of the run's id needs no memory.
    struct ByRun {
        using is_transparent = void;
        using View = std::pair<std::string_view, JobId>;
        bool operator()(const View& a, const View& b) const { return a < b; }
    };
    using Holders = std::set<std::pair<std::string, JobId>, ByRun>;
    struct OwnedRuns {
        std::size_t runs = 0;
        std::size_t bytes = 0;  ///< of their records
    };
    using Runs = std::unordered_map<RunId, StoredRun>;
    using Holds = std::unordered_map<JobId, StoredHold>;
    /// Orders by job, then by spec. All grants of a job are found without a spec, which would need
    /// memory.
    struct ByJob {
        using is_transparent = void;
        using Key = std::pair<JobId, std::string>;
        bool operator()(const Key& a, const Key& b) const { return a < b; }
        bool operator()(const Key& a, JobId b) const { return a.first < b; }
        bool operator()(JobId a, const Key& b) const { return a < b.first; }
    };
    using HubGrants = std::map<ByJob::Key, StoredCachedGrant, ByJob>;

    /// A record being written: overwritten, and its slab dropped, unless it is committed.
    class Draft;
    /// The index entries of a run, allocated before anything changes.
    struct RunEntry {
        Runs::node_type run;
        Expiries::node_type expiry;
        RunsByOwner::node_type of_owner;
        RunsByJob::node_type until;  ///< empty if the run ends with no job
    };
    /// The index entries of a hold, allocated before anything changes.
    struct HoldEntry;

    StatusOr<Draft> begin(RecordType type, std::size_t payload_bytes, JobId until_job = {});
    std::size_t free(RecordRef place) noexcept;
    std::size_t new_slab_bytes(std::size_t payload_bytes) const;
    void keep_memory_id() noexcept;
    bool may_keep(const NamedSlab& slab) const;
    void keep(NamedSlab& slab);
    void forget(NamedSlab& slab) noexcept;
    RunEntry prepare_run(RunHead head, RecordRef place);
    HoldEntry prepare_hold(Hold hold, RecordRef place);
    void add_hold(HoldEntry entry) noexcept;
    void add_run(RunEntry entry) noexcept;
    WipedRun remove(Runs::iterator run) noexcept;
    WipedHold remove(Holds::iterator hold) noexcept;
    WipedHold take_hold_record(JobId job) noexcept;
    std::size_t remove(HubGrants::iterator grant) noexcept;
    WipeReceipt wipe(HubGrants::iterator grant) noexcept;
    WipeReceipt wipe_hub_grants_of(JobId job) noexcept;
    static HubGrants::node_type prepare_hub_grant(CachedGrant grant, RecordRef place);
    void add_hub_grant(HubGrants::node_type grant) noexcept;

    /// The result of indexing a record that was found.
    enum class Finding { taken, superseded, malformed };
    Finding index(NamedSlab& slab, const RecordFound& record);
    Finding index_run(RecordRef place, std::span<const std::byte> payload, JobId until_job);
    Finding index_hold(RecordRef place, std::span<const std::byte> payload);
    Finding index_hub_grant(RecordRef place, std::span<const std::byte> payload);
    void remove_hub_grants_without_hold() noexcept;
    static bool is_newer(RecordRef a, RecordRef b);
    void drop_if_empty(NamedSlab* slab) noexcept;

    MemoryKind memory_;
    std::size_t capacity_;
    FdStore* keeper_;
    KeptWord kept_id_;      ///< memory_id_ while the FdStore has every slab, else nothing
    std::string found_id_;  ///< of an earlier process
    std::string memory_id_;
    bool restored_all_ = true;
    bool swap_is_active_ = false;
    std::uint64_t next_name_ = 1;
    std::string slab_suffix_;
    std::uint64_t next_sequence_ = 1;
    std::size_t slab_bytes_ = 0;
    std::size_t secret_bytes_ = 0;
    std::vector<std::unique_ptr<NamedSlab>> slabs_;
    Runs runs_;
    Expiries expiries_;
    RunsByOwner runs_by_owner_;
    RunsByJob runs_by_job_;
    std::map<uid_t, OwnedRuns> runs_of_owner_;
    std::map<std::string, std::size_t> runs_of_platform_;  ///< runs without a platform are counted
                                                           ///   under the empty name
    Holds holds_;
    Holders holders_;
    HubGrants hub_grants_;
    std::size_t hub_grant_spec_bytes_ = 0;
    ReadRegions reads_;
};

struct Vault::HoldEntry {
    Holds::node_type hold;
    Holders holders;
};

}  // namespace secrets::vault
