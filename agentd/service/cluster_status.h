// SPDX-License-Identifier: Apache-2.0
#pragma once
// Facts for the status that components above the services know, and report to them.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace secrets::service {

using WallTime = std::chrono::sys_seconds;

/// A hub as the agent of a node or login host last saw it.
struct HubContact {
    std::string url;
    std::optional<WallTime> last_contact{};  ///< when it answered last, whatever it answered
    std::string trouble{};                   ///< why it is of no use now; empty if it is of use
    std::optional<std::chrono::seconds> clock_ahead{};  ///< of this host's; nothing: not known
    std::optional<WallTime> certificate_expires{};      ///< of the certificate that it showed
};

/// A hub's own listener.
struct ListenerStatus {
    std::string address;  ///< with the port
    std::optional<WallTime> certificate_expires{};
    std::size_t hosts_seen = 0;  ///< hosts whose agents were answered since the start
    std::optional<WallTime> last_seen{};
};

/// The agent's role, and the state of what that role needs.
struct ClusterStatus {
    std::string role = "local";                ///< "local", "node" or "hub"
    std::string node{};                        ///< the name of this host that its hubs are told
    std::vector<HubContact> hubs{};            ///< of a node, in the order of the configuration
    std::optional<ListenerStatus> listener{};  ///< of a hub
    std::optional<WallTime> certificate_expires{};  ///< of the certificate that a node shows
    std::optional<std::string> munge_trouble{};     ///< empty: munged answers; nothing: not needed
};

/// The configuration file on disk against what the agent runs with.
struct ConfigFileStatus {
    std::string file;
    std::string state = "current";     ///< "current", "changed", "restart" or "broken"
    std::string trouble{};             ///< what is wrong in the file, or which keys need a restart
    std::vector<std::string> users{};  ///< that the configuration in force names
    std::vector<std::string> groups{};
};

/// The servers of OpenBao.
struct OpenBaoStatus {
    std::vector<std::string> servers;
    std::string trouble{};  ///< why none of them answered the last time; empty if one did
};

}  // namespace secrets::service
