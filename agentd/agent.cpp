#include "agentd/agent.h"

#include "agentd/audit.h"
#include "agentd/locked_process.h"

namespace secrets {
namespace {

/// How long SIGTERM waits for requests that came before it, and then for those that it breaks off.
/// Together less than the unit's TimeoutStopSec=.
constexpr auto kGrace = std::chrono::milliseconds(1200);
constexpr auto kGraceOfBroken = std::chrono::milliseconds(300);

/// systemd hears from the agent this often at least.
constexpr std::chrono::microseconds kHousekeeping = std::chrono::seconds(10);

vault::Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string count(std::size_t number, const std::string& thing) {
    return std::to_string(number) + " " + thing + (number == 1 ? "" : "s");
}

}  // namespace

Agent::Agent(Config config, std::string config_path, MemoryKind memory, Listeners listeners,
             systemd::Service& service)
    : config_(std::move(config)),
      config_path_(std::move(config_path)),
      service_(service),
      vault_(memory, config_.limits.total_bytes, service.is_managed() ? &service : nullptr),
      desk_(config_, vault_, now),
      node_door_(loop_, std::move(listeners.node), desk_),
      job_door_(loop_, std::move(listeners.job), desk_),
      http_door_(loop_, std::move(listeners.control), desk_),
      signals_(loop_, SIGTERM, SIGINT),
      expiry_(loop_),
      housekeeping_(loop_),
      wipes_at_end_(!service.is_managed()) {
    signals_.add(SIGHUP);
    signals_.add(SIGUSR1);
    await_signal();
    desk_.on_expiry_change([this] { wipe_expired(); });
    vault_.set_keeping(memory == MemoryKind::secretmem || !swap_is_active());
}

void Agent::restore(std::vector<vault::FoundSlab> found) {
    if (found.empty()) return;
    const vault::Restored restored = vault_.restore(std::move(found));
    audit::event("found again after a restart: " + count(restored.runs, "run") + " and " +
                 count(restored.holds, "hold") + " in " + count(restored.slabs, "slab"));
    if (restored.dropped > 0) {
        audit::trouble(count(restored.dropped, "record") +
                       " that the process before this one left half written or damaged: wiped");
    }
    for (const std::string& why : restored.refused) {
        audit::trouble(
            "a slab that the process before this one left is not trusted, and was "
            "wiped: " +
            why);
    }
    wipe_expired();
}

void Agent::run() {
    await_housekeeping();
    service_.ready(status());
    run_loop();
    end();
}

/// What a handler throws (memory ran out) costs that one request, and not all that is held.
void Agent::run_loop() {
    while (true) {
        try {
            loop_.run();
            return;
        } catch (const std::exception& error) {
            audit::trouble(error.what());
        }
    }
}

void Agent::await_signal() {
    signals_.async_wait([this](const doors::ErrorCode& error, int number) {
        if (error) return;
        await_signal();
        on_signal(number);
    });
}

void Agent::on_signal(int number) {
    switch (number) {
        case SIGHUP:
            reload();
            return;
        case SIGUSR1:  // the unit's ExecStop=: this is the end, not a restart
            wipes_at_end_ = true;
            return;
        default:
            loop_.stop();
    }
}

void Agent::reload() {
    service_.reloading();
    const auto config = load_config(config_path_);
    if (!config) {
        refused_reload_ = config.error().sentence;
        audit::trouble("reload: refused, the configuration stays as it was: " + refused_reload_);
    } else {
        refused_reload_.clear();
        const std::string later = needs_restart(config_, *config);
        config_ = *config;
        audit::open(config_);
        desk_.configure(config_);
        vault_.set_capacity(config_.limits.total_bytes);
        audit::event("reload: " + config_path_ + " is in force" +
                     (later.empty() ? "" : "; at the next restart only: " + later));
    }
    service_.ready(status());
}

void Agent::end() {
    service_.stopping("finishing the requests that came");
    audit::event("ending: finishing the requests that came");
    node_door_.stop();
    job_door_.stop();
    http_door_.stop();
    desk_.on_expiry_change([] {});  // a push that comes last arms no timer
    expiry_.cancel();
    housekeeping_.cancel();
    signals_.cancel();
    loop_.restart();
    loop_.run_for(kGrace);
    http_door_.abort();
    loop_.restart();
    loop_.run_for(kGraceOfBroken);
    if (!wipes_at_end_) {
        const vault::Inventory kept = vault_.inventory();
        audit::event("ended: " + count(kept.runs, "run") + " and " + count(kept.holds, "hold") +
                     " are kept for the process that follows");
        return;
    }
    const vault::Wiped wiped = vault_.wipe_all();
    audit::event("ended: " + count(wiped.records, "record") + " wiped");
}

void Agent::wipe_expired() {
    const auto next = desk_.expire();
    expiry_.cancel();
    if (!next) return;
    expiry_.expires_at(*next);
    expiry_.async_wait([this](const doors::ErrorCode& error) {
        if (!error) wipe_expired();
    });
}

/// Tells systemd that the loop turns, and what is held.
void Agent::keep_house() {
    service_.alive(status());
    // Plain memory is locked by the process that has it. Between two processes it is not.
    if (vault_.memory() == MemoryKind::memfd) vault_.set_keeping(!swap_is_active());
}

void Agent::await_housekeeping() {
    if (!service_.is_managed()) return;
    const auto watchdog = service_.watchdog();
    housekeeping_.expires_after(std::min(watchdog ? *watchdog / 3 : kHousekeeping, kHousekeeping));
    housekeeping_.async_wait([this](const doors::ErrorCode& error) {
        if (error) return;
        await_housekeeping();
        keep_house();
    });
}

std::string Agent::status() const {
    const vault::Inventory held = vault_.inventory();
    std::string text = "holding " + count(held.runs, "run") + " and " + count(held.holds, "job") +
                       " in " + count(held.slabs, "slab") + " of " +
                       memory_kind_word(vault_.memory());
    if (held.kept_slabs < held.slabs) text += ", lost at a restart (swap is active)";
    if (!refused_reload_.empty()) text += "; the last reload was refused: " + refused_reload_;
    return text;
}

}  // namespace secrets
