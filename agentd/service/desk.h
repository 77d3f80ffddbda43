// SPDX-License-Identifier: Apache-2.0
#pragma once
// The desk: what each request means, who may make it, and what the answer is. It knows no socket
// and no HTTP, and takes the time as an argument of construction, so that tests can turn the clock.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "agentd/audit/event.h"
#include "agentd/auth/policy.h"
#include "agentd/base/task_status.h"
#include "agentd/config/config.h"
#include "agentd/service/document_keys.h"
#include "agentd/service/node_hold_registry.h"
#include "agentd/service/resolver.h"
#include "agentd/vault/vault.h"
#include "common/ipc/plugin_protocol.h"

namespace secrets::service {

/// What a platform pushes. Values are already out of their encoding.
struct PushRequest {
    std::optional<std::string> owner;
    std::optional<std::string> ttl;
    std::vector<vault::NewSecret> secrets;
};

/// A run for those who may see it: names and sizes, no value.
struct RunInfo {
    struct Secret {
        std::string name;
        vault::Scope scope;
        std::size_t bytes;
    };
    struct Holder {
        JobId job;
        vault::Time since;
    };
    vault::RunHead head;
    std::string owner;
    std::vector<Secret> secrets;
    std::vector<Holder> holders;
    std::vector<NodeHoldRegistry::Holding> nodes{};  ///< of a hub: which hold something of it
    std::optional<vault::Time> ended{};              ///< it is over, and nodes still hold of it
};

struct PushResult {
    RunInfo run;
    bool created = false;
};

/// What an ask would be answered with: names, sources and sizes, and no value.
struct SpecCheck {
    std::string ask;
    bool ok = false;
    bool names_run = false;
    std::string reason;  ///< why the ask as a whole has no answer; empty otherwise
    std::vector<ItemAnswer> items;
};

/// What is known of the Slurm accounts that workspaces name.
struct SlurmAccountsInfo {
    std::size_t named = 0;
    std::size_t known = 0;             ///< of which slurmctld has said who is in them
    std::vector<std::string> missing;  ///< of these, those that it does not know
    std::string trouble;               ///< why it can't be asked now; empty: it can
};

struct StatusInfo {
    vault::Inventory inventory;
    MemoryKind memory = MemoryKind::memfd;
    std::chrono::seconds uptime{};
    std::uint64_t log_entries_dropped = 0;
    std::optional<std::string> store_file;  ///< nothing: this agent keeps no secrets
    store::SecretStore::Usage kept;
    std::size_t store_owners = 0;
    std::size_t expiring = 0;                           ///< kept secrets that jobs are warned of
    std::chrono::seconds oldest_hold{};                 ///< its age
    std::optional<SlurmAccountsInfo> slurm_accounts{};  ///< nothing: no workspace names one
    std::vector<std::string> last_errors{};  ///< for root alone; sentences, the last one first
    std::vector<std::string> hubs{};         ///< of which this agent is a node, as URLs
    std::vector<TaskStatus> tasks{};         ///< their errors for root alone
};

/// What happened since an event, to one who may know it.
struct EventsInfo {
    std::uint64_t next = 0;           ///< the last event's number: what to ask after the next time
    std::vector<std::string> events;  ///< JSON objects, as a line of the audit file has them
};

/// A job is warned of a kept secret that it uses and that expires within this time.
inline constexpr auto kWarnBefore = std::chrono::hours(7 * 24);

/// Where kept secrets lie that a request is about: the caller's own, or a workspace's.
struct SecretScope {
    std::optional<std::string> workspace;
};

/// A secret on its way into the store.
struct PutSecretRequest {
    SecretBuffer value;
    std::optional<std::string> ttl;
};

/// What must hold for a change of a run or a kept secret; nothing where it is default-made.
struct Precondition {
    std::optional<std::uint64_t> generation{};  ///< it has this one
    bool exists = false;                        ///< it is there
    bool is_new = false;                        ///< it is not there

    /// The refusal where it does not hold for `what`, which has that generation; nothing: it is not
    /// there.
    Status check(const std::string& what, std::optional<std::uint64_t> has) const;
};

/// A secret on its way out of a store that agents share.
struct ReplicatedSecret {
    store::SecretHead head;
    SecretBuffer value;
};

struct PutSecretResult {
    store::SecretHead secret;
    bool created = false;
};

struct WorkspaceInfo {
    std::string name;
    bool is_admin = false;
    std::size_t secrets = 0;
};

/// What a step is answered.
struct Granted {
    vault::Delivery delivery;
    std::string note;  ///< for the job's stderr; may be empty
};
struct Nothing {};
struct WaitForRun {
    RunId run;
};
using GrantAnswer = std::variant<Granted, Nothing, WaitForRun, Status>;

/// What a node of a hub is answered for a step there.
struct NodeGranted {
    SecretBuffer image;  ///< of the delivery
    std::string tag;     ///< an entity tag: the same for the same answer
    std::string note;    ///< for the job's stderr; may be empty
};
struct Unchanged {};  ///< the node has it already
using NodeGrantAnswer = std::variant<NodeGranted, Unchanged, Nothing, WaitForRun, Status>;

/// Not thread-safe.
class Desk {
  public:
    using Now = std::function<vault::Time()>;
    /// `store`: what is kept for people, or null; must outlive the desk.
    Desk(const Config& config, vault::Vault& vault, Now now, store::SecretStore* store = nullptr);

    /// Takes the limits, times and platforms of a new configuration. What is held stays.
    void configure(const Config& config);

    /// Who is in the Slurm accounts that workspaces name, from now on.
    void know(auth::SlurmAccountMembers accounts) { principals_.know(std::move(accounts)); }

    /// What can be said of a push before its body is read; nothing when it may go on.
    Status check_push(const auth::Principal& caller, const RunId& run);
    StatusOr<PushResult> push_run(const auth::Principal& caller, const RunId& run,
                                  const PushRequest& request,
                                  const Precondition& precondition = {});
    /// The refusal of a push whose body can't be read.
    Status reject_unreadable_push(const auth::Principal& caller, const RunId& run,
                                  Status refusal) const;
    StatusOr<RunInfo> read_run(const auth::Principal& caller, const RunId& run);
    std::vector<RunInfo> list_runs(const auth::Principal& caller);
    /// Also fine when there is no such run.
    StatusOr<vault::WipeReceipt> complete_run(const auth::Principal& caller, const RunId& run,
                                              const Precondition& precondition = {});

    /// What can be said of a change of a kept secret before its body is read; nothing when it may
    /// go on.
    Status check_put(const auth::Principal& caller, const SecretScope& place,
                     const std::string& name);
    StatusOr<PutSecretResult> put_secret(const auth::Principal& caller, const SecretScope& place,
                                         const std::string& name, const PutSecretRequest& request,
                                         const Precondition& precondition);
    /// The refusal of a change whose body can't be read.
    Status reject_unreadable_secret(const auth::Principal& caller, const SecretScope& place,
                                    const std::string& name, Status refusal) const;
    StatusOr<store::SecretHead> rename_secret(const auth::Principal& caller,
                                              const SecretScope& place, const std::string& name,
                                              const std::string& new_name,
                                              const Precondition& precondition);
    Status remove_secret(const auth::Principal& caller, const SecretScope& place,
                         const std::string& name, const Precondition& precondition);
    StatusOr<store::SecretHead> read_secret(const auth::Principal& caller, const SecretScope& place,
                                            const std::string& name);
    StatusOr<std::vector<store::SecretHead>> list_secrets(const auth::Principal& caller,
                                                          const SecretScope& place);
    /// Those that the caller is in; root: all.
    StatusOr<std::vector<WorkspaceInfo>> list_workspaces(const auth::Principal& caller);
    /// Puts on the disk which jobs used which secrets last, where that has changed.
    void save_uses();

    StatusOr<SpecCheck> check(const auth::Principal& caller, const std::string& ask);
    /// A command is about to submit a job of `caller`: nothing when its ask has, or may still get,
    /// an answer. A run may be pushed after the job that names it.
    Status check_submission(const auth::Principal& caller, const std::string& ask);
    StatusInfo status(const auth::Principal& caller) const;
    /// The last events after number `after`: root's are all, everybody else's those of their own
    /// runs, jobs and requests. None where it is not given: then the number to begin with.
    EventsInfo events(const auth::Principal& caller, std::optional<std::uint64_t> after) const;

    /// Whether the caller is who a platform connects as.
    bool is_platform(const auth::Principal& caller) const {
        return principals_.is_platform(caller);
    }

    /// A step asks, through slurmstepd. WaitForRun: its run is not there and may still be pushed.
    GrantAnswer ask(const plugin_protocol::GrantRequest& request);
    /// The refusal of a step whose run did not come while it waited.
    Status deny_unpushed(const plugin_protocol::GrantRequest& request, const std::string& node,
                         const RunId& run) const;

    /// A node asks for a step of a job that Slurm says it runs. `has_tag`: of what it was granted
    /// before; may be empty. Nothing is held here. Elsewhere, too, a `node` that is empty is this
    /// one.
    NodeGrantAnswer grant_to_node(const plugin_protocol::GrantRequest& request,
                                  const std::string& node, std::string_view has_tag);
    /// A node says which grants it holds. Returns those, by their places, that it must wipe: what
    /// they were granted of has ended or changed. `is_there`: whether it is known to be that node;
    /// then it is remembered what it holds.
    std::vector<std::size_t> report_from_node(const std::string& node,
                                              const std::vector<vault::CachedGrant>& held,
                                              bool is_there);
    /// Writes the refusal of a step's ask down.
    Status deny(const plugin_protocol::GrantRequest& request, const std::string& node,
                Status refusal) const;

    /// On a node of a hub: what can be said of a step's ask without the hub; nothing where it is to
    /// be asked.
    std::optional<GrantAnswer> check_before_hub(const plugin_protocol::GrantRequest& request) const;
    /// What the hub granted to the same ask of the same job before; or null.
    const vault::CachedGrant* find_cached_grant(const plugin_protocol::GrantRequest& request) const;
    /// The hub granted this.
    GrantAnswer accept_cached_grant(const plugin_protocol::GrantRequest& request,
                                    const std::string& tag, SecretView image, std::string note);
    /// Gives what find_cached_grant() finds, once more; `why`: the end of a sentence.
    GrantAnswer deliver_cached_grant_again(const plugin_protocol::GrantRequest& request,
                                           const std::string& why);
    /// The hub refused: what it granted before is wiped.
    Status denied_by_hub(const plugin_protocol::GrantRequest& request, Status refusal);
    std::vector<const vault::CachedGrant*> cached_grants() const { return vault_.cached_grants(); }
    /// The hub says that what it granted is to be wiped; also fine when there is no such grant.
    void revoke_cached_grant(JobId job, const std::string& ask);

    /// What the answer to an ask of `uid` hangs on; nothing for a malformed one.
    DocumentKeys documents_of_spec(Uid uid, const std::string& ask) const;
    DocumentKeys documents_of_scope(const auth::Principal& caller, const SecretScope& place) const;
    DocumentKeys documents_of_workspaces() const;
    bool has_run(const RunId& run) const { return vault_.find_run(run) != nullptr; }

    /// In the store that agents share a run is this. On a Status nothing has changed.
    Status replicate_run(const vault::RunHead& head, std::span<const vault::NewSecret> secrets);
    /// It is over there; also fine when it is not here.
    void drop_replicated_run(const RunId& run);
    /// There an owner has these, and no others.
    Status replicate_secrets(const store::Owner& owner, std::span<const ReplicatedSecret> kept);

    /// The job ended. The receipt, as a sentence.
    std::string wipe(JobId job);

    /// Begins a round of the reaper: the jobs that have held something for at least `age`, in
    /// order. Whether they have ended is to be found out after this call.
    std::vector<JobId> begin_reaping(std::chrono::seconds age);
    /// Slurm says that the job has ended, and its epilog has not come: wipes its hold, if it has
    /// one. Nothing happens, and false comes back, where the job was granted something since the
    /// round began, as it is running (again).
    bool reap(JobId job);

    /// `notify` is called after each push, with the run.
    void on_push(std::function<void(const RunId&)> notify) { on_push_ = std::move(notify); }

    /// Wipes the runs, and deletes the kept secrets, whose time has come; says when the next one's
    /// comes. `on_expiry_change` is called when that may have become earlier.
    std::optional<vault::Time> expire();
    void on_expiry_change(std::function<void()> notify) { on_expiry_change_ = std::move(notify); }

    /// `notify` is called after each change of what is held.
    void on_change(std::function<void()> notify) { on_change_ = std::move(notify); }

    /// Where the status has the background tasks from.
    void tasks_from(std::function<std::vector<TaskStatus>()> tasks) { tasks_ = std::move(tasks); }

    const Limits& limits() const { return limits_; }

  private:
    /// The jobs that hold each run.
    using Holders = std::map<std::string, std::vector<RunInfo::Holder>, std::less<>>;

    StatusOr<Uid> owner_of_push(const auth::Principal& caller, const PushRequest& request) const;
    StatusOr<vault::Time> expiry_of_push(const PushRequest& request, vault::Time now) const;
    Status check_secrets(const std::vector<vault::NewSecret>& secrets) const;
    Status not_theirs(const RunId& run, const auth::Principal& caller) const;
    static Status not_known_yet(const auth::Principal& caller, const std::string& workspace,
                                const std::string& account);
    StatusOr<std::vector<ItemAnswer>> resolve_for(Uid uid, const SecretSpec& ask,
                                                  auth::Permission operation);
    StatusOr<AvailableSecrets> available_secrets(Uid uid, const SecretSpec& ask) const;
    bool may_matter(Uid uid, const Workspace& workspace) const;
    void note_uses(const std::vector<ItemAnswer>& answers, Uid uid, JobId job);
    std::string expiry_note(const std::vector<ItemAnswer>& answers) const;
    StatusOr<store::Owner> owner_at(const auth::Principal& caller, const SecretScope& place) const;
    StatusOr<store::Owner> owner_of_change(const auth::Principal& caller, const SecretScope& place,
                                           const std::string& name);
    Status check_new_value(const store::Owner& owner, const std::string& name,
                           std::size_t bytes) const;
    Status check_free_variable(const store::Owner& owner, const std::string& name,
                               const std::string& except) const;
    std::optional<vault::Time> expire_kept();
    std::optional<vault::Time> expire_runs();
    std::string wipe_hold(const vault::Hold& hold, audit::Kind kind, std::string_view what);
    struct Prepared;
    StatusOr<Prepared> prepare(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);
    GrantAnswer grant(const plugin_protocol::GrantRequest& request, const SecretSpec& ask);
    std::string tag_of(Uid uid, const vault::RunHead* run,
                       const std::vector<ItemAnswer>& answers) const;
    bool is_revoked(const vault::CachedGrant& held);
    void note_end(const vault::RunHead& run);
    vault::WipeReceipt end_run(const vault::RunHead& head);
    void forget_ended_runs();
    const vault::RunHead* find_ended(const RunId& run) const;
    void cache_grant(const vault::CachedGrant& grant, SecretView image);
    /// The names of the run's secrets, each once.
    std::vector<std::string> names_in(const RunId& run) const;
    std::optional<SlurmAccountsInfo> describe_slurm_accounts() const;
    RunInfo describe(const vault::RunHead& head, const Holders& holders) const;
    Holders holders() const;

    Limits limits_;
    std::chrono::seconds default_ttl_{};
    std::chrono::seconds max_ttl_{};
    auth::PrincipalResolver principals_{{}};
    vault::Vault& vault_;
    store::SecretStore* store_;
    Now now_;
    vault::Time started_;
    std::vector<std::string> hubs_;  ///< URLs, as the agent was started with them
    vault::Time no_expiry_before_;   ///< of kept secrets; to look for the first takes long
    NodeHoldRegistry node_holds_;
    /// Runs that are over, and of which nodes still hold something.
    struct EndedRun {
        vault::RunHead head;
        vault::Time at;
    };
    std::map<RunId, EndedRun> ended_runs_;
    std::set<JobId> granted_in_round_;  ///< jobs that were granted something since begin_reaping()
    std::function<void(const RunId&)> on_push_ = [](const RunId&) {};
    std::function<void()> on_expiry_change_ = [] {};
    std::function<void()> on_change_ = [] {};
    std::function<std::vector<TaskStatus>()> tasks_ = [] { return std::vector<TaskStatus>(); };
};

}  // namespace secrets::service
