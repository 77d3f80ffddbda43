// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/site.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <sstream>
#include <variant>
#include <vector>

#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/unix_socket.h"
#include "ctl/client/answer.h"
#include "ctl/doctor/command_output.h"
#include "ctl/doctor/text_file.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kLongest(5);
constexpr std::chrono::milliseconds kPing(2300);
constexpr const char* kConfiglessFolder = "/run/slurm/conf";

/// Returns the first slurm.conf in the search order of Slurm's commands.
std::string find_slurm_conf() {
    std::vector<std::string> places;
    if (const char* named = std::getenv("SLURM_CONF")) places.emplace_back(named);
    places.insert(places.end(), {"/etc/slurm/slurm.conf", "/usr/local/etc/slurm.conf",
                                 std::string(kConfiglessFolder) + "/slurm.conf"});
    for (const std::string& place : places) {
        if (::access(place.c_str(), F_OK) == 0) return place;
    }
    return {};
}

std::string plugstack_from_scontrol() {
    const auto shown = output_of({"scontrol", "show", "config"}, kLongest);
    if (!shown) return {};
    constexpr std::string_view kKey = "PlugStackConfig";
    const std::size_t key = shown->find(kKey);
    const std::size_t equals = key == shown->npos ? key : shown->find("= ", key);
    if (equals == shown->npos) return {};
    const std::size_t begin = equals + 2;
    return shown->substr(begin, shown->find('\n', begin) - begin);
}

std::string find_plugstack(const std::string& slurm_conf) {
    if (slurm_conf.empty()) {
        const std::string told = plugstack_from_scontrol();
        return told.empty() ? "/etc/slurm/plugstack.conf" : told;
    }
    if (const auto named = slurm_conf_value(slurm_conf, "PlugStackConfig")) return *named;
    return fs::path(slurm_conf).parent_path() / "plugstack.conf";
}

std::optional<PluginLine> line_of(const Plugstack& plugstack) {
    for (const PluginLine& line : plugstack.lines) {
        if (!line.commented_out) return line;
    }
    if (plugstack.lines.empty()) return std::nullopt;
    return plugstack.lines.front();
}

/// Returns the folders in which Slurm looks for a plugin that a line names without its path.
std::vector<std::string> plugin_folders(const std::string& slurm_conf) {
    const auto named =
        slurm_conf.empty() ? std::nullopt : slurm_conf_value(slurm_conf, "PluginDir");
    if (!named) {
        return {"/usr/lib/x86_64-linux-gnu/slurm-wlm", "/usr/lib/aarch64-linux-gnu/slurm-wlm",
                "/usr/lib64/slurm", "/usr/lib/slurm", "/usr/local/lib/slurm"};
    }
    std::vector<std::string> folders;
    std::istringstream in(*named);
    for (std::string folder; std::getline(in, folder, ':');) folders.push_back(folder);
    return folders;
}

/// Returns the file that Slurm loads for a line; empty if the name has no path and no file is
/// found.
std::string find_plugin(const std::string& slurm_conf, const std::string& name) {
    if (name.starts_with('/')) return name;
    for (const std::string& folder : plugin_folders(slurm_conf)) {
        std::string path = fs::path(folder) / name;
        if (::access(path.c_str(), F_OK) == 0) return path;
    }
    return {};
}

/// `slurmd -V` needs no configuration; the commands need one.
std::optional<SlurmVersion> running_slurm() {
    const std::vector<std::vector<std::string>> commands = {{"slurmd", "-V"},
                                                            {"/usr/sbin/slurmd", "-V"},
                                                            {"srun", "--version"},
                                                            {"scontrol", "--version"}};
    for (const auto& command : commands) {
        const auto printed = output_of(command, kLongest);
        if (!printed) continue;
        if (auto version = version_in(*printed)) return version;
    }
    return std::nullopt;
}

std::string first_word(const std::string& text) {
    return text.substr(0, text.find_first_of(" \t\n"));
}

/// Returns the agent's process id: the socket's listener is the agent itself, or systemd, which
/// knows the agent.
pid_t agent_behind(int connection) {
    constexpr std::string_view kName = "slurm-secretsd";
    const auto peer = peer_of(connection);
    if (!peer) return 0;
    const auto name = read_text_file("/proc/" + std::to_string(peer->pid) + "/comm");
    if (name && first_word(*name) == kName) return peer->pid;
    const auto told = output_of(
        {"systemctl", "show", "--value", "--property=MainPID", "slurm-secretsd.service"}, kLongest);
    return told ? static_cast<pid_t>(std::strtol(told->c_str(), nullptr, 10)) : 0;
}

StatusOr<std::string> answer_to_ping(int connection, Deadline deadline) {
    const ipc::Message request =
        plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::PingRequest{}));
    if (const Status failure = send_packet(connection, request, deadline); !failure.ok())
        return failure;
    std::vector<std::byte> buffer(kMaxMessageBytes);
    const auto packet = receive_packet(connection, buffer, deadline);
    if (!packet) return packet.status();
    const auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
    if (!reply) return reply.status();
    if (const auto* done = std::get_if<plugin_protocol::Done>(&*reply)) return done->note;
    if (const auto* refused = std::get_if<plugin_protocol::Refused>(&*reply))
        return Status::failed(refused->sentence);
    return Status::failed("its reply does not match the request");
}

void ping_job_socket(Site& site) {
    const Deadline deadline = Deadline::in(kPing);
    const auto connection = connect_seqpacket(site.job_socket, deadline);
    if (!connection) {
        site.why_no_ping = connection.status().message();
        return;
    }
    site.agent_pid = agent_behind(connection->get());
    auto answer = answer_to_ping(connection->get(), deadline);
    if (answer) {
        site.ping = first_word(*answer);
    } else {
        site.why_no_ping = answer.status().message();
    }
}

/// Returns the status after the agent has asked its hubs. An agent whose munged or OpenBao hangs
/// may take longer than a person waits; the status is then what it knows.
Answer ask_for_status(const Client& client, std::string& why_not_checked) {
    const auto begin = std::chrono::steady_clock::now();
    try {
        Answer answer = client.send({Method::get, "/v1/status?check=hubs", {}});
        if (answer.status != 400) return answer;
        why_not_checked = "this version of the agent cannot check it";
    } catch (const CommandError&) {
        if (std::chrono::steady_clock::now() - begin < kLongest) throw;
        why_not_checked = "the agent has not found out within 5 s; try again";
    }
    return client.send({Method::get, "/v1/status", {}});
}

void query_control_socket(Site& site, const Client& client) {
    try {
        site.status = read_object(
            ask_for_status(Client(client.socket_path(), kLongest), site.why_not_checked));
    } catch (const CommandError& error) {
        site.why_no_status = error.what();
    }
}

}  // namespace

Site look_around(const Session& agent) {
    Site site;
    site.is_root = ::geteuid() == 0;
    site.slurm_conf = find_slurm_conf();
    site.is_configless = site.slurm_conf.starts_with(kConfiglessFolder);
    site.plugstack_path = find_plugstack(site.slurm_conf);
    site.plugstack = read_plugstack(site.plugstack_path);
    if (site.plugstack) site.line = line_of(*site.plugstack);
    if (site.line) site.plugin_path = find_plugin(site.slurm_conf, site.line->plugin);

    site.control_socket = agent.client().socket_path();
    const fs::path folder = fs::path(site.control_socket).parent_path();
    const auto socket_of = [&](const char* argument, const char* file) {
        const auto named = site.line ? site.line->argument(argument) : std::nullopt;
        return named ? *named : (folder / file).string();
    };
    site.node_socket = socket_of("node_socket", "node.sock");
    site.job_socket = socket_of("job_socket", "job.sock");
    // An agent that hangs is waited for once.
    auto ping = std::async(std::launch::async, [&site] { ping_job_socket(site); });
    auto query =
        std::async(std::launch::async, [&] { query_control_socket(site, agent.client()); });
    site.slurm = running_slurm();
    site.unit = read_service_unit();
    ping.get();
    query.get();
    return site;
}

}  // namespace secrets::ctl::doctor
