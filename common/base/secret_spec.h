// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ask: what a job wants, as text. Names only, so it may travel anywhere.
//
//     ASK  = "none" | PART *( "," PART )
//     PART = ITEM | "run:" RUN [ "?" ] | "workspace:" WORKSPACE
//     ITEM = NAME [ "=" VARIABLE ] [ ":env" | ":file" | ":hold" ] [ "?" ]
//
// `run:RUN` alone asks for all that the run has. `?` makes a missing secret, or a missing run, no
// error. `:file` gives a file, and sets VARIABLE_FILE to its path. `workspace:` says in which of
// the user's workspaces to look. `:hold` is understood and refused: no version has it yet.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets {

/// How a secret is given: its value in a variable, or in a file whose path is in a variable.
enum class ItemForm { env, file };

/// One secret that is wanted.
struct SpecItem {
    std::string name;
    std::string variable;  ///< the variable to set; usual_variable(name, form) unless the text says
    bool optional = false;
    ItemForm form = ItemForm::env;

    bool operator==(const SpecItem&) const = default;
};

/// A whole ask. Empty (nothing asked) when default-made.
struct SecretSpec {
    bool none = false;            ///< `none`: this command wants nothing, whatever it inherited
    std::vector<SpecItem> items;  ///< in the order of the text, each named once
    std::optional<RunId> run;
    bool run_optional = false;
    std::optional<std::string> workspace;  ///< the one to take secrets from, by its checked name

    /// Whether it is `run:RUN` with no items: everything the run has.
    bool wants_all_of_run() const { return run.has_value() && items.empty(); }
    bool operator==(const SecretSpec&) const = default;
};

/// What is wrong with a spec, and in which bytes of its text: [offset, offset + length).
struct SpecError {
    std::string message;
    std::size_t offset = 0;
    std::size_t length = 1;
};

/// The outcome of parse_spec(): a spec, or the SpecError that marks the place.
class ParsedSpec {
  public:
    ParsedSpec(SecretSpec spec) : outcome_(std::move(spec)) {}
    ParsedSpec(SpecError error) : outcome_(std::move(error)) {}

    bool ok() const { return outcome_.index() == 0; }
    /// Null on an error.
    const SecretSpec* spec() const { return std::get_if<SecretSpec>(&outcome_); }
    /// Null on success.
    const SpecError* error() const { return std::get_if<SpecError>(&outcome_); }
    /// Success, or a sentence that calls the text `what` and counts its characters from 1.
    Status status(std::string_view what) const;

  private:
    std::variant<SecretSpec, SpecError> outcome_;
};

/// The variable that an item sets when the text names no other: variable_for(name), and for a file
/// `_FILE` behind it.
std::string usual_variable(std::string_view secret_name, ItemForm form);

/// Parses `text`. An item that stands twice counts once; two items that would set the same
/// variable, two runs, two workspaces, and a workspace of which nothing is asked, are errors.
ParsedSpec parse_spec(std::string_view text);

/// The text that parse_spec() reads back as `ask`.
std::string print_spec(const SecretSpec& ask);

/// Two lines for a terminal: (the part that matters of) `text`, and below it carets at the place.
std::string mark_place(std::string_view text, const SpecError& error);

}  // namespace secrets
