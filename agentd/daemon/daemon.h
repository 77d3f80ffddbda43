// SPDX-License-Identifier: Apache-2.0
#pragma once
// The daemon while it runs: its components, their shared event loop, and the actions on signals.

#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <vector>

#include "agentd/audit/audit_log.h"
#include "agentd/audit/flush_timer.h"
#include "agentd/auth/cached_user_database.h"
#include "agentd/auth/lookup_workers.h"
#include "agentd/base/agent_clock.h"
#include "agentd/base/supervisor.h"
#include "agentd/config/config_file.h"
#include "agentd/daemon/cluster_role.h"
#include "agentd/openbao/replica.h"
#include "agentd/server/control_server.h"
#include "agentd/server/job_server.h"
#include "agentd/server/node_server.h"
#include "agentd/service/head_bindings.h"
#include "agentd/slurm/account_watcher.h"
#include "agentd/slurm/process_lookups.h"
#include "agentd/slurm/run_end_watcher.h"
#include "agentd/slurm/stale_hold_reaper.h"
#include "agentd/store/closed_store.h"
#include "agentd/systemd/service_manager.h"

namespace secrets {

/// The listening sockets, from systemd or of the agent's own.
struct Listeners {
    UniqueFd node;
    UniqueFd job;
    UniqueFd control;
    UniqueFd hub{};  ///< none unless the agent is a hub
};

/// The words that the previous process left in the FdStore.
struct KeptWords {
    std::vector<std::string> memory_ids;  ///< of the vault
    std::vector<std::string> node_names;
};

/// Logs why the store is closed.
void report_closed_store(const std::string& why);

class Daemon final : private service::Events {
  public:
    /// `service` must outlive the agent.
    Daemon(Config config, std::string config_path, MemoryKind memory, store::OpenedStore store,
           Listeners listeners, TlsContexts tls, systemd::ServiceManager& service,
           AgentClock clock);

    /// Takes over the slabs and words that the previous process left.
    void restore(std::vector<vault::FoundSlab> found, const KeptWords& words);

    /// Runs until SIGTERM or SIGINT, and finishes the requests accepted before the signal. Then
    /// wipes everything but what systemd stores for a process that follows at once.
    void run();

  private:
    void run_pushed(const RunId& run) override { waiters_.wake(run); }
    void job_may_have_ended(JobId job) override { run_ends_.look_soon(job); }
    void held_changed() override { keep_house_soon(); }
    void expiry_changed() override { wipe_expired(); }

    void run_loop();
    void await_signal();
    void on_signal(int number);
    void reload();
    void take(const Config& config);
    void prefetch_users();
    void finish_requests();
    void restore_slabs(std::vector<vault::FoundSlab> found);
    void wipe_at_end();
    void wipe_expired();
    void keep_house();
    void look_for_swap();
    void share();
    void use_store();
    void use_reopened(store::OpenedStore opened);
    void await_saving();
    void await_housekeeping(std::chrono::microseconds within = kHousekeeping);
    void keep_house_soon();
    std::string status() const;
    service::ConfigFileStatus describe_config();
    service::HeadBindings::Bind bind_once();
    std::optional<service::OpenBaoStatus> describe_openbao() const;
    asio::awaitable<void> check_surroundings();

    /// Longest time between messages to systemd.
    static constexpr std::chrono::microseconds kHousekeeping = std::chrono::seconds(10);

    Config config_;
    ConfigFile config_file_;
    AgentClock clock_;
    systemd::ServiceManager& service_;
    boost::asio::io_context loop_{1};
    audit::FlushTimer log_{loop_, audit::recorder()};
    Supervisor supervisor_;
    auth::LookupWorkers lookups_;
    auth::CachedUserDatabase users_;
    vault::Vault vault_;
    std::unique_ptr<store::SecretStore> store_;
    service::Services services_;
    service::RunWaiters waiters_;
    std::unique_ptr<openbao::KvClient> openbao_;  ///< null: local data only
    std::unique_ptr<openbao::Replica> replica_;   ///< null if openbao_ is null
    ClusterRole membership_;
    service::HeadBindings head_bindings_;
    server::NodeServer node_server_;
    slurm::ProcessLookups processes_;
    server::JobServer job_server_;
    server::ControlServer control_server_;
    slurm::StaleHoldReaper reaper_;
    slurm::RunEndWatcher run_ends_;
    slurm::AccountWatcher account_watch_;
    store::ClosedStore closed_store_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer expiry_;
    boost::asio::steady_timer housekeeping_;
    boost::asio::steady_timer saving_;
    bool housekeeping_soon_ = false;
    bool is_checking_ = false;               ///< check_surroundings() is in progress
    boost::asio::steady_timer check_ended_;  ///< cancelled when it ends
    std::chrono::steady_clock::time_point next_check_{};
    std::string needs_restart_;   ///< keys that a reload changed and only a restart applies
    std::string refused_reload_;  ///< why the last reload was rejected; empty: it was accepted
    bool wipes_at_end_;
    bool loses_ = false;  ///< whether some of what is held is lost at a restart, because of swap
};

}  // namespace secrets
