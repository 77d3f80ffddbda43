// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent's units as systemd runs them, and the links in their folders.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace secrets::ctl::doctor {

/// The state of slurm-secretsd.service.
struct ServiceUnit {
    std::string active;          ///< "active", "activating", "failed" and others of systemd
    std::string sub;             ///< "running", "auto-restart" and others
    std::string result;          ///< of the last process: "success", "exit-code" and others
    unsigned long restarts = 0;  ///< restarts by systemd since the unit was last started
    std::chrono::seconds active_for{};
    bool needs_reload = false;  ///< its files have changed since systemd read them
};

/// A link in a folder of drop-ins to a file that does not exist.
struct DanglingLink {
    std::string path;
    std::string target;
};

/// Returns nothing if this host has no running systemd, or the unit is not installed.
std::optional<ServiceUnit> read_service_unit();

/// Returns the last error in the journal of the service that names a reason; empty if there is none
/// of the last minutes, or the caller may not read the journal.
std::string last_error_of_service();

/// Searches the folders of drop-ins of the agent's units.
std::vector<DanglingLink> find_dangling_links();

}  // namespace secrets::ctl::doctor
