// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/secret_paths.h"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "common/base/text_encoding.h"
#include "ctl/io/exit_codes.h"
#include "ctl/io/value_input.h"

namespace secrets::ctl {
namespace {

CommandError bad_input(const std::string& sentence) {
    return CommandError(ExitCode::bad_input, sentence);
}

}  // namespace

std::string path_of_secrets(const std::optional<std::string>& workspace) {
    if (!workspace) return "/v1/secrets";
    if (!check_workspace_name(*workspace).ok()) {
        throw bad_input(
            "the value of --workspace is not a valid workspace name; see: secretctl workspaces");
    }
    return "/v1/workspaces/" + percent_encoded(*workspace) + "/secrets";
}

void require_stored_name(const std::string& name) {
    if (name.find('=') != name.npos) throw bad_input(value_as_argument_sentence());
    const bool made_as_one = std::all_of(name.begin(), name.end(), [](char c) {
        return is_letter(c) || is_digit(c) || c == '_' || c == '-';
    });
    if (name.size() > kMaxNameBytes || !made_as_one) {
        throw bad_input(
            "the argument is not a valid secret name: only letters, digits, '_' and '-' are "
            "allowed, at most " +
            std::to_string(kMaxNameBytes));
    }
    if (const Status why = check_stored_name(name); !why.ok()) throw bad_input(why.message());
}

void require_secret_name(const std::string& name) {
    require_stored_name(name);
    if (const Status why = check_secret_name(name); !why.ok()) throw bad_input(why.message());
}

SecretText body_of_secret(SecretView value, const std::optional<std::string>& ttl) {
    constexpr std::string_view kBegin = "{\"value\":";
    const std::string end =
        ttl ? ",\"ttl\":" + boost::json::serialize(boost::json::string(*ttl)) + "}" : "}";
    SecretText body(kBegin.size() + value_json_size(value) + end.size() + 1);
    body.append(kBegin);
    append_value_json(body, value);
    body.append(end);
    return body;
}

std::string value_as_argument_sentence() {
    return "values are never accepted as arguments: what you typed is now in your shell's history, "
           "and others could see it in the process list; remove it from the history, revoke the "
           "value where it was issued, and enter the new one at the prompt of 'secretctl set NAME'";
}

}  // namespace secrets::ctl
