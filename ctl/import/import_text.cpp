// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/import_text.h"

#include <algorithm>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "ctl/import/import_lines.h"
#include "ctl/import/import_store.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr const char* kOnly = "; use --only NAME to import only some";

CommandError bad_input(const std::string& sentence) {
    return CommandError(ExitCode::bad_input, sentence);
}

/// Returns whether `text` consists of a name's characters only. Any other text may be part of a
/// value, and no message shows it.
bool is_made_as_a_name(std::string_view text) {
    return !text.empty() && text.size() <= kMaxNameBytes &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

}  // namespace

void ImportedSecrets::add(std::string name, std::string place, std::size_t begin) {
    if (!is_made_as_a_name(name)) {
        throw bad_input(place +
                        " has an invalid secret name: only letters, digits, '_' and '-' are " +
                        "allowed, at most " + std::to_string(kMaxNameBytes) + kOnly);
    }
    if (const Status why = check_secret_name(name); !why.ok())
        throw bad_input(place + ": " + why.message() + kOnly);
    for (const Entry& entry : entries_) {
        if (entry.name != name) continue;
        throw bad_input(place + ": duplicate name " + quoted(name) + "; see " + entry.place);
    }
    const std::size_t size = values.size() - begin;
    if (size > kMaxValueBytes) {
        throw bad_input(place + ": the value of " + name + " has " + std::to_string(size) +
                        " bytes; at most " + std::to_string(kMaxValueBytes) + " are accepted");
    }
    entries_.push_back({std::move(name), std::move(place), begin, size});
}

ImportedSecrets read_import(std::string_view text, const std::string& source,
                            const std::vector<std::string>& only) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const char begin = first == text.npos ? '\0' : text[first];
    if (begin == '{') {
        throw bad_input(source +
                        " is a JSON object; import accepts Nextflow's store.json, which is a " +
                        "list, and NAME=value lines; secretctl push accepts such an object");
    }
    ImportedSecrets found = begin == '[' ? read_import_store(text, source, only)
                                         : read_import_lines(text, source, only);
    for (const std::string& name : only) {
        const auto& entries = found.entries();
        if (std::none_of(entries.begin(), entries.end(),
                         [&](const auto& entry) { return entry.name == name; })) {
            throw bad_input(source + " has no " + quoted(name) + "; nothing is imported");
        }
    }
    if (found.entries().empty()) {
        throw bad_input(source + " contains no secret; nothing is imported");
    }
    return found;
}

}  // namespace secrets::ctl
