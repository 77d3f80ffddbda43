// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/secret_commands.h"

#include <time.h>

#include <boost/json/serialize.hpp>
#include <iostream>

#include "common/base/text_encoding.h"
#include "ctl/client/answer.h"
#include "ctl/client/secret_paths.h"
#include "ctl/io/table.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

/// An expiry within this many seconds is marked.
constexpr std::int64_t kSoonSeconds = 7 * 24 * 60 * 60;

std::string path_of(const std::optional<std::string>& workspace, const std::string& name) {
    return path_of_secrets(workspace) + "/" + percent_encoded(name);
}

Cell when_set(const json::object& secret) {
    const std::string date = local_time(text_of(secret, "set"));
    if (!is_true(secret, "damaged")) return date;
    return {date + " (damaged: set it again)", Tone::bad};
}

Cell last_used(const json::object& secret) {
    const json::value* used = secret.if_contains("used");
    if (used == nullptr || !used->is_object()) return "never";
    const json::object& by = used->get_object();
    return local_time(text_of(by, "at")) + " by job " + text_of(by, "job");
}

Cell expiry(const json::object& secret) {
    if (!secret.contains("expires")) return "never";
    const std::string when = text_of(secret, "expires");
    const auto seconds = seconds_of(when);
    const std::string date = local_time(when);
    if (!seconds) return date;
    const std::int64_t left = *seconds - ::time(nullptr);
    if (left > kSoonSeconds) return date;
    if (left <= 0) return {date + " (expired)", Tone::bad};
    return {date + " (in " + duration_words(left) + ")", Tone::warning};
}

/// Returns whether the agent shows no more of a secret than its name, as to a workspace's members.
bool is_name_only(const json::object& secret) {
    return !secret.contains("set");
}

Table table_of_names(const json::array& secrets) {
    Table table({{"NAME"}});
    for (const json::value& element : secrets) table.add({text_of(as_object(element), "name")});
    return table;
}

Table table_of(const json::array& secrets) {
    Table table({{"NAME"}, {"BYTES", Align::right}, {"SET"}, {"LAST USED"}, {"EXPIRES"}});
    for (const json::value& element : secrets) {
        const json::object& secret = as_object(element);
        table.add({text_of(secret, "name"), text_of(secret, "bytes"), when_set(secret),
                   last_used(secret), expiry(secret)});
    }
    return table;
}

}  // namespace

ExitCode SecretCommands::set(const SetOptions& options) const {
    require_secret_name(options.name);
    const std::string path = path_of(workspace_, options.name);
    const SecretText body = [&] {
        const SecretText value = read_value(options.source, options.name);
        return body_of_secret(value.view(), options.expires);
    }();
    const Answer answer = agent_.ask({Method::put, path, body.view()});
    if (agent_.json()) return ExitCode::fine;
    const json::object secret = read_object(answer);
    std::cout << text_of(secret, "name") << (answer.status == 201 ? " is set" : " is replaced")
              << (workspace_ ? " in workspace " + *workspace_ : "") << ": "
              << text_of(secret, "bytes") << " bytes";
    if (secret.contains("expires")) {
        std::cout << ", expires " << local_time(text_of(secret, "expires"));
    }
    std::cout << '\n';
    return ExitCode::fine;
}

ExitCode SecretCommands::list() const {
    const Answer answer = agent_.ask({Method::get, path_of_secrets(workspace_), {}});
    if (agent_.json()) return ExitCode::fine;
    const json::object object = read_object(answer);
    const json::array& secrets = array_of(object, "secrets");
    if (!secrets.empty()) {
        (is_name_only(as_object(secrets.front())) ? table_of_names(secrets) : table_of(secrets))
            .print(std::cout, agent_.paint());
    } else if (workspace_) {
        std::cout << "workspace " << *workspace_
                  << " has no secrets; set one with: secretctl set NAME --workspace " << *workspace_
                  << '\n';
    } else {
        std::cout << text_of(object, "owner")
                  << " has no secrets; set one with: secretctl set NAME\n";
    }
    return ExitCode::fine;
}

ExitCode SecretCommands::remove(const std::vector<std::string>& names) const {
    for (const std::string& name : names) require_stored_name(name);
    json::array removed;
    ExitCode code = ExitCode::fine;
    for (const std::string& name : names) {
        try {
            agent_.ask_quietly({Method::remove, path_of(workspace_, name), {}});
        } catch (const CommandError& error) {
            if (error.code() != ExitCode::refused || names.size() == 1) throw;
            std::cerr << "secretctl: " << error.what() << '\n';
            code = error.code();
            continue;
        }
        removed.emplace_back(name);
        if (!agent_.json()) std::cout << name << " is removed\n";
    }
    if (agent_.json()) {
        std::cout << json::serialize(json::object{{"removed", std::move(removed)}}) << '\n';
    }
    return code;
}

ExitCode SecretCommands::rename(const std::string& from, const std::string& to) const {
    require_stored_name(from);
    require_secret_name(to);
    const std::string text = json::serialize(json::object{{"name", to}});
    const SecretView body(std::as_bytes(std::span(text)));
    const Answer answer = agent_.ask({Method::patch, path_of(workspace_, from), body});
    if (agent_.json()) return ExitCode::fine;
    std::cout << from << " is now " << text_of(read_object(answer), "name")
              << "; jobs that request " << from << " no longer find it\n";
    return ExitCode::fine;
}

ExitCode SecretCommands::workspaces() const {
    const Answer answer = agent_.ask({Method::get, "/v1/workspaces", {}});
    if (agent_.json()) return ExitCode::fine;
    const json::object object = read_object(answer);
    Table table({{"WORKSPACE"}, {"ROLE"}, {"SECRETS", Align::right}});
    for (const json::value& element : array_of(object, "workspaces")) {
        const json::object& workspace = as_object(element);
        table.add({text_of(workspace, "workspace"), text_of(workspace, "role"),
                   text_of(workspace, "secrets")});
    }
    if (table.empty()) {
        std::cout << "you are in no workspace; the cluster's admins configure them\n";
    } else {
        table.print(std::cout, agent_.paint());
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl
