// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/import.h"

#include <boost/json/serialize.hpp>
#include <iostream>
#include <set>

#include "common/base/text_encoding.h"
#include "ctl/client/answer.h"
#include "ctl/client/secret_paths.h"
#include "ctl/import/import_text.h"
#include "ctl/import/leak_scan.h"
#include "ctl/io/table.h"
#include "ctl/io/value_notes.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

ImportedSecrets read_secrets(const ImportOptions& options) {
    const SecretText text = read_secret_text(options.from);
    return read_import(text.characters(), source_name(options.from), options.choice);
}

std::string set_so_far(const std::vector<std::string>& names, std::size_t of) {
    if (names.empty()) return "none is set";
    std::string sentence = std::to_string(names.size()) + " of " + std::to_string(of) +
                           (names.size() == 1 ? " is set:" : " are set:");
    for (const std::string& name : names) sentence += " " + name;
    return sentence + "; fix the input and import again";
}

using Names = std::set<std::string>;

/// Returns the names of the secrets that are set. Missing rights or a missing store show here,
/// before anything is set.
Names names_set(const Session& agent, const ImportOptions& options) {
    Names names;
    const auto answer =
        read_object(agent.ask_quietly({Method::get, path_of_secrets(options.workspace), {}}));
    for (const json::value& element : array_of(answer, "secrets")) {
        names.insert(text_of(as_object(element), "name"));
    }
    return names;
}

/// Returns the same for a dry run, which goes on without an answer.
std::optional<Names> names_set_if_known(const Session& agent, const ImportOptions& options) {
    try {
        return names_set(agent, options);
    } catch (const CommandError& error) {
        print_notes({std::string("cannot show what would be replaced: ") + error.what()});
        return std::nullopt;
    }
}

struct Imported {
    std::vector<std::string> names;
    Names replaced;
};

/// Sets the secrets one by one. Throws at the first that the agent rejects.
Imported set_all(const Session& agent, const ImportedSecrets& secrets,
                 const ImportOptions& options) {
    names_set(agent, options);
    const std::string path = path_of_secrets(options.workspace);
    Imported done;
    for (const auto& entry : secrets.entries()) {
        const SecretText body = body_of_secret(secrets.value_of(entry), options.expires);
        try {
            const Answer answer = agent.ask_quietly(
                {Method::put, path + "/" + percent_encoded(entry.name), body.view()});
            if (answer.status != 201) done.replaced.insert(entry.name);
        } catch (const CommandError& error) {
            throw CommandError(error.code(), entry.place + ": " + error.what() + "; " +
                                                 set_so_far(done.names, secrets.entries().size()));
        }
        done.names.push_back(entry.name);
    }
    return done;
}

void print_names(const ImportedSecrets& secrets, const std::optional<Names>& existing,
                 Paint paint) {
    Table table({{"NAME"}, {"BYTES", Align::right}, {"WOULD BE"}, {"FROM"}});
    for (const auto& entry : secrets.entries()) {
        const bool replaces = existing && existing->contains(entry.name);
        table.add({entry.name, std::to_string(entry.size),
                   replaces ? Cell{"replaced", Tone::warning} : Cell{existing ? "set" : "-"},
                   entry.place});
    }
    table.print(std::cout, paint);
    std::cout << "\nnothing is set: this was --dry-run\n";
}

/// `replaced`: names of secrets that have or would have a new value; nothing: not known.
json::array list_of(const ImportedSecrets& secrets, const std::optional<Names>& replaced) {
    json::array list;
    for (const auto& entry : secrets.entries()) {
        json::object object{{"name", entry.name}, {"bytes", entry.size}};
        if (replaced) object["replaces"] = replaced->contains(entry.name);
        list.push_back(std::move(object));
    }
    return list;
}

void print_json(const ImportedSecrets& secrets, const Names& replaced,
                const std::vector<Leak>& copies) {
    json::array places;
    for (const Leak& copy : copies) {
        places.push_back({{"path", copy.path}, {"sentence", copy.sentence}});
    }
    std::cout << json::serialize(json::object{{"imported", list_of(secrets, replaced)},
                                              {"copies", std::move(places)}})
              << '\n';
}

void print_imported(const Imported& done, const std::vector<Leak>& copies,
                    const std::optional<std::string>& workspace) {
    std::cout << counted(done.names.size(), "secret")
              << (workspace ? " of workspace " + *workspace : "")
              << (done.names.size() == 1 ? " is set:" : " are set:");
    for (const std::string& name : done.names) std::cout << ' ' << name;
    std::cout << '\n';
    if (!done.replaced.empty()) {
        std::cout << "Earlier values were replaced:";
        for (const std::string& name : done.replaced) std::cout << ' ' << name;
        std::cout << '\n';
    }
    if (copies.empty()) return;
    std::cout << "\nOther copies of the values:\n";
    for (const Leak& copy : copies) std::cout << "  " << copy.path << ' ' << copy.sentence << '\n';
}

ExitCode show_dry_run(const Session& agent, const ImportedSecrets& secrets,
                      const ImportOptions& options) {
    const auto existing = names_set_if_known(agent, options);
    if (agent.json()) {
        const json::object object{{"would_import", list_of(secrets, existing)}};
        std::cout << json::serialize(object) << '\n';
    } else {
        print_names(secrets, existing, agent.paint());
    }
    return ExitCode::fine;
}

}  // namespace

ExitCode import_secrets(const Session& agent, const ImportOptions& options) {
    path_of_secrets(options.workspace);  // an invalid name shows before any input is read
    const ImportedSecrets secrets = read_secrets(options);
    print_notes(secrets.notes);
    if (options.dry_run) return show_dry_run(agent, secrets, options);
    const Imported done = set_all(agent, secrets, options);
    const std::vector<Leak> copies = find_leaks(options.from, done.names);
    if (agent.json()) {
        print_json(secrets, done.replaced, copies);
    } else {
        print_imported(done, copies, options.workspace);
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl
