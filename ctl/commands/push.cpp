// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/push.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <map>
#include <vector>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "common/base/text_as.h"
#include "ctl/import/import_store.h"
#include "ctl/import/json_shape.h"
#include "ctl/import/utf8_text.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr std::string_view kUserScope = "user";
constexpr std::string_view kWorkspaceScope = "workspace";

/// One secret, as of a NAME=VALUE line; its members point into the input.
struct Line {
    std::string_view name;
    std::string_view value;
};

CommandError bad_input(const std::string& sentence) {
    return CommandError(ExitCode::bad_input, sentence);
}

CommandError nothing_in(const std::string& source) {
    return bad_input(source + " contains no secret; nothing is pushed");
}

std::string json_string(std::string_view text) {
    return boost::json::serialize(text_as<boost::json::string>(text));
}

/// Checks the id of a job, which is a number: Slurm's own commands also accept others.
const std::string& check_job(const std::string& job) {
    std::uint32_t id = 0;
    const char* const end = job.data() + job.size();
    const auto [stopped, error] = std::from_chars(job.data(), end, id);
    if (error == std::errc() && stopped == end && id != 0) return job;
    throw bad_input("--until-job " + in_quotes(job) +
                    ": expected the id of a job, which is a number; for a task of an array it is "
                    "in its $SLURM_JOB_ID");
}

/// Returns `{` and the fields, each followed by a comma.
std::string body_begin(const PushFields& fields) {
    std::string begin = "{";
    if (fields.owner) begin += "\"owner\":" + json_string(*fields.owner) + ",";
    if (fields.ttl) begin += "\"ttl\":" + json_string(*fields.ttl) + ",";
    if (fields.until_job) begin += "\"until_job\":" + check_job(*fields.until_job) + ",";
    return begin;
}

std::string scope_begin(const PushFields& fields) {
    return "\"" + fields.scope.value_or(std::string(kUserScope)) + "\":";
}

/// Returns whether `text` consists of a name's characters only. The agent reports other errors of
/// such a name and shows the name. Any other text may be part of a value, and no message shows it.
bool is_made_as_a_name(std::string_view text) {
    return !text.empty() && text.size() <= kMaxNameBytes &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

Line split_line(std::string_view text, const std::string& place) {
    const std::size_t equals = text.find('=');
    if (equals == text.npos) {
        throw bad_input(place +
                        " has no '='; write NAME=VALUE, or push a value of several lines as JSON");
    }
    const std::string_view name = text.substr(0, equals);
    if (!is_made_as_a_name(name)) {
        throw bad_input(place + " has no valid secret name before its '=': only letters, digits, " +
                        "'_' and '-' are allowed, at most " + std::to_string(kMaxNameBytes));
    }
    return {name, text.substr(equals + 1)};
}

std::vector<Line> read_lines(std::string_view input, const std::string& source) {
    std::vector<Line> lines;
    std::map<std::string_view, std::size_t> number_of;
    std::size_t number = 0;
    for (std::size_t begin = 0; begin < input.size();) {
        const std::size_t end = std::min(input.find('\n', begin), input.size());
        const std::string_view text = input.substr(begin, end - begin);
        begin = end + 1;
        ++number;
        if (text.empty() || text.starts_with('#')) continue;

        const std::string place = "line " + std::to_string(number) + " of " + source;
        const Line line = split_line(text, place);
        const auto [first, is_new] = number_of.emplace(line.name, number);
        if (!is_new) {
            throw bad_input(place + ": duplicate name " + in_quotes(line.name) + "; see line " +
                            std::to_string(first->second));
        }
        lines.push_back(line);
    }
    return lines;
}

bool is_without_value(const Line& line) {
    return line.value.empty() || line.value == "\r";
}

bool ends_with_cr(const Line& line) {
    return line.value.ends_with('\r') && !is_without_value(line);
}

bool is_in_quotes(const Line& line) {
    std::string_view value = line.value;
    if (value.ends_with('\r')) value.remove_suffix(1);
    return value.size() > 1 && value.front() == value.back() &&
           (value.front() == '"' || value.front() == '\'');
}

/// Returns the names of the lines for which `matches` is true; empty: none.
template <typename Matches>
std::string names_of(const std::vector<Line>& lines, Matches matches) {
    std::string names;
    for (const Line& line : lines) {
        if (matches(line)) names += (names.empty() ? "" : ", ") + std::string(line.name);
    }
    return names;
}

std::vector<std::string> notes_on(const std::vector<Line>& lines, const std::string& source) {
    std::vector<std::string> notes;
    if (const std::string names = names_of(lines, is_without_value); !names.empty()) {
        notes.push_back(source + " has no value for " + names +
                        ", left out; an empty value can be pushed as JSON");
    }
    if (std::any_of(lines.begin(), lines.end(), ends_with_cr)) {
        notes.push_back(source +
                        " has lines that end with CR LF; the CR is kept as part of the value");
    }
    if (const std::string names = names_of(lines, is_in_quotes); !names.empty()) {
        notes.push_back(
            source + " has quotes around the value of " + names +
            ", which are part of it: push takes the bytes of a line as they are, unlike "
            "import");
    }
    return notes;
}

/// Returns a body with these secrets, of one scope.
PushBody body_of(const std::vector<Line>& lines, std::vector<std::string> notes,
                 const PushFields& fields) {
    constexpr std::string_view kBeforeName = "\"";
    constexpr std::string_view kBeforeValue = "\":{\"base64\":\"";
    constexpr std::string_view kAfterValue = "\"}";
    constexpr std::string_view kBetween = ",";
    constexpr std::string_view kEnd = "}}";

    const std::string begin = body_begin(fields) + scope_begin(fields) + "{";
    std::size_t capacity = begin.size() + kEnd.size();
    for (const Line& line : lines) {
        capacity += kBetween.size() + kBeforeName.size() + line.name.size() + kBeforeValue.size() +
                    base64_size(line.value.size()) + kAfterValue.size();
    }
    PushBody body{SecretText(capacity), std::move(notes)};
    body.text.append(begin);
    for (const Line& line : lines) {
        if (&line != &lines.front()) body.text.append(kBetween);
        body.text.append(kBeforeName);
        body.text.append(line.name);
        body.text.append(kBeforeValue);
        body.text.append_base64(line.value);
        body.text.append(kAfterValue);
    }
    body.text.append(kEnd);
    return body;
}

PushBody body_of_lines(std::string_view input, const std::string& source,
                       const PushFields& fields) {
    std::vector<Line> lines = read_lines(input, source);
    std::vector<std::string> notes = notes_on(lines, source);
    std::erase_if(lines, is_without_value);
    if (lines.empty()) throw nothing_in(source);
    return body_of(lines, std::move(notes), fields);
}

/// Returns whether the members are scopes. {"user":{"base64":"..."}} is ambiguous and counts as
/// scopes.
bool is_by_scope(const JsonShape& root) {
    return !root.members.empty() &&
           std::all_of(root.members.begin(), root.members.end(), [](const JsonShape& member) {
               return member.kind == JsonKind::object &&
                      (member.name == kUserScope || member.name == kWorkspaceScope);
           });
}

bool is_a_value(const JsonShape& shape) {
    if (shape.kind == JsonKind::string) return true;
    return shape.kind == JsonKind::object && shape.members.size() == 1 &&
           shape.members.front().name == "base64" && shape.members.front().kind == JsonKind::string;
}

void check_values(const JsonShape& root, const std::string& source) {
    for (const JsonShape& member : root.members) {
        if (is_a_value(member)) continue;
        throw bad_input(
            in_quotes(member.name) + " in " + source + " is " + json_kind_words(member.kind) +
            "; a value must be a string or {\"base64\":\"...\"}" +
            (member.kind == JsonKind::object ? "; scopes are named 'workspace' and 'user'" : ""));
    }
}

PushBody body_of_json(std::string_view input, const std::string& source, const PushFields& fields) {
    const JsonShape root = read_json_shape(input, source);
    if (root.members.empty()) throw nothing_in(source);
    if (const auto name = repeated_name(root)) {
        throw bad_input("duplicate name " + in_quotes(*name) + " in " + source);
    }

    const bool by_scope = is_by_scope(root);
    if (by_scope && fields.scope) {
        throw bad_input(source + " already names the scopes; omit --scope");
    }
    if (!by_scope) check_values(root, source);

    const std::string begin = body_begin(fields) + (by_scope ? "" : scope_begin(fields));
    const std::string_view secrets = by_scope ? input.substr(input.find('{') + 1) : input;
    const std::string_view end = by_scope ? "" : "}";
    PushBody body{SecretText(begin.size() + secrets.size() + end.size()), {}};
    body.text.append(begin);
    body.text.append(secrets);
    body.text.append(end);
    return body;
}

}  // namespace

PushBody make_push_body(std::string_view input, const std::string& source,
                        const PushFields& fields) {
    input = utf8_text(input, source);
    const std::size_t first = input.find_first_not_of(" \t\r\n");
    const bool is_json = first != input.npos && input[first] == '{';
    return is_json ? body_of_json(input, source, fields) : body_of_lines(input, source, fields);
}

PushBody make_push_body_of_store(std::string_view input, const std::string& source,
                                 const PushFields& fields) {
    const std::string_view text = utf8_text(input, source);
    const ImportedSecrets found = read_import_store(text, source, {}, Choosing::not_offered);
    std::vector<Line> lines;
    for (const ImportedSecrets::Entry& entry : found.entries()) {
        lines.push_back({entry.name, found.values.characters().substr(entry.begin, entry.size)});
    }
    if (lines.empty()) throw nothing_in(source);
    std::vector<std::string> notes;
    for (const ImportedSecrets::Entry& entry : found.without_value()) {
        notes.push_back(source + " has no value for " + entry.name + ", left out");
    }
    return body_of(lines, std::move(notes), fields);
}

}  // namespace secrets::ctl
