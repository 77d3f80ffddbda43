// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent's configuration file, agentd.yaml. Every key has a default; unknown keys are rejected.

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
    std::size_t value_bytes = kMaxValueBytes;           ///< one value
    std::size_t run_bytes = 1024 * 1024;                ///< all values of one run together
    std::size_t runs_per_owner = 1000;                  ///< runs that one user owns at a time
    std::size_t bytes_per_owner = 256UL * 1024 * 1024;  ///< records of these runs together;
                                                        ///   default: a quarter of total_bytes
    std::size_t runs_per_platform = 100000;             ///< runs that one platform has pushed
    std::size_t total_bytes = 1024UL * 1024 * 1024;     ///< memory for secrets, all together
    std::size_t stored_secrets = 500;                   ///< stored secrets of one user or workspace
    std::size_t stored_bytes = 1024 * 1024;             ///< all values of one user or workspace
                                                        ///   together
    std::size_t store_bytes = 256UL * 1024 * 1024;      ///< all stored values together

    /// The two parts of total_bytes: bodies of requests in flight, and slabs.
    std::size_t body_bytes() const { return total_bytes / 8; }
    std::size_t slab_bytes() const { return total_bytes - body_bytes(); }
};

/// A set of this machine's users: named users, the members of groups, and those of Slurm accounts.
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
    Accounts members;  ///< may list the names of its secrets, and use them
};

/// A workflow platform: a local account that may act for others.
struct Platform {
    std::string name;  ///< its name in the journal, under which its runs are counted
    std::string user;  ///< the account that it connects as; empty: none
    std::vector<std::string> users{};   ///< users that it may act for
    std::vector<std::string> groups{};  ///< groups whose members it may act for
    std::string certificate{};          ///< a name in its certificate (SAN); empty: none
};

/// The TLS endpoint of a hub for other nodes' agents.
struct Listen {
    std::string host;  ///< an address; empty: this agent is not a hub
    std::uint16_t port = 0;
    std::string certificate;  ///< the hub's, with those between it and its CA: a PEM file
    std::string key;          ///< empty: $CREDENTIALS_DIRECTORY/tls.key
    std::string client_ca;    ///< the CA of the certificates of platforms; empty: none are accepted
    std::string agents;  ///< the account that the nodes' agents run as; empty: this agent's own
    /// Hosts without slurmd, names or addresses, whose agents may have users' secret specs checked.
    std::vector<std::string> login_hosts{};
    /// Agents of nodes and login hosts must present a certificate of their host.
    bool host_certificates = false;

    bool operator==(const Listen&) const = default;
};

/// A hub's address in the configuration of a node.
struct HttpsUrl {
    std::string text;  ///< as written in the configuration
    std::string host;  ///< a name or an address, without the brackets of IPv6
    std::uint16_t port = 0;

    bool operator==(const HttpsUrl&) const = default;
};

/// The hubs that this node uses.
struct Hub {
    std::vector<HttpsUrl> urls;  ///< tried in order; empty: this agent uses no hub
    std::string ca;    ///< the CA of the hubs' certificates: a PEM file; empty: the system's
    std::string node;  ///< this node's name in slurm.conf; empty: the short host name
    std::string certificate{};  ///< of this host, if hubs require one: a PEM file; empty: none
    std::string key{};          ///< the key of `certificate`

    bool operator==(const Hub&) const = default;
};

/// The mount of KV v2 in OpenBao or Vault that stores the runs and secrets that several agents
/// share.
struct OpenBao {
    std::vector<HttpsUrl> urls;  ///< of its servers; empty: nothing is shared
    std::string ca;              ///< the CA of their certificates: a PEM file; empty: the system's
    std::string name_space;      ///< empty: the root
    std::string mount = "secret";
    std::string path = "slurm-secrets";  ///< the folder in the mount
    std::string approle = "approle";     ///< the mount of the AppRole method
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
    bool force_memfd = false;        ///< use the fallback even if memfd_secret is available
    Limits limits;
    std::chrono::seconds default_ttl = std::chrono::hours(24);
    std::chrono::seconds max_ttl = std::chrono::hours(30 * 24);
    std::chrono::seconds reaper_interval = std::chrono::minutes(1);
    std::chrono::seconds slurm_accounts_interval = std::chrono::minutes(1);
    std::vector<Platform> platforms;
    std::vector<Workspace> workspaces;
    Listen listen;
    Hub hub;
    std::string store_file;      ///< empty: $STATE_DIRECTORY/store.db, or none if that is not set
    std::string store_key_file;  ///< empty: $CREDENTIALS_DIRECTORY/store.key
    OpenBao openbao;             ///< used instead of a file if it has URLs
    std::string log_level = "info";
    LogTarget log_target = LogTarget::automatic;
    std::string audit_file;  ///< empty: none
};

/// Returns the Slurm accounts that these workspaces name.
std::set<std::string> slurm_accounts_in(const std::vector<Workspace>& workspaces);

/// Returns the keys in which the two differ and that a running agent can't change, as a list for a
/// person; empty: none.
std::string needs_restart(const Config& running, const Config& wanted);

/// Reads the file. The Status names the file, and the line and column if known.
StatusOr<Config> load_config(const std::string& path);

/// Reads the text of a file in the same way; `path` names the file in the Status.
StatusOr<Config> parse_config(const std::string& text, const std::string& path);

}  // namespace secrets
