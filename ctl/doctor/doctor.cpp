// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/doctor.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <vector>

#include "ctl/client/answer.h"
#include "ctl/doctor/checks.h"
#include "ctl/io/table.h"

namespace secrets::ctl::doctor {
namespace {

namespace json = boost::json;

struct Check {
    const char* name;
    bool of_the_agent;  ///< and therefore only for nodes
    Finding (*look)(const Site&);
    const char* what_to_do;
};

constexpr const char* kStartSockets =
    "run: systemctl enable --now slurm-secretsd; and see: systemctl status 'slurm-secretsd*'";

// clang-format off
constexpr auto kChecks = std::to_array<Check>({
    {"plugstack.conf",    false, check_plugstack,
     "create that file next to slurm.conf, readable by everyone, or set PlugStackConfig in slurm.conf"},
    {"plugin's line",     false, check_line,
     "add the line of /etc/slurm-secrets/plugstack.conf.example to that file"},
    {"plugin's arguments", false, check_plugin_arguments, "correct that line; docs/admin.md lists the arguments"},
    {"plugin",            false, check_plugin, "install it again"},
    {"plugin's Slurm",    false, check_slurm_version, "build it with the headers of that Slurm version"},
    {"agent's unit",      true,  check_unit, "see: journalctl -u slurm-secretsd"},
    {"unit's drop-ins",   true,  check_drop_ins, ""},
    {"node socket",       true,  check_node_socket, kStartSockets},
    {"job socket",        true,  check_job_socket, kStartSockets},
    {"control socket",    true,  check_control_socket, kStartSockets},
    {"agent answers",     true,  check_answers,
     "see: systemctl status slurm-secretsd; journalctl -u slurm-secretsd"},
    {"agent's version",   true,  check_same_version,
     "install the same version of both, then: systemctl restart slurm-secretsd"},
    {"agent's memory",    true,  check_memory, ""},
    {"memory lock limit", true,  check_memlock,
     "start the agent by its unit, which gives it CAP_IPC_LOCK and LimitMEMLOCK=infinity"},
    {"store and its key", true,  check_store,
     "to store secrets on this node, set store: in /etc/slurm-secrets/agentd.yaml"},
    {"audit file",        true,  check_audit_file, ""},
    {"Slurm accounts",    true,  check_accounts,
     "see: journalctl -u slurm-secretsd; systemctl status slurm-secrets-view"},
    {"name service",      true,  check_name_service, ""},
    {"configuration",     true,  check_config, ""},
    {"users and groups",  true,  check_named_accounts, ""},
    {"hub",               true,  check_hub, ""},
    {"hub's clock",       true,  check_hub_clock, ""},
    {"certificates",      true,  check_certificates, ""},
    {"munge",             true,  check_munge, ""},
    {"OpenBao",           true,  check_openbao, ""},
    {"swap",              true,  check_swap, "turn it off (swapoff -a), or use a kernel with memfd_secret"},
    {"clock",             false, check_clock, "run a time service, such as chrony"},
});
// clang-format on

struct Result {
    const char* name;
    Finding finding;
};

std::vector<Result> look_at_all(const Site& site, bool submit_host) {
    std::vector<Result> results;
    for (const Check& check : kChecks) {
        if (submit_host && check.of_the_agent) continue;
        Finding finding = check.look(site);
        const bool well = finding.state == State::ok || finding.state == State::skipped;
        if (!well && finding.what_to_do.empty()) finding.what_to_do = check.what_to_do;
        results.push_back({check.name, std::move(finding)});
    }
    return results;
}

const char* word_of(State state) {
    switch (state) {
        case State::ok:
            return "ok";
        case State::warn:
            return "warn";
        case State::fail:
            return "FAIL";
        case State::skipped:
            return "skipped";
    }
    return "";
}

Tone tone_of(State state) {
    switch (state) {
        case State::ok:
            return Tone::good;
        case State::warn:
            return Tone::warning;
        case State::fail:
            return Tone::bad;
        case State::skipped:
            return Tone::plain;
    }
    return Tone::plain;
}

void print_table(const std::vector<Result>& results, Paint paint) {
    Table table({{"CHECK"}, {"STATUS"}, {"DETAIL"}});
    for (const auto& [name, finding] : results) {
        table.add(
            {name, {word_of(finding.state), tone_of(finding.state)}, printable(finding.sentence)});
        if (!finding.what_to_do.empty()) table.add({"", "", "-> " + finding.what_to_do});
    }
    table.print(std::cout, paint);
}

void print_json(const std::vector<Result>& results, bool sound) {
    json::array checks;
    for (const auto& [name, finding] : results) {
        json::object check{
            {"name", name},
            {"state", finding.state == State::fail ? "fail" : word_of(finding.state)},
            {"sentence", printable(finding.sentence)}};
        if (!finding.what_to_do.empty()) check["what_to_do"] = finding.what_to_do;
        checks.push_back(std::move(check));
    }
    std::cout << json::serialize(json::object{{"ok", sound}, {"checks", std::move(checks)}})
              << '\n';
}

}  // namespace

ExitCode examine(const Session& agent, bool submit_host) {
    const std::vector<Result> results = look_at_all(look_around(agent), submit_host);
    std::size_t failed = 0;
    for (const Result& result : results) failed += result.finding.state == State::fail ? 1 : 0;
    if (agent.json()) {
        print_json(results, failed == 0);
    } else {
        print_table(results, agent.paint());
        std::cout << '\n'
                  << (failed == 0 ? "no check failed" : counted(failed, "check") + " failed")
                  << '\n';
    }
    return failed == 0 ? ExitCode::fine : ExitCode::refused;
}

}  // namespace secrets::ctl::doctor
