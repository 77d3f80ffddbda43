// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "common/base/text_as.h"
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
    if (::stat(path.c_str(), &status) != 0) return fail(path + " does not exist");
    if (!S_ISSOCK(status.st_mode)) {
        return fail(path + " is not a socket", "remove it, and start the sockets again");
    }
    const mode_t mode = status.st_mode & 07777U;
    if (mode != wanted) {
        return fail(path + " has mode " + octal(mode) + ", not " + octal(wanted));
    }
    if (status.st_uid != 0 && wanted == kRootAlone) {
        return fail(path + " belongs to uid " + std::to_string(status.st_uid) +
                    ", who could impersonate the agent");
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
    std::string why = site.ping.empty() ? "job socket: " + site.why_no_ping : "";
    if (!site.status) why += (why.empty() ? "" : "; ") + ("control socket: " + site.why_no_status);
    if (!why.empty()) return fail(why);
    return ok("on the job socket and the control socket");
}

Finding check_same_version(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const std::string agent = text_of(*site.status, "version");
    if (agent != SLURM_SECRETS_VERSION) {
        return warn("the agent has version " + agent +
                    ", but secretctl has " SLURM_SECRETS_VERSION);
    }
    return ok(agent + ", the same as secretctl");
}

Finding check_memory(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const std::string kind = text_of(*site.status, "memory");
    if (kind == "memfd_secret")
        return ok("memfd_secret: not even root can read it by ordinary means");
    const bool has_parameter =
        read_text_file("/proc/cmdline").value_or("").find("secretmem.enable=0") !=
        std::string::npos;
    return warn(
        kind + ": this kernel provides no memfd_secret, so root can read the secrets",
        has_parameter
            ? "remove secretmem.enable=0 from the kernel command line"
            : "use Linux 5.14 or later with secretmem.enable=1 if that matters on this site");
}

Finding check_memlock(const Site& site) {
    if (site.agent_pid == 0) return skipped("the agent's process id is unknown");
    const std::string process = "/proc/" + std::to_string(site.agent_pid);
    const auto limits = read_text_file(process + "/limits");
    const auto status = read_text_file(process + "/status");
    if (!limits || !status) {
        return skipped(site.is_root ? "cannot read " + process : "needs root");
    }
    if (may_lock_any_memory(*status)) return ok("the agent may lock as much memory as it needs");
    std::istringstream words(line_of(*limits, "Max locked memory"));
    std::string soft;
    words >> soft;
    if (soft == "unlimited") return ok("unlimited");
    return warn("the agent may lock " + soft + " bytes only, and has no CAP_IPC_LOCK");
}

Finding check_accounts(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const auto* value = site.status->if_contains("slurm_accounts");
    if (value == nullptr || !value->is_object())
        return skipped("no workspace uses a Slurm account");
    const auto& accounts = value->get_object();
    const std::string trouble =
        accounts.contains("trouble") ? text_of(accounts, "trouble") : std::string();
    if (text_of(accounts, "known") != text_of(accounts, "named")) {
        return fail("their members are unknown" + (trouble.empty() ? " so far" : ": " + trouble));
    }
    if (!trouble.empty()) return warn("their last known members are used: " + trouble);
    const auto* missing = accounts.if_contains("missing");
    if (missing != nullptr && missing->is_array() && !missing->get_array().empty()) {
        std::string names;
        for (const auto& name : missing->get_array()) {
            if (name.is_string())
                names += (names.empty() ? "" : ", ") + text_as<std::string>(name.get_string());
        }
        return warn("slurmctld does not know " + names,
                    "compare with 'sacctmgr show account', or remove it from the configuration");
    }
    return ok("their members are known from slurmctld");
}

Finding check_name_service(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const auto* value = site.status->if_contains("name_service");
    if (value == nullptr || !value->is_object()) return skipped("this agent does not report it");
    const auto& lookups = value->get_object();
    const char* const remedy =
        "compare with 'getent passwd'; the agent reaches only services on this host, as sssd, "
        "nslcd and nscd are (docs/admin.md)";
    if (lookups.contains("trouble")) return fail(text_of(lookups, "trouble"), remedy);
    if (text_of(lookups, "missing") != "0") {
        return warn("it no longer finds " + text_of(lookups, "missing") +
                        " users or memberships that it found before",
                    remedy);
    }
    return ok("it answers the agent");
}

Finding check_audit_file(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const auto* value = site.status->if_contains("audit");
    if (value == nullptr || !value->is_object()) return skipped("none is configured (audit.file)");
    const auto& trail = value->get_object();
    const std::string state = text_of(trail, "state");
    if (state == "writable") return ok(text_of(trail, "file") + " can be written");
    const std::string remedy =
        "free space on the file system of " + text_of(trail, "file") + " (docs/audit.md)";
    if (state == "low") return warn(text_of(trail, "trouble"), remedy);
    return fail(text_of(trail, "trouble"), remedy);
}

}  // namespace secrets::ctl::doctor
