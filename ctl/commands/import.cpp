// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/import.h"

#include <boost/json/serialize.hpp>
#include <iostream>

#include "common/base/text_encoding.h"
#include "ctl/client/secret_paths.h"
#include "ctl/import/import_text.h"
#include "ctl/import/leak_scan.h"
#include "ctl/io/table.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

ImportedSecrets read_secrets(const ImportOptions& options) {
    const SecretText text = read_secret_text(options.from);
    return read_import(text.characters(), source_name(options.from), options.only);
}

std::string set_so_far(const std::vector<std::string>& names, std::size_t of) {
    if (names.empty()) return "none is set";
    std::string sentence = std::to_string(names.size()) + " of " + std::to_string(of) +
                           (names.size() == 1 ? " is set:" : " are set:");
    for (const std::string& name : names) sentence += " " + name;
    return sentence + "; fix the input and import again";
}

/// Sets the secrets one by one. Throws at the first that the agent rejects.
std::vector<std::string> set_all(const Session& agent, const ImportedSecrets& secrets,
                                 const ImportOptions& options) {
    const std::string path = path_of_secrets(options.workspace);
    agent.ask_quietly(
        {Method::get, path, {}});  // missing rights or a missing store show before the first PUT
    std::vector<std::string> done;
    for (const auto& entry : secrets.entries()) {
        const SecretText body = body_of_secret(secrets.value_of(entry), options.expires);
        try {
            agent.ask_quietly({Method::put, path + "/" + percent_encoded(entry.name), body.view()});
        } catch (const CommandError& error) {
            throw CommandError(error.code(), entry.place + ": " + error.what() + "; " +
                                                 set_so_far(done, secrets.entries().size()));
        }
        done.push_back(entry.name);
    }
    return done;
}

void print_names(const ImportedSecrets& secrets, Paint paint) {
    Table table({{"NAME"}, {"BYTES", Align::right}, {"FROM"}});
    for (const auto& entry : secrets.entries()) {
        table.add({entry.name, std::to_string(entry.size), entry.place});
    }
    table.print(std::cout, paint);
    std::cout << "\nnothing is set: this was --dry-run\n";
}

void print_json(const ImportedSecrets& secrets, const std::vector<Leak>& copies, bool dry_run) {
    json::array list;
    for (const auto& entry : secrets.entries()) {
        list.push_back({{"name", entry.name}, {"bytes", entry.size}});
    }
    json::object object{{dry_run ? "would_import" : "imported", std::move(list)}};
    if (!dry_run) {
        json::array places;
        for (const Leak& copy : copies) {
            places.push_back({{"path", copy.path}, {"sentence", copy.sentence}});
        }
        object["copies"] = std::move(places);
    }
    std::cout << json::serialize(object) << '\n';
}

void print_imported(const std::vector<std::string>& names, const std::vector<Leak>& copies,
                    const std::optional<std::string>& workspace) {
    std::cout << counted(names.size(), "secret") << (workspace ? " of workspace " + *workspace : "")
              << (names.size() == 1 ? " is set:" : " are set:");
    for (const std::string& name : names) std::cout << ' ' << name;
    std::cout << '\n';
    if (copies.empty()) return;
    std::cout << "\nOther copies of the values:\n";
    for (const Leak& copy : copies) std::cout << "  " << copy.path << ' ' << copy.sentence << '\n';
}

}  // namespace

ExitCode import_secrets(const Session& agent, const ImportOptions& options) {
    path_of_secrets(options.workspace);  // an invalid name shows before any input is read
    const ImportedSecrets secrets = read_secrets(options);
    if (!secrets.note.empty()) std::cerr << "secretctl: note: " << secrets.note << '\n';
    if (options.dry_run) {
        if (agent.json()) {
            print_json(secrets, {}, true);
        } else {
            print_names(secrets, agent.paint());
        }
        return ExitCode::fine;
    }
    const std::vector<std::string> names = set_all(agent, secrets, options);
    const std::vector<Leak> copies = find_leaks(options.from, names);
    if (agent.json()) {
        print_json(secrets, copies, false);
    } else {
        print_imported(names, copies, options.workspace);
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl
