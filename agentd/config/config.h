// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent's configuration file, agentd.yaml. Every key has a default; one that is not known is
// refused.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/base/limits.h"
#include "common/base/status.h"

namespace secrets {

struct Limits {
    std::size_t value_bytes = kMaxValueBytes;        ///< one value
    std::size_t run_bytes = 1024 * 1024;             ///< all values of one run together
    std::size_t runs_per_owner = 1000;               ///< runs that one user owns at a time
    std::size_t runs_per_platform = 100000;          ///< runs that one platform has pushed
    std::size_t total_bytes = 1024UL * 1024 * 1024;  ///< locked memory of all slabs together
    std::size_t stored_secrets = 500;                ///< stored secrets of one user or workspace
    std::size_t stored_bytes = 1024 * 1024;          ///< all their values together
    std::size_t store_bytes = 256UL * 1024 * 1024;   ///< all stored values together
};

/// Some of this machine's users: those that are named, the members of groups, and those of Slurm
/// accounts.
struct Accounts {
    std::vector<std::string> users;
    std::vector<std::string> groups;
    std::vector<std::string> slurm_accounts{};

    bool empty() const { return users.empty() && groups.empty() && slurm_accounts.empty(); }
};

/// Users who share secrets.
struct Workspace {
    std::string name;
    Accounts admins;   ///< may list, set and remove its secrets, and use them
    Accounts members;  ///< may use them
};

/// A workflow platform: a local account that may act for others.
struct Platform {
    std::string name;  ///< what the journal calls it, and which runs are counted together
    std::string user;  ///< the account it connects as; empty: none
    std::vector<std::string> users{};   ///< whom it may act for
    std::vector<std::string> groups{};  ///< whose members it may act for
    std::string certificate{};          ///< what its certificate names (SAN); empty: none
};

/// Where a hub of other nodes' agents listens over TLS.
struct Listen {
    std::string host;  ///< an address; empty: this agent is no hub
    std::uint16_t port = 0;
    std::string certificate;  ///< of the hub, with those between it and its CA: a PEM file
    std::string key;          ///< empty: $CREDENTIALS_DIRECTORY/tls.key
    std::string client_ca;    ///< who signs the certificates of platforms; empty: none are taken
    std::string agents;  ///< the account that the nodes' agents run as; empty: this agent's own
    /// Hosts without slurmd, names or addresses, whose agents may have asks of users checked.
    std::vector<std::string> login_hosts{};
    /// Agents of nodes and login hosts have to show a certificate of their host.
    bool host_certificates = false;

    bool operator==(const Listen&) const = default;
};

/// A hub's address, as a node has it.
struct HttpsUrl {
    std::string text;  ///< as it stands in the configuration
    std::string host;  ///< a name or an address, without the brackets of IPv6
    std::uint16_t port = 0;

    bool operator==(const HttpsUrl&) const = default;
};

/// The hubs that this node asks.
struct Hub {
    std::vector<HttpsUrl> urls;  ///< tried in order; empty: this agent answers by itself
    std::string ca;    ///< who signs the hubs' certificates: a PEM file; empty: the system's
    std::string node;  ///< this node's name in slurm.conf; empty: the short host name
    std::string certificate{};  ///< of this host, where hubs demand one: a PEM file; empty: none
    std::string key{};          ///< goes with it

    bool operator==(const Hub&) const = default;
};

/// Where runs and kept secrets lie that several agents share: a mount of KV v2 in OpenBao, or
/// Vault.
struct OpenBao {
    std::vector<HttpsUrl> urls;  ///< of its servers; empty: nothing is shared
    std::string ca;              ///< who signs their certificates: a PEM file; empty: the system's
    std::string name_space;      ///< empty: the root
    std::string mount = "secret";
    std::string path = "slurm-secrets";  ///< the folder in the mount
    std::string approle = "approle";     ///< where the AppRole method is mounted
    std::string role_id_file;            ///< empty: $CREDENTIALS_DIRECTORY/openbao.role-id
    std::string secret_id_file;          ///< empty: $CREDENTIALS_DIRECTORY/openbao.secret-id

    bool operator==(const OpenBao&) const = default;
};

enum class LogTarget { automatic, journal, standard_error };

struct Config {
    std::string node_socket = "/run/slurm-secrets/node.sock";
    std::string job_socket = "/run/slurm-secrets/job.sock";
    std::string control_socket = "/run/slurm-secrets/control.sock";
    std::string files_directory = "/run/slurm-secrets/jobs";
    std::string view_socket = "/run/slurm-secrets-view/view.sock";
    bool require_secretmem = false;  ///< do not start without memfd_secret
    bool force_memfd = false;        ///< use the fallback even where there is memfd_secret
    Limits limits;
    std::chrono::seconds default_ttl = std::chrono::hours(24);
    std::chrono::seconds max_ttl = std::chrono::hours(30 * 24);
    std::chrono::seconds reaper_interval = std::chrono::minutes(1);
    std::chrono::seconds slurm_accounts_interval = std::chrono::minutes(1);
    std::vector<Platform> platforms;
    std::vector<Workspace> workspaces;
    Listen listen;
    Hub hub;
    std::string store_file;  ///< empty: $STATE_DIRECTORY/store.db, or none where that is not set
    std::string store_key_file;  ///< empty: $CREDENTIALS_DIRECTORY/store.key
    OpenBao openbao;             ///< in place of a file, where it has URLs
    std::string log_level = "info";
    LogTarget log_target = LogTarget::automatic;
    std::string audit_file;  ///< empty: there is none
};

/// The Slurm accounts that these workspaces name.
std::set<std::string> slurm_accounts_in(const std::vector<Workspace>& workspaces);

/// The keys in which the two differ and that a running agent can't change, as a list for a person;
/// empty: none.
std::string needs_restart(const Config& running, const Config& wanted);

/// Reads the file. The Status names the file, and the line and column where there is one.
StatusOr<Config> load_config(const std::string& path);

/// The same for the text of a file; `path` is what the Status calls it.
StatusOr<Config> parse_config(const std::string& text, const std::string& path);

}  // namespace secrets
