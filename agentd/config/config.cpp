// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/config.h"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "agentd/config/yaml_reader.h"
#include "common/base/names.h"

namespace secrets {
namespace {

using namespace yaml_reader;

Platform platform_of(const YAML::Node& node) {
    Platform platform;
    read_mapping(
        node,
        {
            {"name", [&](const auto& value) { platform.name = text_of(value); }},
            {"user", [&](const auto& value) { platform.user = text_of(value); }},
            {"users", [&](const auto& value) { platform.users = texts_of(value); }},
            {"groups", [&](const auto& value) { platform.groups = texts_of(value); }},
            {"certificate", [&](const auto& value) { platform.certificate = text_of(value); }},
        });
    if (platform.name.empty()) throw Wrong{node.Mark(), "a platform needs a name"};
    if (platform.name.size() > kMaxPlatformBytes) {
        throw Wrong{node.Mark(), "platform name is too long; the limit is " +
                                     std::to_string(kMaxPlatformBytes) + " bytes"};
    }
    if (platform.user.empty() && platform.certificate.empty()) {
        throw Wrong{node.Mark(),
                    "a platform needs a user (the account it connects as) or a certificate (the "
                    "name in its certificate)"};
    }
    return platform;
}

std::vector<std::string> slurm_accounts_of(const YAML::Node& node) {
    std::vector<std::string> names = texts_of(node);
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (const Status why = check_account_name(names[i]); !why.ok())
            throw Wrong{node[i].Mark(), why.message()};
    }
    return names;
}

Accounts accounts_of(const YAML::Node& node) {
    Accounts accounts;
    read_mapping(
        node, {
                  {"users", [&](const auto& value) { accounts.users = texts_of(value); }},
                  {"groups", [&](const auto& value) { accounts.groups = texts_of(value); }},
                  {"accounts",
                   [&](const auto& value) { accounts.slurm_accounts = slurm_accounts_of(value); }},
              });
    return accounts;
}

Workspace workspace_of(const YAML::Node& node, const std::vector<Workspace>& others) {
    Workspace workspace;
    const auto name = [&](const YAML::Node& value) {
        workspace.name = text_of(value);
        if (const Status why = check_workspace_name(workspace.name); !why.ok()) {
            throw Wrong{value.Mark(), why.message()};
        }
        for (const Workspace& other : others) {
            if (other.name != workspace.name) continue;
            throw Wrong{value.Mark(), "duplicate workspace " + in_quotes(other.name)};
        }
    };
    read_mapping(
        node, {
                  {"name", name},
                  {"admins", [&](const auto& value) { workspace.admins = accounts_of(value); }},
                  {"members", [&](const auto& value) { workspace.members = accounts_of(value); }},
              });
    if (workspace.name.empty()) throw Wrong{node.Mark(), "a workspace needs a name"};
    if (workspace.admins.empty()) {
        throw Wrong{node.Mark(),
                    "workspace " + in_quotes(workspace.name) +
                        " needs admins: the users, groups or accounts that may set its secrets"};
    }
    return workspace;
}

void read_limits(const YAML::Node& node, Limits& limits) {
    constexpr std::size_t kMiB = 1024 * 1024;
    const auto number = [](std::size_t& target, std::size_t least, std::size_t most) {
        return [&target, least, most](const YAML::Node& value) {
            target = number_of(value, least, most);
        };
    };
    limits.bytes_per_owner = 0;
    read_mapping(node, {
                           {"value_bytes", number(limits.value_bytes, 1, kMaxValueBytes)},
                           {"run_bytes", number(limits.run_bytes, 1, 64 * kMiB)},
                           {"runs_per_owner", number(limits.runs_per_owner, 1, 1000000)},
                           {"bytes_per_owner", number(limits.bytes_per_owner, 1, kMiB * kMiB)},
                           {"runs_per_platform", number(limits.runs_per_platform, 1, 10000000)},
                           {"total_bytes", number(limits.total_bytes, kMiB, kMiB * kMiB)},
                           {"kept_secrets", number(limits.stored_secrets, 1, 100000)},
                           {"kept_bytes", number(limits.stored_bytes, 1, 1024 * kMiB)},
                           {"store_bytes", number(limits.store_bytes, 1, kMiB * kMiB)},
                       });
    if (limits.bytes_per_owner == 0) limits.bytes_per_owner = limits.total_bytes / 4;
}

void read_log(const YAML::Node& node, Config& config) {
    const auto level = [&](const YAML::Node& value) {
        config.log_level = text_of(value);
        for (const char* known : {"debug", "info", "warn", "error"}) {
            if (config.log_level == known) return;
        }
        throw Wrong{value.Mark(), "invalid log level " + in_quotes(config.log_level) +
                                      "; expected one of: debug, info, warn, error"};
    };
    const auto target = [&](const YAML::Node& value) {
        const std::string text = text_of(value);
        if (text == "auto")
            config.log_target = LogTarget::automatic;
        else if (text == "journal")
            config.log_target = LogTarget::journal;
        else if (text == "stderr")
            config.log_target = LogTarget::standard_error;
        else
            throw Wrong{value.Mark(), "invalid log target " + in_quotes(text) +
                                          "; expected one of: auto, journal, stderr"};
    };
    read_mapping(node, {{"level", level}, {"to", target}});
}

void read_audit(const YAML::Node& node, Config& config) {
    const auto file = [&](const YAML::Node& value) {
        if (text_of(value).empty()) return;
        config.audit_file = path_of(value);
        if (config.audit_file.ends_with('/')) {
            throw Wrong{value.Mark(),
                        in_quotes(config.audit_file) + " is a directory; name a file in it"};
        }
    };
    read_mapping(node, {{"file", file}});
}

void read_config(const YAML::Node& root, Config& config) {
    const auto memory = [&](const YAML::Node& node) {
        const auto flag = [](bool& target) {
            return [&target](const YAML::Node& value) { target = flag_of(value); };
        };
        read_mapping(node, {{"require_secretmem", flag(config.require_secretmem)},
                            {"force_memfd", flag(config.force_memfd)}});
        if (config.require_secretmem && config.force_memfd) {
            throw Wrong{node.Mark(),
                        "memory.require_secretmem and memory.force_memfd are mutually exclusive"};
        }
    };
    const auto runs = [&](const YAML::Node& node) {
        read_mapping(
            node, {
                      {"default_ttl",
                       [&](const auto& value) { config.default_ttl = duration_of(value); }},
                      {"max_ttl", [&](const auto& value) { config.max_ttl = duration_of(value); }},
                  });
        if (config.default_ttl > config.max_ttl) {
            throw Wrong{node.Mark(), "runs.default_ttl is longer than runs.max_ttl"};
        }
    };
    const auto reaper = [&](const YAML::Node& node) {
        read_mapping(node, {{"interval", [&](const auto& value) {
                                 config.reaper_interval = duration_of(value);
                             }}});
    };
    const auto slurm_accounts = [&](const YAML::Node& node) {
        read_mapping(node, {{"interval", [&](const auto& value) {
                                 config.slurm_accounts_interval = duration_of(value);
                             }}});
    };
    const auto platforms = [&](const YAML::Node& node) {
        if (!node.IsSequence()) throw Wrong{node.Mark(), "expected a list of platforms"};
        for (const YAML::Node& element : node) config.platforms.push_back(platform_of(element));
    };
    const auto workspaces = [&](const YAML::Node& node) {
        if (!node.IsSequence()) throw Wrong{node.Mark(), "expected a list of workspaces"};
        for (const YAML::Node& element : node) {
            config.workspaces.push_back(workspace_of(element, config.workspaces));
        }
    };
    const auto store = [&](const YAML::Node& node) {
        const auto file = [](std::string& target) {
            return [&target](const YAML::Node& value) { target = path_of(value); };
        };
        read_mapping(
            node, {{"file", file(config.store_file)},
                   {"key_file", file(config.store_key_file)},
                   {"openbao", [&](const auto& value) { read_openbao(value, config.openbao); }}});
        const bool has_file = !config.store_file.empty() || !config.store_key_file.empty();
        if (has_file && !config.openbao.urls.empty()) {
            throw Wrong{
                node.Mark(),
                "store.openbao and store.file (with store.key_file) are mutually exclusive"};
        }
    };
    read_mapping(
        root,
        {
            {"node_socket", [&](const auto& value) { config.node_socket = socket_path_of(value); }},
            {"job_socket", [&](const auto& value) { config.job_socket = socket_path_of(value); }},
            {"control_socket",
             [&](const auto& value) { config.control_socket = socket_path_of(value); }},
            {"files_directory",
             [&](const auto& value) { config.files_directory = path_of(value); }},
            {"view_socket", [&](const auto& value) { config.view_socket = socket_path_of(value); }},
            {"memory", memory},
            {"limits", [&](const auto& value) { read_limits(value, config.limits); }},
            {"runs", runs},
            {"reaper", reaper},
            {"slurm_accounts", slurm_accounts},
            {"platforms", platforms},
            {"workspaces", workspaces},
            {"store", store},
            {"listen", [&](const auto& value) { read_listen(value, config.listen); }},
            {"hub", [&](const auto& value) { read_hub(value, config.hub); }},
            {"log", [&](const auto& value) { read_log(value, config); }},
            {"audit", [&](const auto& value) { read_audit(value, config); }},
        });
    for (const Platform& platform : config.platforms) {
        if (config.listen.host.empty() || !config.listen.client_ca.empty()) break;
        if (platform.certificate.empty()) continue;
        throw Wrong{root.Mark(), "platform " + in_quotes(platform.name) +
                                     " sets certificate, but listen.client_ca (its CA) is not set"};
    }
    if (!config.listen.host.empty() && !config.hub.urls.empty()) {
        throw Wrong{root.Mark(),
                    "listen and hub are mutually exclusive: an agent either is a hub or uses hubs"};
    }
    if (!config.openbao.urls.empty() && !config.hub.urls.empty()) {
        throw Wrong{root.Mark(),
                    "hub and store.openbao are mutually exclusive: the hubs of a node use OpenBao, "
                    "not the node"};
    }
}

}  // namespace

std::set<std::string> slurm_accounts_in(const std::vector<Workspace>& workspaces) {
    std::set<std::string> accounts;
    for (const Workspace& workspace : workspaces) {
        for (const Accounts* some : {&workspace.admins, &workspace.members}) {
            accounts.insert(some->slurm_accounts.begin(), some->slurm_accounts.end());
        }
    }
    return accounts;
}

std::string needs_restart(const Config& running, const Config& wanted) {
    std::string keys;
    const auto compare = [&](const char* key, bool same) {
        if (!same) keys += (keys.empty() ? "" : ", ") + std::string(key);
    };
    compare("node_socket", running.node_socket == wanted.node_socket);
    compare("job_socket", running.job_socket == wanted.job_socket);
    compare("control_socket", running.control_socket == wanted.control_socket);
    compare("files_directory", running.files_directory == wanted.files_directory);
    compare("view_socket", running.view_socket == wanted.view_socket);
    compare("reaper.interval", running.reaper_interval == wanted.reaper_interval);
    compare("store", running.store_file == wanted.store_file &&
                         running.store_key_file == wanted.store_key_file &&
                         running.openbao == wanted.openbao);
    compare("memory", running.require_secretmem == wanted.require_secretmem &&
                          running.force_memfd == wanted.force_memfd);
    compare("listen.address",
            running.listen.host == wanted.listen.host && running.listen.port == wanted.listen.port);
    compare("listen.agents", running.listen.agents == wanted.listen.agents);
    compare("hub", running.hub == wanted.hub);
    return keys;
}

StatusOr<Config> load_config(const std::string& path) {
    errno = 0;
    std::ifstream file(path);
    std::string text;
    for (char c = 0; file.get(c);) text += c;
    if (!file.is_open() || file.bad()) {
        return Status::failed("cannot read the configuration " + path + ": " +
                              std::strerror(errno));
    }
    return parse_config(text, path);
}

StatusOr<Config> parse_config(const std::string& text, const std::string& path) {
    const auto at = [&](const YAML::Mark& mark, const std::string& sentence) {
        if (mark.is_null()) return Status::failed(path + ": " + sentence);
        return Status::failed(path + ":" + std::to_string(mark.line + 1) + ":" +
                              std::to_string(mark.column + 1) + ": " + sentence);
    };
    Config config;
    try {
        const YAML::Node root = YAML::Load(text);
        if (!root.IsNull()) read_config(root, config);
    } catch (const Wrong& wrong) {
        return at(wrong.mark, wrong.sentence);
    } catch (const YAML::Exception& error) {
        return at(error.mark, printable_ascii(error.msg));  // the message quotes the file unchanged
    }
    return config;
}

}  // namespace secrets
