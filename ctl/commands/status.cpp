// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/status.h"

#include <algorithm>
#include <iostream>

#include "common/base/text_as.h"
#include "ctl/client/answer.h"
#include "ctl/commands/cluster_cells.h"
#include "ctl/io/table.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

std::string bytes_words(std::int64_t bytes) {
    constexpr std::int64_t kKiB = 1024;
    if (bytes < 10 * kKiB) return std::to_string(bytes) + " bytes";
    if (bytes < 10 * kKiB * kKiB) return std::to_string(bytes / kKiB) + " KiB";
    return std::to_string(bytes / kKiB / kKiB) + " MiB";
}

Cell memory(const std::string& kind) {
    if (kind == "memfd")
        return {"memfd (locked; this kernel provides no memfd_secret)", Tone::warning};
    return kind;
}

/// Returns `before` and the number with its noun; empty if the object has no such number.
std::string how_many(const json::object& object, std::string_view name, const char* before,
                     const char* noun) {
    const json::value* number = find_member(object, name);
    if (number == nullptr || !number->is_int64()) return {};
    return before + counted(static_cast<std::size_t>(number->get_int64()), noun);
}

std::string list_words(const json::array& texts) {
    std::string words;
    for (const json::value& text : texts) {
        if (!text.is_string()) continue;
        words += (words.empty() ? "" : ", ") + printable(text.get_string());
    }
    return words;
}

Cell store(const json::object& object, bool is_at_hub) {
    if (text_of(object, "state") != "open") {
        if (object.contains("trouble")) {
            return {"closed: " + printable(text_of(object, "trouble")), Tone::bad};
        }
        if (is_at_hub) return "none: users' secrets are stored on the hub";
        return {"none: users cannot store secrets on this node", Tone::warning};
    }
    std::string words = "open";
    words +=
        how_many(object, "secrets", ", ", "secret") + how_many(object, "owners", " of ", "owner");
    if (object.contains("file")) words += ", " + text_of(object, "file");
    return words;
}

Cell slurm_accounts(const json::object& object) {
    std::string words = text_of(object, "named");
    const bool all = text_of(object, "known") == words;
    if (!all) words += ", of which " + text_of(object, "known") + " known";
    const json::value* missing = object.if_contains("missing");
    const bool is_missing = missing != nullptr && missing->is_array();
    if (is_missing) words += "; slurmctld does not know " + list_words(missing->get_array());
    const bool in_trouble = object.contains("trouble");
    if (in_trouble) words += "; " + printable(text_of(object, "trouble"));
    if (all && !is_missing && !in_trouble) return words;
    return {words, Tone::warning};
}

Cell name_service(const json::object& object) {
    if (object.contains("trouble")) {
        return {printable(text_of(object, "trouble")), Tone::warning};
    }
    if (text_of(object, "missing") != "0") {
        return {"answers; no longer finds " + text_of(object, "missing") +
                    " users or memberships, which counts after 10 minutes",
                Tone::warning};
    }
    return "answers";
}

Cell audit_file(const json::object& object) {
    std::string words = text_of(object, "file") + ", " + text_of(object, "state");
    const json::value* free = object.if_contains("free_bytes");
    if (free != nullptr && free->is_int64())
        words += ", " + bytes_words(free->get_int64()) + " free";
    if (text_of(object, "missing") != "0")
        words += how_many(object, "missing", ", lacks ", "event");
    if (object.contains("trouble")) words += "; " + printable(text_of(object, "trouble"));
    return {words, text_of(object, "state") == "writable" ? Tone::plain : Tone::bad};
}

/// Returns the member `name` in words for users, also for an unknown name.
Cell cell_of(const json::object& status, std::string_view name) {
    const json::value& value = *find_member(status, name);
    if (auto cell = cluster_cell(name, value)) return *std::move(cell);
    const bool is_number = value.is_int64();
    if (name == "uptime_seconds" && is_number) return duration_words(value.get_int64());
    if (name.ends_with("_bytes") && is_number) return bytes_words(value.get_int64());
    if (name == "memory") return memory(text_of(status, name));
    if (name == "store" && value.is_object()) {
        return store(value.get_object(), status.contains("hubs"));
    }
    if (name == "hubs" && value.is_array()) return list_words(value.get_array());
    if (name == "slurm_accounts" && value.is_object()) return slurm_accounts(value.get_object());
    if (name == "name_service" && value.is_object()) return name_service(value.get_object());
    if (name == "audit" && value.is_object()) return audit_file(value.get_object());
    if (name == "log_entries_dropped" && text_of(status, name) != "0") {
        return {text_of(status, name), Tone::warning};
    }
    return text_of(status, name);
}

/// Returns whether a member is not shown at its place in the answer.
bool has_own_rows(std::string_view name) {
    return name == "last_errors" || name == "tasks" || name == "hub_contacts" || name == "role" ||
           name == "node" || name == "listener";
}

std::string heading_of(std::string_view name) {
    if (name == "uptime_seconds") return "uptime";
    if (name == "hubs") return "node of";
    if (name == "audit") return "audit file";
    if (name == "listener") return "listens at";
    if (name == "certificate_expires") return "certificate until";
    std::string words = printable(name);
    std::replace(words.begin(), words.end(), '_', ' ');
    if (words.ends_with(" bytes")) words = "bytes in " + words.substr(0, words.size() - 6) + "s";
    return words;
}

/// Adds a line for each background task that failed.
void add_failed_tasks(Table& table, const json::array& tasks) {
    for (const json::value& element : tasks) {
        const json::object* task = element.if_object();
        if (task == nullptr || text_of(*task, "restarts") == "0") continue;
        std::string words = how_many(*task, "restarts", "restarted ", "time");
        if (task->contains("last_error")) words += ": " + printable(text_of(*task, "last_error"));
        table.add({"task " + printable(text_of(*task, "name")), {words, Tone::warning}});
    }
}

void print_last_errors(const json::array& errors, Paint paint) {
    if (errors.empty()) {
        std::cout << "\nno recent errors\n";
        return;
    }
    Table table({{"LAST ERRORS"}, {""}});
    for (const json::value& element : errors) {
        if (!element.is_string()) continue;
        const std::string line = printable(element.get_string());  // time and sentence
        const std::size_t time_end = std::min(line.find(' '), line.size());
        table.add({local_time(without_fraction(line.substr(0, time_end))),
                   {line.substr(std::min(time_end + 1, line.size())), Tone::bad}});
    }
    table.print(std::cout << '\n', paint);
}

}  // namespace

ExitCode show_status(const Session& agent) {
    const Answer answer = agent.ask({Method::get, "/v1/status", {}});
    if (agent.json()) return ExitCode::fine;
    const json::object status = read_object(answer);
    Table table({{"AGENT AT"}, {agent.client().socket_path()}});
    for (const char* name : {"role", "node", "listener"}) {
        if (status.contains(name)) table.add({heading_of(name), cell_of(status, name)});
    }
    add_hub_rows(table, status);
    for (const auto& member : status) {
        const auto name = text_as<std::string_view>(member.key());
        if (has_own_rows(name)) continue;
        table.add({heading_of(name), cell_of(status, name)});
    }
    if (const auto* tasks = status.if_contains("tasks"); tasks && tasks->is_array()) {
        add_failed_tasks(table, tasks->get_array());
    }
    table.print(std::cout, agent.paint());
    if (const auto* errors = status.if_contains("last_errors"); errors && errors->is_array()) {
        print_last_errors(errors->get_array(), agent.paint());
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl
