// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/import_text.h"

#include <algorithm>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "ctl/import/import_lines.h"
#include "ctl/import/import_store.h"
#include "ctl/import/utf8_text.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr const char* kChoose = "; leave it out with --skip NAME, or choose with --only NAME";

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

bool has_name(const std::vector<ImportedSecrets::Entry>& entries, const std::string& name) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const auto& entry) { return entry.name == name; });
}

/// Throws unless the text has all names that the user chose, and the wanted ones with a value.
void check_choice(const ImportedSecrets& found, const std::string& source,
                  const ImportChoice& choice) {
    for (const std::string& name : choice.only) {
        if (has_name(found.entries(), name)) continue;
        throw bad_input(has_name(found.without_value(), name)
                            ? source + " has " + in_quotes(name) +
                                  " without a value; nothing is imported"
                            : source + " has no " + in_quotes(name) + "; nothing is imported");
    }
    for (const std::string& name : choice.skip) {
        const auto& skipped = found.skipped();
        if (std::find(skipped.begin(), skipped.end(), name) != skipped.end()) continue;
        throw bad_input(source + " has no " + in_quotes(name) + " to skip; nothing is imported");
    }
    if (found.entries().empty()) {
        throw bad_input(source + " contains no secret to import; nothing is imported");
    }
}

void note_left_out(ImportedSecrets& found, const std::string& source) {
    std::string names;
    for (const auto& entry : found.without_value()) {
        names += (names.empty() ? "" : ", ") + entry.name;
    }
    if (names.empty()) return;
    found.notes.push_back(source + " has no value for " + names + ", and nothing is set for " +
                          (found.without_value().size() == 1 ? "it" : "them"));
}

}  // namespace

void ImportedSecrets::add(std::string name, std::string place, std::size_t begin) {
    if (!is_made_as_a_name(name)) {
        throw bad_input(place +
                        " has an invalid secret name: only letters, digits, '_' and '-' are " +
                        "allowed, at most " + std::to_string(kMaxNameBytes) +
                        (choosing_ == Choosing::offered ? kChoose : ""));
    }
    if (const Status why = check_secret_name(name); !why.ok()) {
        const bool is_offered = choosing_ == Choosing::offered;
        throw bad_input(place + ": " + why.message() +
                        (is_offered ? "; --skip " + name + " leaves it out" : ""));
    }
    for (const auto* earlier : {&entries_, &without_value_}) {
        for (const Entry& entry : *earlier) {
            if (entry.name != name) continue;
            throw bad_input(place + ": duplicate name " + in_quotes(name) + "; see " + entry.place);
        }
    }
    const std::size_t size = values.size() - begin;
    if (size > kMaxValueBytes) {
        throw bad_input(place + ": the value of " + name + " has " + std::to_string(size) +
                        " bytes; at most " + std::to_string(kMaxValueBytes) + " are accepted");
    }
    auto& entries = size > 0 ? entries_ : without_value_;
    entries.push_back({std::move(name), std::move(place), begin, size});
}

ImportedSecrets read_import(std::string_view text, const std::string& source,
                            const ImportChoice& choice, Choosing choosing) {
    text = utf8_text(text, source);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const char begin = first == text.npos ? '\0' : text[first];
    if (begin == '{') {
        throw bad_input(source +
                        " is a JSON object; import accepts Nextflow's store.json, which is a " +
                        "list, and NAME=value lines; secretctl push accepts such an object");
    }
    ImportedSecrets found = begin == '[' ? read_import_store(text, source, choice, choosing)
                                         : read_import_lines(text, source, choice, choosing);
    check_choice(found, source, choice);
    note_left_out(found, source);
    return found;
}

}  // namespace secrets::ctl
