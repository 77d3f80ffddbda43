#pragma once
// The ask: what a job wants, as text. Names only, so it may travel anywhere.
//
//     ASK  = "none" | PART *( "," PART )
//     PART = ITEM | "run:" RUN [ "?" ] | "workspace:" WORKSPACE
//     ITEM = NAME [ "=" VARIABLE ] [ ":env" | ":file" | ":hold" ] [ "?" ]
//
// `run:RUN` alone asks for all that the run has. `?` makes a missing secret, or a missing run, no
// error. `:file`, `:hold` and `workspace:` are understood and refused: no version has them yet.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/ids.h"

namespace secrets {

/// One secret that is wanted.
struct AskItem {
    std::string name;
    std::string variable;  ///< the variable to set; variable_for(name) where the text names none
    bool optional = false;

    bool operator==(const AskItem&) const = default;
};

/// A whole ask. Empty (nothing asked) when default-made.
struct Ask {
    bool none = false;           ///< `none`: this command wants nothing, whatever it inherited
    std::vector<AskItem> items;  ///< in the order of the text, each named once
    std::optional<RunId> run;
    bool run_optional = false;

    /// Whether it is `run:RUN` with no items: everything the run has.
    bool wants_all_of_run() const { return run.has_value() && items.empty(); }
    bool operator==(const Ask&) const = default;
};

/// What is wrong with an ask and where: bytes [offset, offset + length) of the text that was
/// parsed.
struct AskError {
    std::string sentence;
    std::size_t offset = 0;
    std::size_t length = 1;
};

/// Parses `text`. An item that stands twice counts once; two items that would set the same
/// variable, and two runs, are errors.
std::variant<Ask, AskError> parse_ask(std::string_view text);

/// The text that parse_ask() reads back as `ask`.
std::string print_ask(const Ask& ask);

/// Two lines for a terminal: (the part that matters of) `text`, and below it carets at the place.
std::string mark_place(std::string_view text, const AskError& error);

}  // namespace secrets
