// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secrets from the files in which users have them today; the text is read and never run.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/import/import_choice.h"
#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// Whether the command lets the user leave names out, which errors then suggest.
enum class Choosing { offered, not_offered };

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
    explicit ImportedSecrets(std::size_t capacity, Choosing choosing = Choosing::offered)
        : values(capacity), choosing_(choosing) {}

    SecretView value_of(const Entry& entry) const {
        return SecretView(values.view().bytes().subspan(entry.begin, entry.size));
    }
    const std::vector<Entry>& entries() const { return entries_; }

    /// Adds an entry whose value is all of `values` from `begin` on; an entry without a value is
    /// left out. Throws CommandError if the name is not a valid secret name or is a duplicate, or
    /// if the value is too long.
    void add(std::string name, std::string place, std::size_t begin);

    /// Notes that the text has an entry of this name, which the user skips.
    void skip(const std::string& name) { skipped_.push_back(name); }

    /// The names that were left out because they have no value, and those that were skipped.
    const std::vector<Entry>& without_value() const { return without_value_; }
    const std::vector<std::string>& skipped() const { return skipped_; }

    SecretText values;               ///< of the entries, one after the other
    std::vector<std::string> notes;  ///< what may have been meant otherwise

  private:
    std::vector<Entry> entries_;
    std::vector<Entry> without_value_;
    std::vector<std::string> skipped_;
    Choosing choosing_;
};

/// Reads `text`, which is one of
///   - Nextflow's store.json: a list of {"name":"...","value":"..."},
///   - lines NAME=value as in .env files, and `export NAME=value` as a shell would read it, with
///     comments. Text in single quotes is exact. In double quotes `\` escapes `"`, `\`, `$` and a
///     backtick; without `export`, \n, \r and \t in them mean a newline, a return and a tab.
///     Quoted text may span several lines, which end with LF also if all lines of the text end with
///     CR LF. Text that a shell would replace or run ($NAME, $(...),
///     backticks), and text that programs read differently, is rejected with its line.
/// A name without a value is left out with a note: an empty secret would hide a workspace's.
/// The text must contain all names of `choice`. Lines that are not wanted may be malformed.
/// Throws CommandError if `text` is malformed or UTF-16, repeats a name, or contains no secret.
/// No error shows a line or a value. `source` names the text in errors.
ImportedSecrets read_import(std::string_view text, const std::string& source,
                            const ImportChoice& choice, Choosing choosing = Choosing::offered);

}  // namespace secrets::ctl
