// SPDX-License-Identifier: Apache-2.0
#include "slurmview/nodes.h"

#include <errno.h>
#include <netdb.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "common/base/limits.h"
#include "slurmview/controller.h"

namespace secrets::slurmview {
namespace {

using NodeInfo = std::unique_ptr<node_info_msg_t, decltype(&slurm_free_node_info_msg)>;
using Text = std::unique_ptr<char, decltype(&std::free)>;
using HostAddresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

}  // namespace

StatusOr<NodeAddresses> addresses_of_all_nodes() {
    node_info_msg_t* raw = nullptr;
    if (slurm_load_node(0, &raw, SHOW_ALL) != SLURM_SUCCESS) return cannot_be_asked(errno);
    const NodeInfo info(raw, &slurm_free_node_info_msg);
    NodeAddresses nodes;
    for (std::uint32_t i = 0; i < info->record_count; ++i) {
        const node_info_t& node = info->node_array[i];
        if (node.name == nullptr) continue;
        // Powered-down nodes of a cloud have no address. NodeHostName is the host's own name, which
        // may have further addresses.
        for (const char* host : {node.node_addr, node.node_hostname}) {
            if (host == nullptr || *host == '\0') continue;
            std::vector<std::string>& hosts = nodes[node.name];
            if (hosts.empty() || hosts.front() != host) hosts.emplace_back(host);
        }
    }
    return nodes;
}

StatusOr<std::vector<std::string>> names_in_list(const std::string& list) {
    std::vector<std::string> names;
    const auto nodes = slurm_hostlist_create(list.c_str());
    if (nodes == nullptr) {
        return Status::failed("slurmctld sent a list of nodes that libslurm cannot read: " + list);
    }
    while (char* name = slurm_hostlist_shift(nodes)) {
        const Text owned(name, &std::free);
        names.emplace_back(name);
    }
    slurm_hostlist_destroy(nodes);
    if (names.empty()) return Status::failed("slurmctld sent an empty list of a job's nodes");
    return names;
}

StatusOr<std::vector<std::string>> addresses_of_host(const std::string& host) {
    std::vector<std::string> addresses;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    const int error = getaddrinfo(host.c_str(), nullptr, &hints, &raw);
    if (error != 0) {
        const char* why = error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error);
        return Status::failed("cannot resolve " + host + ": " + why +
                              "; let each node's NodeAddr and NodeHostName resolve on this host");
    }
    const HostAddresses found(raw, &freeaddrinfo);
    for (const addrinfo* each = raw; each != nullptr; each = each->ai_next) {
        char text[kMaxAddressBytes + 1] = "";
        if (getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof(text), nullptr, 0,
                        NI_NUMERICHOST) == 0) {
            addresses.emplace_back(text);
        }
    }
    return addresses;
}

}  // namespace secrets::slurmview
