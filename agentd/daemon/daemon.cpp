// SPDX-License-Identifier: Apache-2.0
#include "agentd/daemon/daemon.h"

#include "agentd/audit/audit_log.h"
#include "agentd/base/process_hardening.h"
#include "agentd/config/named_accounts.h"
#include "agentd/service/shared_run_changes.h"

namespace secrets {
namespace {

/// Times that SIGTERM leaves for the requests of clients that have just connected (on a busy
/// machine they may not have run since), then for the other accepted requests, and then for aborted
/// ones. Together much less than the unit's TimeoutStopSec=: the wipe follows.
constexpr auto kGraceOfSilent = std::chrono::milliseconds(500);
constexpr auto kGrace = std::chrono::milliseconds(1000);
constexpr auto kGraceOfBroken = std::chrono::milliseconds(200);

/// Limit for checking whether another agent was pushed a run that a request waits for.
constexpr auto kLook = std::chrono::seconds(1);

/// Longest time until the expiries are checked: the timer does not count suspended time, as the
/// agent's clock does.
constexpr AgentClock::Milliseconds kExpiryCheck = std::chrono::minutes(1);

void report_end_of_task(const std::string& task, const std::string& why,
                        std::chrono::milliseconds pause) {
    const std::string next = pause.count() == 0
                                 ? "the agent is shutting down"
                                 : "it restarts in " + std::to_string(pause.count() / 1000) + " s";
    audit::report_problem("background task " + task + " failed: " + why + "; " + next);
}

/// Logs a problem; does nothing if there is no memory for that.
void say_without_fail(std::string_view trouble) noexcept {
    try {
        audit::report_problem(std::string(trouble));
    } catch (const std::exception&) {
    }
}

/// Time for binding a run to its head job, less than the plugin waits.
constexpr auto kPatienceToBind = std::chrono::milliseconds(1600);

}  // namespace

void report_closed_store(const std::string& why) {
    audit::report_problem("the store is closed, only runs are served: " + why);
}

Daemon::Daemon(Config config, std::string config_path, MemoryKind memory, store::OpenedStore store,
               Listeners listeners, TlsContexts tls, systemd::ServiceManager& service,
               AgentClock clock)
    : config_(std::move(config)),
      config_file_(std::move(config_path)),
      clock_(std::move(clock)),
      service_(service),
      supervisor_(loop_, report_end_of_task),
      lookups_(loop_, auth::query_name_service,
               [this](const auth::Lookup& lookup, const auth::LookupAnswer& answer) {
                   users_.take(lookup, answer);
               }),
      users_({[this](const auth::Lookup& lookup, bool urgent) {
                  return lookups_.start(lookup, urgent);
              },
              [this](const auth::Lookup& lookup) { lookups_.hurry(lookup); }}),
      vault_(memory, config_.limits.slab_bytes(), service.is_managed() ? &service : nullptr),
      store_(std::move(store.store)),
      services_(
          config_, vault_, [this] { return clock_.now(); }, store_.get()),
      openbao_(tls.openbao ? std::make_unique<openbao::KvClient>(
                                 loop_, supervisor_, config_.openbao, std::move(tls.openbao))
                           : nullptr),
      replica_(openbao_ ? std::make_unique<openbao::Replica>(loop_, *openbao_, vault_, *store_,
                                                             services_)
                        : nullptr),
      membership_(loop_, supervisor_, config_, std::move(tls), std::move(listeners.hub), services_,
                  waiters_, replica_.get(), service.is_managed() ? &service : nullptr),
      head_bindings_(loop_, supervisor_, services_.context, bind_once()),
      node_server_(
          loop_, std::move(listeners.node), services_, waiters_, replica_.get(),
          membership_.grant_at_hub(),
          [this](service::RunBinding binding) { return head_bindings_.bind(std::move(binding)); }),
      processes_(loop_, config_.view_socket),
      job_server_(loop_, std::move(listeners.job), services_, replica_.get(),
                  membership_.check_at_hub(), membership_.read_at_hub(),
                  [this](Peer process) { return processes_.job_of(process); }),
      control_server_(loop_, std::move(listeners.control), services_, membership_.forward(),
                      replica_.get()),
      reaper_(loop_, supervisor_, config_, services_),
      run_ends_(loop_, supervisor_, config_, services_, replica_.get()),
      account_watch_(loop_, supervisor_, config_,
                     [this](auth::SlurmAccountMembers accounts) {
                         services_.context.principals.know(std::move(accounts));
                     }),
      closed_store_(
          loop_,  // with the configuration of the start: a reload changes no store
          [this, start = config_] { return store::reopen_store(start, vault_.memory()); },
          [this](store::OpenedStore opened) { use_reopened(std::move(opened)); }),
      signals_(loop_, SIGTERM, SIGINT),
      expiry_(loop_),
      housekeeping_(loop_),
      saving_(loop_),
      check_ended_(loop_),
      wipes_at_end_(!service.is_managed()) {
    signals_.add(SIGHUP);
    signals_.add(SIGUSR1);
    await_signal();
    services_.context.events = this;
    services_.context.wall_ahead = [this] { return clock_.wall_ahead(); };
    services_.context.shares_runs = replica_ != nullptr;
    if (service.is_managed()) vault_.set_slab_suffix(std::to_string(clock_.offset().count()));
    services_.context.why_store_closed = std::move(store.why_closed);
    services_.status.set_sources({.tasks = [this] { return supervisor_.tasks(); },
                                  .cluster = [this] { return membership_.describe(); },
                                  .config = [this] { return describe_config(); },
                                  .openbao = [this] { return describe_openbao(); },
                                  .check = [this] { return check_surroundings(); }});
    look_for_swap();
    auth::use_database(&users_);
    users_.start(supervisor_);
    prefetch_users();
    if (store_ != nullptr) use_store();
    if (const std::string& why = services_.context.why_store_closed; !why.empty()) {
        closed_store_.start(supervisor_, why);
    }
}

void Daemon::use_store() {
    store_->set_wall_ahead(services_.context.wall_ahead);
    if (replica_) replica_->follow_clock();
    for (const std::string& sentence : store_->damage()) {
        audit::record({.kind = audit::Kind::damage, .sentence = sentence});
    }
    wipe_expired();
    await_saving();
}

/// Takes a store that was closed until now, or the new reason why it is closed.
void Daemon::use_reopened(store::OpenedStore opened) {
    services_.context.why_store_closed = std::move(opened.why_closed);
    keep_house_soon();
    if (opened.store == nullptr) {
        report_closed_store(services_.context.why_store_closed);
        return;
    }
    store_ = std::move(opened.store);
    services_.context.store = store_.get();
    audit::report_recovery("the store " + store_->path() + " is open");
    use_store();
}

void Daemon::restore(std::vector<vault::FoundSlab> found, const KeptWords& words) {
    vault_.find_memory(words.memory_ids);
    restore_slabs(std::move(found));
    // Only a hub is asked about what an earlier process granted.
    if (!config_.listen.host.empty()) vault_.begin_memory();
    membership_.take_node_names(words.node_names);
}

void Daemon::restore_slabs(std::vector<vault::FoundSlab> found) {
    if (found.empty()) return;
    const vault::RecoveryReport restored = vault_.restore(std::move(found));
    for (const vault::RunHead* run : vault_.runs()) {
        static_cast<void>(users_.await_name(run->owner));  // starts the lookup
    }
    audit::record({.kind = audit::Kind::restore,
                   .sentence = "restored " + audit::counted(restored.runs, "run", "runs") +
                               " and " + audit::counted(restored.holds, "hold", "holds") + " (" +
                               audit::counted(restored.slabs, "slab", "slabs") +
                               ") from the previous process",
                   .records = restored.runs + restored.holds});
    if (restored.dropped > 0) {
        audit::record({.kind = audit::Kind::damage,
                       .sentence = "wiped " +
                                   audit::counted(restored.dropped, "incomplete or damaged record",
                                                  "incomplete or damaged records") +
                                   " left by the previous process",
                       .records = restored.dropped});
    }
    for (const std::string& why : restored.refused) {
        audit::record({.kind = audit::Kind::damage,
                       .sentence = "wiped an invalid slab left by the previous process: " + why});
    }
    look_for_swap();
    wipe_expired();
}

void Daemon::run() {
    await_housekeeping();
    if (replica_) share();
    service_.ready(status());
    run_loop();
    try {
        finish_requests();
    } catch (const std::exception& error) {
        say_without_fail(error.what());
    }
    wipe_at_end();
}

/// Starts the sync with other agents, which may be pushed the runs that requests wait for.
void Daemon::share() {
    waiters_.look_elsewhere([this](RunId run) -> asio::awaitable<bool> {
        service::DocumentKeys about{.runs = {run}};
        const auto deadline = openbao::Clock::now() + kLook;
        // All requests that wait at the moment may share one result.
        const auto failure = co_await replica_->refresh(std::move(about), deadline, kLook / 4);
        co_return failure.ok() && services_.runs.has_run(run);
    });
    replica_->start(supervisor_);
}

/// Runs the loop. What a handler throws (out of memory) costs one request, not all that is held.
void Daemon::run_loop() {
    while (true) {
        try {
            loop_.run();
            return;
        } catch (const std::exception& error) {
            say_without_fail(error.what());
        }
    }
}

void Daemon::await_signal() {
    signals_.async_wait([this](const ErrorCode& error, int number) {
        if (error) return;
        await_signal();
        on_signal(number);
    });
}

void Daemon::on_signal(int number) {
    switch (number) {
        case SIGHUP:
            reload();
            return;
        case SIGUSR1:  // the unit's ExecStop=: a stop, not a restart
            wipes_at_end_ = true;
            return;
        default:
            loop_.stop();
    }
}

void Daemon::reload() {
    service_.reloading();
    refused_reload_.clear();
    const auto config = load_config(config_file_.path());
    if (config) {
        take(*config);
    } else {
        refused_reload_ = config.status().message();
        // The signal may have come because the audit file was moved away.
        if (const Status wrong = audit::reopen(); !wrong.ok())
            refused_reload_ += "; " + wrong.message();
    }
    if (!refused_reload_.empty()) {
        audit::record({.kind = audit::Kind::reload_refused,
                       .sentence = "cannot reload, the previous configuration stays in force: " +
                                   refused_reload_});
    }
    service_.ready(status());
}

void Daemon::take(const Config& config) {
    auto hub_context = membership_.renewed_context(config.listen);
    if (!hub_context) {
        refused_reload_ = hub_context.status().message();
        return;
    }
    if (const Status wrong = audit::open(config); !wrong.ok()) {
        refused_reload_ = "audit.file: " + wrong.message();
        return;
    }
    membership_.set_context(std::move(hub_context).value());
    membership_.configure(config.listen);
    const std::string later = needs_restart(config_, config);
    config_ = config;
    config_file_.note_loaded();
    if (!later.empty()) needs_restart_ = later;
    services_.context.configure(config_);
    account_watch_.configure(config_);
    prefetch_users();
    vault_.set_capacity(config_.limits.slab_bytes());
    audit::record(
        {.kind = audit::Kind::reload,
         .sentence =
             "reloaded " + config_file_.path() +
             (later.empty() ? "" : "; keys that take effect only at the next restart: " + later)});
}

/// Looks up the users whom the configuration names, so that requests find them in the cache.
void Daemon::prefetch_users() {
    for (const std::string& user : named_accounts_in(config_).users) users_.prefetch(user);
}

/// Ends all but what is held, within less than two seconds: requests that were accepted need what
/// is held for their answers.
void Daemon::finish_requests() {
    service_.stopping("finishing accepted requests");
    audit::record(
        {.kind = audit::Kind::stopping, .sentence = "shutting down: finishing accepted requests"});
    log_.stop();
    supervisor_.stop();
    node_server_.stop();
    waiters_.stop();
    job_server_.stop();
    control_server_.stop();
    membership_.stop();
    if (replica_) replica_->stop_syncing();
    if (openbao_) openbao_->stop_renewing();
    reaper_.stop();
    run_ends_.stop();
    head_bindings_.stop();
    account_watch_.stop();
    closed_store_.stop();
    users_.stop();
    services_.context.events = &services_.context.no_events;  // a last push arms no timer
    expiry_.cancel();
    housekeeping_.cancel();
    saving_.cancel();
    check_ended_.cancel();
    signals_.cancel();
    loop_.restart();
    loop_.run_for(kGraceOfSilent);
    node_server_.end_silent();
    job_server_.end_silent();
    control_server_.end_silent();
    membership_.end_silent();
    loop_.restart();
    loop_.run_for(kGrace);
    control_server_.abort();
    membership_.abort();
    if (replica_) replica_->stop();
    if (openbao_) openbao_->stop();
    loop_.restart();
    loop_.run_for(kGraceOfBroken);
}

/// Wipes what no following process takes over, before all that may be slow or need memory: systemd
/// kills an agent that takes too long to end. Then logs what is left for a process that follows.
void Daemon::wipe_at_end() {
    const vault::WipeReceipt wiped = wipes_at_end_ ? vault_.wipe_all() : vault_.wipe_unkept();
    const vault::Inventory kept = vault_.inventory();
    std::string sentence;
    if (kept.runs + kept.holds > 0) {
        sentence = audit::counted(kept.runs, "run", "runs") + " and " +
                   audit::counted(kept.holds, "hold", "holds") +
                   " handed to systemd for the next process";
    }
    if (wiped.records > 0) {
        sentence += (sentence.empty() ? "" : ", ") +
                    audit::counted(wiped.records, "record", "records") + " wiped";
    }
    sentence = "ended: " + (sentence.empty() ? "nothing was held" : sentence);
    service_.stopping(sentence);
    audit::record({.kind = audit::Kind::stop,
                   .sentence = std::move(sentence),
                   .records = wiped.records,
                   .bytes = wiped.bytes});
    services_.secrets.save_uses();
    audit::finish();
}

/// Returns what binds a run to its head job, at the hub or in this agent.
service::HeadBindings::Bind Daemon::bind_once() {
    if (auto at_hub = membership_.bind_at_hub()) return at_hub;
    return [this](service::RunBinding binding) {
        const auto deadline = service::SharedStore::Clock::now() + kPatienceToBind;
        return service::bind_run(services_, replica_.get(), std::move(binding), deadline);
    };
}

void Daemon::wipe_expired() {
    const auto next = services_.expiry.expire();
    expiry_.cancel();
    if (!next) return;
    expiry_.expires_after(std::min(clock_.until(*next), kExpiryCheck));
    expiry_.async_wait([this, time = *next](const ErrorCode& error) {
        if (error) return;
        const bool is_due = clock_.now() >= time;
        wipe_expired();
        if (is_due && replica_) replica_->sync_soon();
    });
}

}  // namespace secrets
