// SPDX-License-Identifier: Apache-2.0
#include "common/base/secret_spec.h"

#include <algorithm>
#include <charconv>

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets {
namespace {

constexpr std::string_view kRunPrefix = "run:";
constexpr std::string_view kWorkspacePrefix = "workspace:";
constexpr char kWithoutPrefix = '-';
constexpr char kCopyPrefix = '+';

constexpr std::string_view kRandom = "random";

constexpr std::string_view kFileSuffix = "_FILE";

/// Parses one part of a spec; `offset` is the position of the part in the whole text.
class PartParser {
  public:
    PartParser(std::string_view part, std::size_t offset, SecretSpec& ask)
        : part_(part), offset_(offset), ask_(ask) {}

    std::optional<SpecError> parse() {
        if (part_.empty()) return error(0, 1, "an item is missing before or after a comma");
        if (part_ == "none") {
            return error(0, part_.size(), "'none' cannot be combined with other items");
        }
        if (part_.starts_with(kRunPrefix)) return parse_run();
        if (part_.starts_with(kWorkspacePrefix)) return parse_workspace();
        if (part_.starts_with(kWithoutPrefix)) return parse_without();
        if (part_.starts_with(kCopyPrefix)) return parse_copy();
        return parse_item();
    }

  private:
    SpecError error(std::size_t at, std::size_t length, std::string sentence) const {
        return SpecError{std::move(sentence), offset_ + at, std::max<std::size_t>(length, 1)};
    }

    std::optional<SpecError> parse_run() {
        std::string_view id = part_.substr(kRunPrefix.size());
        const bool optional = id.ends_with('?');
        if (optional) id.remove_suffix(1);
        auto run = RunId::parse(id);
        if (!run) return error(kRunPrefix.size(), id.size(), run.status().message());
        if (ask_.run && *ask_.run != *run) {
            return error(0, part_.size(), "a second run is named; a job can use only one");
        }
        ask_.run_optional = optional && (!ask_.run || ask_.run_optional);
        ask_.run = std::move(run).value();
        return std::nullopt;
    }

    std::optional<SpecError> parse_workspace() {
        const std::string_view name = part_.substr(kWorkspacePrefix.size());
        if (Status why = check_workspace_name(name); !why.ok()) {
            return error(kWorkspacePrefix.size(), name.size(), why.message());
        }
        if (ask_.workspace && *ask_.workspace != name) {
            return error(0, part_.size(), "a second workspace is named; only one is allowed");
        }
        ask_.workspace = name;
        return std::nullopt;
    }

    std::optional<SpecError> parse_without() {
        const std::string_view variable = part_.substr(1);
        if (Status why = check_variable_name(variable); !why.ok())
            return error(1, variable.size(), why.message());
        if (!is_left_out(variable)) ask_.without.emplace_back(variable);
        return std::nullopt;
    }

    std::optional<SpecError> parse_copy() {
        const auto equals = part_.find('=');
        const std::string_view variable = part_.substr(1, equals - 1);
        const std::string_view of = equals != part_.npos ? part_.substr(equals + 1) : "";
        for (const std::string_view each : {variable, of}) {
            if (Status why = check_variable_name(each); !why.ok())
                return error(0, part_.size(), why.message());
        }
        const SpecCopy copy{std::string(variable), std::string(of)};
        if (std::find(ask_.copies.begin(), ask_.copies.end(), copy) != ask_.copies.end())
            return std::nullopt;
        if (is_copied(variable) || (is_in(ask_.items, variable) && !is_left_out(variable)))
            return error(0, part_.size(), set_twice(variable));
        ask_.copies.push_back(copy);
        return std::nullopt;
    }

    template <typename Parts>
    static bool is_in(const Parts& parts, std::string_view variable) {
        return std::any_of(parts.begin(), parts.end(),
                           [&](const auto& part) { return part.variable == variable; });
    }
    bool is_copied(std::string_view variable) const { return is_in(ask_.copies, variable); }
    bool is_left_out(std::string_view variable) const {
        return std::find(ask_.without.begin(), ask_.without.end(), variable) != ask_.without.end();
    }

    static std::string set_twice(std::string_view variable) {
        return "the variable " + in_quotes(variable) + " would be set twice";
    }

    std::optional<SpecError> parse_item() {
        std::string_view rest = part_;
        SpecItem item;
        if (rest.ends_with('?')) {
            item.optional = true;
            rest.remove_suffix(1);
        }
        if (const auto colon = rest.find(':'); colon != rest.npos) {
            if (auto wrong = parse_forms(rest.substr(colon + 1), colon + 1, item)) return wrong;
            rest = rest.substr(0, colon);
        }
        const auto equals = rest.find('=');
        const std::string_view name = rest.substr(0, equals);
        if (Status why = check_secret_name(name); !why.ok())
            return error(0, name.size(), why.message());
        item.name = name;
        const bool names_variable = equals != rest.npos;
        const std::string_view variable = names_variable ? rest.substr(equals + 1) : name;
        const std::size_t at = names_variable ? equals + 1 : 0;
        if (variable.empty()) return error(at, 0, "the variable is missing");
        item.variable = names_variable ? std::string(variable) : variable_for(name);
        if (item.form == ItemForm::file) item.variable += kFileSuffix;
        if (Status why = check_variable_name(item.variable); !why.ok())
            return error(at, variable.size(), why.message());
        return add(std::move(item));
    }

    /// Parses what follows the first colon.
    std::optional<SpecError> parse_forms(std::string_view text, std::size_t at,
                                         SpecItem& item) const {
        const std::string_view first = text.substr(0, text.find(':'));
        if (first.substr(0, first.find('=')) != kRandom) return parse_form(text, at, item);
        if (auto wrong = parse_random(first, at, item)) return wrong;
        if (first.size() == text.size()) return std::nullopt;
        return parse_form(text.substr(first.size() + 1), at + first.size() + 1, item);
    }

    std::optional<SpecError> parse_random(std::string_view word, std::size_t at,
                                          SpecItem& item) const {
        item.random_bytes = kUsualRandomBytes;
        if (word == kRandom) return std::nullopt;
        const std::string_view number = word.substr(kRandom.size() + 1);
        const auto [end, error] =
            std::from_chars(number.data(), number.data() + number.size(), item.random_bytes);
        const bool is_number = error == std::errc() && end == number.data() + number.size();
        if (is_number && item.random_bytes >= kMinRandomBytes &&
            item.random_bytes <= kMaxRandomBytes) {
            return std::nullopt;
        }
        return this->error(at + kRandom.size() + 1, number.size(),
                           "invalid number of random bytes " + in_quotes(number) + "; expected " +
                               std::to_string(kMinRandomBytes) + " to " +
                               std::to_string(kMaxRandomBytes));
    }

    std::optional<SpecError> parse_form(std::string_view word, std::size_t at,
                                        SpecItem& item) const {
        for (const ItemForm form : {ItemForm::env, ItemForm::file, ItemForm::hold}) {
            if (word != form_word(form)) continue;
            item.form = form;
            return std::nullopt;
        }
        return error(at, word.size(),
                     "invalid form " + in_quotes(word) +
                         "; expected one of: ':env', ':file', ':hold', ':random'");
    }

    /// Returns why two different items that set one variable can't both be delivered.
    static std::string collision(const SpecItem& one, const SpecItem& other) {
        if (one.name != other.name) {
            return "the variable " + in_quotes(one.variable) + " would be set from both " +
                   in_quotes(one.name) + " and " + in_quotes(other.name) +
                   "; rename one with NAME=VARIABLE";
        }
        if (one.random_bytes != other.random_bytes) {
            return "duplicate secret " + in_quotes(one.name) +
                   ": requested as two different values; rename one with NAME=VARIABLE";
        }
        if (one.form == ItemForm::hold || other.form == ItemForm::hold) {
            return "duplicate secret " + in_quotes(one.name) +
                   ": requested with ':hold' and without; leave ':hold' out, since a job can read "
                   "what it is given";
        }
        if (one.form != other.form) {
            return "the variable " + in_quotes(one.variable) + " would be set to both " +
                   in_quotes(one.name) +
                   " itself and the path of its file; rename one with "
                   "NAME=VARIABLE";
        }
        return "duplicate secret " + in_quotes(one.name) +
               ": requested once as optional and once as required";
    }

    std::optional<SpecError> add(SpecItem item) {
        for (const SpecItem& other : ask_.items) {
            if (other == item) return std::nullopt;
            if (other.variable != item.variable) continue;
            return error(0, part_.size(), collision(other, item));
        }
        if (is_copied(item.variable) && !is_left_out(item.variable))
            return error(0, part_.size(), set_twice(item.variable));
        if (ask_.items.size() == kMaxSpecItems) {
            return error(0, part_.size(),
                         "more than " + std::to_string(kMaxSpecItems) + " secrets are requested");
        }
        ask_.items.push_back(std::move(item));
        return std::nullopt;
    }

    std::string_view part_;
    std::size_t offset_;
    SecretSpec& ask_;
};

/// Returns the variable of an item as its text names it: without a file's suffix.
std::string_view written_variable(const SpecItem& item) {
    std::string_view variable = item.variable;
    if (item.form == ItemForm::file) variable.remove_suffix(kFileSuffix.size());
    return variable;
}

}  // namespace

std::string_view form_word(ItemForm form) {
    switch (form) {
        case ItemForm::env:
            return "env";
        case ItemForm::file:
            return "file";
        case ItemForm::hold:
            return "hold";
    }
    return "env";
}

std::string usual_variable(std::string_view secret_name, ItemForm form) {
    return variable_for(secret_name) +
           std::string(form == ItemForm::file ? kFileSuffix : std::string_view());
}

SecretSpec SecretSpec::request() const {
    SecretSpec spec = *this;
    spec.without.clear();
    spec.copies.clear();
    return spec;
}

ParsedSpec parse_spec(std::string_view text) {
    if (text.size() > kMaxSpecBytes) {
        return SpecError{"it has " + std::to_string(text.size()) + " characters; at most " +
                             std::to_string(kMaxSpecBytes) + " are allowed",
                         kMaxSpecBytes, 1};
    }
    SecretSpec ask;
    if (text == "none") {
        ask.none = true;
        return ask;
    }
    if (text.empty()) return SpecError{"no secret is named", 0, 1};
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        if (auto wrong = PartParser(text.substr(begin, end - begin), begin, ask).parse()) {
            return std::move(*wrong);
        }
        begin = end + 1;
    }
    if (ask.workspace && ask.items.empty() && !ask.run) {
        return SpecError{"a workspace is named, but no secret", 0, text.size()};
    }
    return ask;
}

Status ParsedSpec::status(std::string_view what) const {
    if (ok()) return Status();
    return Status::invalid(std::string(what) + " at character " +
                           std::to_string(error()->offset + 1) + ": " + error()->message);
}

std::string print_spec(const SecretSpec& ask) {
    if (ask.none) return "none";
    std::string text;
    const auto begin_part = [&text] {
        if (!text.empty()) text += ',';
    };
    if (ask.run) {
        text = std::string(kRunPrefix) + ask.run->text() + (ask.run_optional ? "?" : "");
    }
    if (ask.workspace) {
        begin_part();
        text += std::string(kWorkspacePrefix) + *ask.workspace;
    }
    for (const SpecItem& item : ask.items) {
        begin_part();
        text += item.name;
        if (item.variable != usual_variable(item.name, item.form)) {
            text += '=' + std::string(written_variable(item));
        }
        if (item.is_random()) text += ':' + std::string(kRandom);
        if (item.is_random() && item.random_bytes != kUsualRandomBytes)
            text += '=' + std::to_string(item.random_bytes);
        if (item.form != ItemForm::env) text += ':' + std::string(form_word(item.form));
        // A part that is only the word `none` would not parse as an item.
        if (item == SpecItem{"none", "none"}) text += ":env";
        if (item.optional) text += '?';
    }
    for (const std::string& variable : ask.without) {
        begin_part();
        text += kWithoutPrefix + variable;
    }
    for (const SpecCopy& copy : ask.copies) {
        begin_part();
        text += kCopyPrefix + copy.variable + '=' + copy.of;
    }
    return text;
}

std::string mark_place(std::string_view text, const SpecError& error) {
    constexpr std::size_t kBefore = 40;
    constexpr std::size_t kAfter = 30;
    const std::size_t offset = std::min(error.offset, text.size());
    const std::size_t begin = offset > kBefore ? offset - kBefore : 0;
    const std::size_t end = std::min(text.size(), offset + error.length + kAfter);
    std::string shown;
    for (const char c : text.substr(begin, std::min<std::size_t>(end - begin, 100))) {
        shown += (c >= ' ' && c <= '~') ? c : '?';
    }
    const std::size_t carets = std::clamp<std::size_t>(
        error.length, 1, std::max<std::size_t>(shown.size() + begin, offset + 1) - offset);
    return "    " + shown + "\n    " + std::string(offset - begin, ' ') + std::string(carets, '^');
}

}  // namespace secrets
