// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "ctl/client/answer.h"
#include "ctl/doctor/checks.h"
#include "ctl/doctor/text_file.h"

namespace secrets::ctl::doctor {
namespace {

constexpr mode_t kEverybody = 0666;
constexpr mode_t kRootAlone = 0600;

std::string octal(mode_t mode) {
    std::ostringstream text;
    text << '0' << std::oct << mode;
    return text.str();
}

Finding check_socket(const std::string& path, mode_t wanted) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return fail(path + " is not there");
    if (!S_ISSOCK(status.st_mode)) {
        return fail(path + " is no socket", "remove it, and start the sockets again");
    }
    const mode_t mode = status.st_mode & 07777U;
    if (mode != wanted) {
        return fail(path + " has mode " + octal(mode) + ", not " + octal(wanted));
    }
    if (status.st_uid != 0 && wanted == kRootAlone) {
        return fail(path + " belongs to uid " + std::to_string(status.st_uid) +
                    ", who could then be asked in the agent's place");
    }
    return ok(path + ", mode " + octal(mode));
}

/// Returns the rest of the line that begins with `key`.
std::string line_of(const std::string& text, const std::string& key) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(key)) return line.substr(key.size());
    }
    return {};
}

bool may_lock_any_memory(const std::string& status) {
    constexpr unsigned kIpcLock = 14;
    const std::string capabilities = line_of(status, "CapEff:");
    return (std::strtoull(capabilities.c_str(), nullptr, 16) >> kIpcLock & 1U) != 0;
}

}  // namespace

Finding check_node_socket(const Site& site) {
    return check_socket(site.node_socket, kRootAlone);
}

Finding check_job_socket(const Site& site) {
    return check_socket(site.job_socket, kEverybody);
}

Finding check_control_socket(const Site& site) {
    return check_socket(site.control_socket, kEverybody);
}

Finding check_answers(const Site& site) {
    if (site.ping.empty()) return fail("the job door: " + site.why_no_ping);
    if (!site.status) return fail("the control door: " + site.why_no_status);
    return ok("on the job door and on the control door");
}

Finding check_same_version(const Site& site) {
    if (!site.status) return skipped("the agent does not answer");
    const std::string agent = text_of(*site.status, "version");
    if (agent != SLURM_SECRETS_VERSION) {
        return warn("the agent is " + agent + ", and secretctl is " SLURM_SECRETS_VERSION);
    }
    return ok(agent + ", as secretctl");
}

Finding check_memory(const Site& site) {
    if (!site.status) return skipped("the agent does not answer");
    const std::string kind = text_of(*site.status, "memory");
    if (kind == "memfd_secret")
        return ok("memfd_secret: not even root can read it by the usual ways");
    const bool has_parameter =
        read_text_file("/proc/cmdline").value_or("").find("secretmem.enable=0") !=
        std::string::npos;
    return warn(
        kind + ": this kernel gives the agent no memfd_secret, so root can read what it holds",
        has_parameter ? "take secretmem.enable=0 off the kernel's command line"
                      : "use Linux 5.14 or later with secretmem.enable=1, where that matters here");
}

Finding check_memlock(const Site& site) {
    if (site.agent_pid == 0) return skipped("the agent's process is not known");
    const std::string process = "/proc/" + std::to_string(site.agent_pid);
    const auto limits = read_text_file(process + "/limits");
    const auto status = read_text_file(process + "/status");
    if (!limits || !status) {
        return skipped(site.is_root ? process + " can't be read" : "needs root");
    }
    if (may_lock_any_memory(*status)) return ok("the agent may lock as much as it needs");
    std::istringstream words(line_of(*limits, "Max locked memory"));
    std::string soft;
    words >> soft;
    if (soft == "unlimited") return ok("unlimited");
    return warn("the agent may lock " + soft + " bytes, and has no CAP_IPC_LOCK");
}

Finding check_store(const Site& site) {
    if (!site.status) return skipped("the agent does not answer");
    const auto* store = site.status->if_contains("store");
    if (store == nullptr || !store->is_object()) return skipped("this agent says nothing of it");
    const auto& object = store->get_object();
    if (text_of(object, "state") == "open") {
        return ok("open, and its key is there: " + text_of(object, "secrets") + " secrets");
    }
    if (site.status->contains("hubs")) return ok("none here: the hub keeps people's secrets");
    return warn("there is none, so that people can't keep secrets of their own");
}

Finding check_accounts(const Site& site) {
    if (!site.status) return skipped("the agent does not answer");
    const auto* value = site.status->if_contains("slurm_accounts");
    if (value == nullptr || !value->is_object()) return skipped("no workspace names one");
    const auto& accounts = value->get_object();
    const std::string trouble =
        accounts.contains("trouble") ? text_of(accounts, "trouble") : std::string();
    if (text_of(accounts, "known") != text_of(accounts, "named")) {
        return fail("who is in them is not known" + (trouble.empty() ? " yet" : ": " + trouble));
    }
    if (!trouble.empty()) return warn("who is in them stays as it was: " + trouble);
    const auto* missing = accounts.if_contains("missing");
    if (missing != nullptr && missing->is_array() && !missing->get_array().empty()) {
        std::string names;
        for (const auto& name : missing->get_array()) {
            if (name.is_string())
                names += (names.empty() ? "" : ", ") + std::string(name.get_string());
        }
        return warn("slurmctld does not know " + names,
                    "compare with 'sacctmgr show account', or take it out of the configuration");
    }
    return ok("slurmctld says who is in them");
}

}  // namespace secrets::ctl::doctor
