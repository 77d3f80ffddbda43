// SPDX-License-Identifier: Apache-2.0
#include <sys/timex.h>

#include <algorithm>

#include "ctl/client/answer.h"
#include "ctl/doctor/checks.h"
#include "ctl/doctor/text_file.h"

namespace secrets::ctl::doctor {

Finding check_swap(const Site& site) {
    const auto swaps = read_text_file("/proc/swaps");
    if (!swaps) return skipped("cannot read /proc/swaps");
    const bool active = std::count(swaps->begin(), swaps->end(), '\n') > 1;
    if (!active) return ok("none is active");
    if (site.status && text_of(*site.status, "memory") == "memfd_secret") {
        return ok("active; memfd_secret memory is never swapped, and the agent's memory is locked");
    }
    return warn(
        "active: without memfd_secret the agent's secrets do not survive its restart, since they "
        "could be swapped to disk meanwhile");
}

Finding check_clock(const Site&) {
    timex clock{};
    if (::adjtimex(&clock) == TIME_ERROR || (clock.status & STA_UNSYNC) != 0) {
        return warn(
            "not synchronized: if clocks differ, munge rejects credentials, and secrets expire "
            "early or late");
    }
    return ok("synchronized");
}

}  // namespace secrets::ctl::doctor
