// SPDX-License-Identifier: Apache-2.0
// Checks of the agent's configuration file, and of the users and groups that it names.

#include <set>
#include <sstream>

#include "common/base/text_as.h"
#include "ctl/client/answer.h"
#include "ctl/doctor/checks.h"
#include "ctl/doctor/command_output.h"

namespace secrets::ctl::doctor {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kLongest(3);

const json::object* config_of(const Site& site) {
    const json::value* const value = site.status ? site.status->if_contains("config") : nullptr;
    return value != nullptr ? value->if_object() : nullptr;
}

std::vector<std::string> texts_in(const json::object& object, std::string_view name) {
    std::vector<std::string> texts;
    const json::value* const list = find_member(object, name);
    if (list == nullptr || !list->is_array()) return texts;
    for (const json::value& text : list->get_array()) {
        if (text.is_string()) texts.push_back(text_as<std::string>(text.get_string()));
    }
    return texts;
}

/// Returns what `getent DATABASE` prints for the names, and whether all were found; nothing if the
/// name service does not answer in time.
struct Entries {
    std::string lines;
    bool has_all = false;
};
std::optional<Entries> entries_of(const char* database, const std::vector<std::string>& names) {
    constexpr int kSomeNotFound = 2;
    std::vector<std::string> command{"getent", database};
    command.insert(command.end(), names.begin(), names.end());
    const auto done = run_command(command, kLongest);
    if (!done || (done->code != 0 && done->code != kSomeNotFound)) return std::nullopt;
    return Entries{done->output, done->code == 0};
}

/// Returns those of the names that the database does not have, by name or by number; nothing if the
/// name service does not answer in time.
std::optional<std::string> missing_in(const char* database, const std::vector<std::string>& names) {
    if (names.empty()) return "";
    const auto entries = entries_of(database, names);
    if (!entries) return std::nullopt;
    if (entries->has_all) return "";
    std::set<std::string> found;
    std::istringstream lines(entries->lines);
    for (std::string line; std::getline(lines, line);) {  // NAME:x:NUMBER:…
        std::istringstream fields(line);
        std::string name;
        std::string password;
        std::string number;
        std::getline(fields, name, ':');
        std::getline(fields, password, ':');
        std::getline(fields, number, ':');
        found.insert({name, number});
    }
    std::string missing;
    for (const std::string& name : names) {
        if (found.contains(name)) continue;
        // The name service may spell the name in another way, as alice@example.org.
        const auto entry = entries_of(database, {name});
        if (!entry) return std::nullopt;
        if (!entry->has_all) missing += (missing.empty() ? "" : ", ") + name;
    }
    return missing;
}

}  // namespace

Finding check_config(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const json::object* const config = config_of(site);
    if (config == nullptr) return skipped("this agent does not report it");
    const std::string file = text_of(*config, "file");
    const std::string state = text_of(*config, "state");
    if (state == "broken") {
        return fail("a reload refuses " + file + ", and the agent would not start with it" +
                        (config->contains("trouble") ? ": " + text_of(*config, "trouble")
                                                     : "; root is told why"),
                    "correct it, then: systemctl reload slurm-secretsd");
    }
    if (state == "changed") {
        return warn(file + " has changed since the agent read it",
                    "run: systemctl reload slurm-secretsd");
    }
    if (state == "restart") {
        return warn("some keys of " + file +
                        " take effect only at the next restart: " + text_of(*config, "trouble"),
                    "run: systemctl restart slurm-secretsd; what is held stays");
    }
    return ok(file + ", as it is on disk");
}

Finding check_named_accounts(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const json::object* const config = config_of(site);
    if (config == nullptr) return skipped("this agent does not report them");
    if (!site.is_root) return skipped("needs root");
    const auto users = missing_in("passwd", texts_in(*config, "users"));
    const auto groups = missing_in("group", texts_in(*config, "groups"));
    if (!users || !groups) {
        return fail("getent does not answer for those of " + text_of(*config, "file"),
                    "see: systemctl status sssd nslcd nscd");
    }
    std::string missing = users->empty() ? "" : "no user " + *users;
    if (!groups->empty()) missing += (missing.empty() ? "no group " : "; no group ") + *groups;
    if (missing.empty()) return ok("this host knows all that the configuration names");
    return fail("this host has " + missing + ", which " + text_of(*config, "file") + " names",
                "correct the name, or create it; compare with 'getent passwd' and 'getent group'");
}

}  // namespace secrets::ctl::doctor
