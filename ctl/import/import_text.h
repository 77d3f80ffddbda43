// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secrets from the files in which users have them today; the text is read and never run.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// Secrets that were read, in the order of the text.
class ImportedSecrets {
  public:
    struct Entry {
        std::string name;
        std::string place;  ///< "line 3 of .env": fit for a sentence
        std::size_t begin = 0;
        std::size_t size = 0;
    };

    /// `capacity`: the maximum size in bytes of all values together.
    explicit ImportedSecrets(std::size_t capacity) : values(capacity) {}

    SecretView value_of(const Entry& entry) const {
        return SecretView(values.view().bytes().subspan(entry.begin, entry.size));
    }
    const std::vector<Entry>& entries() const { return entries_; }

    /// Adds an entry whose value is all of `values` from `begin` on. Throws CommandError if the
    /// name is not a valid secret name or is a duplicate, or if the value is too long.
    void add(std::string name, std::string place, std::size_t begin);

    SecretText values;  ///< of the entries, one after the other
    std::string note;   ///< something that may have another intended meaning; empty: nothing

  private:
    std::vector<Entry> entries_;
};

/// Reads `text`, which is one of
///   - Nextflow's store.json: a list of {"name":"...","value":"..."},
///   - lines NAME=value as in .env files, and `export NAME=value` as a shell would read it, with
///     comments. Text in single quotes is exact. In double quotes `\` escapes `"`, `\`, `$` and a
///     backtick; without `export`, \n, \r and \t in them mean a newline, a return and a tab.
///     Quoted text may span several lines. Text that a shell would replace or run ($NAME, $(...),
///     backticks), and text that programs read differently, is rejected with its line.
/// If `only` is not empty, the text must contain all of its names; other lines are skipped.
/// Throws CommandError if `text` is malformed, repeats a name, or contains no secret.
/// No error shows a line or a value. `source` names the text in errors.
ImportedSecrets read_import(std::string_view text, const std::string& source,
                            const std::vector<std::string>& only);

}  // namespace secrets::ctl
