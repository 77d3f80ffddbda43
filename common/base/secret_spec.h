// SPDX-License-Identifier: Apache-2.0
#pragma once
// The secret spec: the secrets that a job requests, as text: names only, so it may travel anywhere.
//
//     SPEC = "none" | PART *( "," PART )
//     PART = ITEM | "run:" RUN [ "?" ] | "workspace:" WORKSPACE | "-" VARIABLE
//          | "+" COPY "=" VARIABLE
//     ITEM = NAME [ "=" VARIABLE ] [ ":random" [ "=" BYTES ] ] [ ":env" | ":file" | ":hold" ] [ "?"
//     ]
//
// `run:RUN` without items requests all secrets of the run. `?` makes a missing secret or a missing
// run no error. `:file` delivers a file and sets VARIABLE_FILE to its path. `:hold` delivers
// nothing: processes of the job read the secret from the agent. `:random` names no stored secret,
// but a value that is made for the job: so many random bytes as hexadecimal digits. `workspace:`
// names which of the user's workspaces to use.
//
// The plugin writes the last two parts for a command inside a job, and applies them in its tasks;
// the agent is sent the spec without them. `-VARIABLE` leaves alone a variable that the job's
// script set or unset itself, and `+COPY=VARIABLE` sets COPY, too, to what VARIABLE is set to.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets {

/// How a secret is delivered: its value in a variable, or in a file whose path is in a variable, or
/// not at all, since the job reads it from the agent.
enum class ItemForm { env, file, hold };

/// Returns the form as a spec's text names it, without the colon.
std::string_view form_word(ItemForm form);

/// One requested secret.
struct SpecItem {
    std::string name;
    std::string variable;  ///< the variable to set; usual_variable(name, form) unless the text
                           ///   names one. With `:hold` only `secretctl exec` sets it
    bool optional = false;
    ItemForm form = ItemForm::env;
    std::size_t random_bytes = 0;  ///< of a value that is made for the job; 0: a stored one

    bool is_random() const { return random_bytes > 0; }
    bool operator==(const SpecItem&) const = default;
};

/// A variable that is set to what another variable is set to.
struct SpecCopy {
    std::string variable;
    std::string of;

    bool operator==(const SpecCopy&) const = default;
};

/// A whole secret spec. A default-constructed one is empty: it requests nothing.
struct SecretSpec {
    bool none = false;            ///< `none`: this command requests nothing, whatever it inherited
    std::vector<SpecItem> items;  ///< in the order of the text, no item twice
    std::optional<RunId> run;
    bool run_optional = false;
    std::optional<std::string> workspace;  ///< the checked name of the workspace to take secrets
                                           ///   from
    std::vector<std::string> without;      ///< variables to leave alone, none twice
    std::vector<SpecCopy> copies;          ///< no variable twice, and none that an item sets

    /// Returns the spec `none`.
    static SecretSpec nothing() {
        SecretSpec spec;
        spec.none = true;
        return spec;
    }

    /// Returns the spec without `without` and `copies`.
    SecretSpec request() const;

    /// Whether the spec names neither a secret nor a run.
    bool requests_nothing() const { return !run && items.empty(); }
    /// Whether the spec is `run:RUN` with no items, which requests all secrets of the run.
    bool wants_all_of_run() const { return run.has_value() && items.empty(); }
    bool operator==(const SecretSpec&) const = default;
};

/// Describes an error in a spec and the bytes of its text that cause it: [offset, offset + length).
struct SpecError {
    std::string message;
    std::size_t offset = 0;
    std::size_t length = 1;
};

/// The result of parse_spec(): a spec, or the SpecError that marks the position.
class ParsedSpec {
  public:
    ParsedSpec(SecretSpec spec) : outcome_(std::move(spec)) {}
    ParsedSpec(SpecError error) : outcome_(std::move(error)) {}

    bool ok() const { return outcome_.index() == 0; }
    /// Null on an error.
    const SecretSpec* spec() const { return std::get_if<SecretSpec>(&outcome_); }
    /// Null on success.
    const SpecError* error() const { return std::get_if<SpecError>(&outcome_); }
    /// Returns success, or a message that calls the text `what` and counts its characters from 1.
    Status status(std::string_view what) const;

  private:
    std::variant<SecretSpec, SpecError> outcome_;
};

/// Returns the variable that an item sets when the text names none: variable_for(name), followed by
/// `_FILE` for a file.
std::string usual_variable(std::string_view secret_name, ItemForm form);

/// Parses `text`. An item that appears twice counts once. Two items that would set the same
/// variable, two runs, two workspaces, and a workspace from which nothing is requested are errors.
ParsedSpec parse_spec(std::string_view text);

/// Returns the text that parse_spec() reads back as `ask`.
std::string print_spec(const SecretSpec& ask);

/// Returns two lines for a terminal: the relevant part of `text`, and carets below the error.
std::string mark_place(std::string_view text, const SpecError& error);

}  // namespace secrets
