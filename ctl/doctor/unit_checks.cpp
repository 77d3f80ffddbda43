// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/checks.h"
#include "ctl/doctor/service_unit.h"

namespace secrets::ctl::doctor {
namespace {

/// A restart is reported for so long: an agent that fails again and again runs for a while each
/// time, until the watchdog ends it.
constexpr std::chrono::minutes kRecent(10);

/// An agent that is being started again for the first times may only have been killed.
constexpr unsigned long kFewRestarts = 2;

std::string times(unsigned long number) {
    return std::to_string(number) + (number == 1 ? " time" : " times");
}

}  // namespace

Finding check_unit(const Site& site) {
    const auto& unit = site.unit;
    if (!unit) return skipped("systemd does not know slurm-secretsd.service on this host");
    const bool starts_again = unit->active == "activating" && unit->restarts > 0;
    const bool was_restarted = unit->restarts > 0 && unit->active_for < kRecent;
    if (starts_again || unit->active == "failed" || was_restarted) {
        std::string why = last_error_of_service();
        if (why.empty()) why = "result " + unit->result;
        if (unit->active == "active") {
            return warn("systemd has restarted it " + times(unit->restarts) +
                        ", and it has run for " + std::to_string(unit->active_for.count()) +
                        " s: " + why);
        }
        if (starts_again && unit->restarts <= kFewRestarts) {
            return warn("it ended, and systemd is starting it again: " + why);
        }
        return fail("it fails at each start, so far " + times(unit->restarts + 1) + ": " + why,
                    "mend that; systemd goes on trying. All of it: journalctl -u slurm-secretsd");
    }
    if (unit->needs_reload) {
        return warn("its files have changed since systemd read them",
                    "run: systemctl daemon-reload && systemctl restart slurm-secretsd");
    }
    return ok(unit->active + " (" + unit->sub + ")");
}

Finding check_drop_ins(const Site& site) {
    if (!site.unit) return skipped("systemd does not know slurm-secretsd.service on this host");
    const auto dangling = find_dangling_links();
    if (dangling.empty()) return ok("no link in their folders is dangling");
    const DanglingLink& link = dangling.front();
    return fail(
        link.path + " is a link to " + link.target +
            ", which does not exist: systemd ignores it, and the service lacks what it gives",
        "link to the file of the installed version (for a node of a hub: node.conf, see "
        "docs/admin.md), then: systemctl daemon-reload && systemctl restart slurm-secretsd");
}

}  // namespace secrets::ctl::doctor
