// SPDX-License-Identifier: Apache-2.0
// What the daemon does at intervals: it tells systemd that it runs, looks for swap, and saves uses.

#include "agentd/audit/audit_log.h"
#include "agentd/base/process_hardening.h"
#include "agentd/daemon/daemon.h"

namespace secrets {
namespace {

/// Delay of a message to systemd after a change of what is held.
constexpr std::chrono::microseconds kHousekeepingAfterChange = std::chrono::seconds(1);

/// Interval of saving which jobs used which stored secrets.
constexpr auto kSaving = std::chrono::seconds(30);

}  // namespace

/// Tells systemd that the loop runs, and what is held.
void Daemon::keep_house() {
    look_for_swap();
    service_.alive(status());
}

/// Checks for active swap. The process that has memfd memory locks it; between two processes that
/// memory is not locked, and could be written to a swap device.
void Daemon::look_for_swap() {
    const bool active = secrets::swap_is_active();
    vault_.set_swap(active);
    const bool loses = active && vault_.uses_swappable_memory();
    if (loses == loses_) return;
    loses_ = loses;
    if (!service_.is_managed()) return;
    if (loses) {
        audit::report_problem(
            "swap is active: secrets in memfd memory will not survive a restart; use memfd_secret, "
            "or disable swap");
    } else {
        audit::report_recovery(active
                                   ? "secrets survive a restart again: none are in memfd memory"
                                   : "secrets survive a restart again: swap is no longer active");
    }
}

/// Saves at intervals which jobs used which secrets, so that no job waits for the disk.
void Daemon::await_saving() {
    saving_.expires_after(kSaving);
    saving_.async_wait([this](const ErrorCode& error) {
        if (error) return;
        await_saving();
        services_.secrets.save_uses();
    });
}

void Daemon::await_housekeeping(std::chrono::microseconds within) {
    if (!service_.is_managed()) return;
    const auto watchdog = service_.watchdog();
    housekeeping_.expires_after(std::min(watchdog ? *watchdog / 3 : within, within));
    housekeeping_.async_wait([this](const ErrorCode& error) {
        if (error) return;
        await_housekeeping();
        housekeeping_soon_ = false;
        keep_house();
    });
}

void Daemon::keep_house_soon() {
    if (housekeeping_soon_) return;
    housekeeping_soon_ = true;
    await_housekeeping(kHousekeepingAfterChange);
}

std::string Daemon::status() const {
    const vault::Inventory held = vault_.inventory();
    std::string text = "holding " + audit::counted(held.runs, "run", "runs") + " and " +
                       audit::counted(held.holds, "job", "jobs") + " in " +
                       audit::counted(held.slabs, "slab", "slabs") + " of " +
                       memory_kind_word(vault_.memory());
    if (loses_) {
        text += (held.kept_slabs == 0 ? ", lost" : ", some of it lost") +
                std::string(" at a restart (swap is active)");
    } else if (service_.is_managed() && held.kept_slabs < held.slabs) {
        text += ", " + std::to_string(held.slabs - held.kept_slabs) +
                " of them not yet handed to systemd";
    }
    if (!services_.context.why_store_closed.empty()) text += "; the store is closed";
    if (!refused_reload_.empty()) text += "; the last reload failed: " + refused_reload_;
    return text;
}

}  // namespace secrets
