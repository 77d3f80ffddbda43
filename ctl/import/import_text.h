// SPDX-License-Identifier: Apache-2.0
#pragma once
// What people have their secrets in today, read and never run.

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

    /// `capacity`: as many bytes as all values together may have.
    explicit ImportedSecrets(std::size_t capacity) : values(capacity) {}

    SecretView value_of(const Entry& entry) const {
        return SecretView(values.view().bytes().subspan(entry.begin, entry.size));
    }
    const std::vector<Entry>& entries() const { return entries_; }

    /// The entry's value is all of `values` from `begin` on. Throws CommandError when the name
    /// can't be a secret's or stands there already, or the value is longer than one may be.
    void add(std::string name, std::string place, std::size_t begin);

    SecretText values;  ///< of the entries, one behind the other
    std::string note;   ///< something that may have been meant otherwise; empty when there is none

  private:
    std::vector<Entry> entries_;
};

/// `text` is one of
///   - Nextflow's store.json: a list of {"name":"...","value":"..."},
///   - lines NAME=value as in .env files, and `export NAME=value` as a shell would read it, with
///     comments. Text in single quotes is exact; in double quotes `\` stands before `"`, `\`, `$`
///     and a backtick; without `export`, \n, \r and \t there are a newline, a return and a tab.
///     Quoted text may go on over several lines. What a shell would replace or run ($NAME, $(...),
///     backticks), and what programs read differently, is refused with its line.
/// Of `only`, where that is not empty, all must be there, and other lines are passed over.
/// Throws CommandError when it can't be read so, a name stands in it twice, or nothing is in it.
/// No error shows a line or a value. `source` says in errors where the text came from.
ImportedSecrets read_import(std::string_view text, const std::string& source,
                            const std::vector<std::string>& only);

}  // namespace secrets::ctl
