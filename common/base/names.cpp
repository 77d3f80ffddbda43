// SPDX-License-Identifier: Apache-2.0
#include "common/base/names.h"

#include <algorithm>

#include "common/base/limits.h"
#include "common/base/steering_variables.h"

namespace secrets {
namespace {

/// Checks the rule that secrets and variables share; `extra` holds further allowed characters.
Status check_word(std::string_view what, std::string_view text, std::string_view extra) {
    const std::string subject = std::string(what) + " ";
    if (text.empty()) return Status::invalid(subject + "is missing");
    if (text.size() > kMaxNameBytes) {
        return Status::invalid(subject + in_quotes(text) + " has " + std::to_string(text.size()) +
                               " characters; at most " + std::to_string(kMaxNameBytes) +
                               " are allowed");
    }
    for (const char c : text) {
        if (is_letter(c) || is_digit(c) || c == '_' || extra.find(c) != extra.npos) continue;
        return Status::invalid(subject + in_quotes(text) + " contains " + in_quotes({&c, 1}) +
                               (extra.empty() ? "; only letters, digits and '_' are allowed"
                                              : "; only letters, digits, '_' and '-' are allowed"));
    }
    if (!is_letter(text.front()) && text.front() != '_') {
        return Status::invalid(subject + in_quotes(text) + " must begin with a letter or '_'");
    }
    return Status();
}

}  // namespace

std::string printable_ascii(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(), [](char c) { return !is_printable_ascii(c); }, '?');
    return out;
}

std::string in_quotes(std::string_view text) {
    return "'" + printable_ascii(text.substr(0, kMaxNameBytes)) +
           (text.size() > kMaxNameBytes ? "...'" : "'");
}

std::string variable_for(std::string_view secret_name) {
    std::string variable(secret_name);
    std::replace(variable.begin(), variable.end(), '-', '_');
    return variable;
}

Status check_variable_name(std::string_view variable) {
    if (Status why = check_word("the variable", variable, ""); !why.ok()) return why;
    const auto controlled = controlled_by(variable);
    if (!controlled) return Status();
    return Status::invalid("the variable " + in_quotes(variable) + " controls " +
                           std::string(*controlled) +
                           " and may not hold a secret; use another name, and in the job's script: "
                           "export " +
                           std::string(variable) + "=\"$OTHER_NAME\"");
}

Status check_identifier(std::string_view what, std::string_view text, std::size_t most) {
    const std::string kind(what);
    if (text.empty()) return Status::invalid("a " + kind + " is missing");
    if (text.size() > most) {
        return Status::invalid("a " + kind + " has " + std::to_string(text.size()) +
                               " characters; at most " + std::to_string(most) + " are allowed");
    }
    if (!is_letter(text.front()) && !is_digit(text.front())) {
        return Status::invalid("the " + kind + " " + in_quotes(text) +
                               " must begin with a letter or a digit");
    }
    for (const char c : text) {
        if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' && c != '-') {
            return Status::invalid("the " + kind + " " + in_quotes(text) + " contains " +
                                   in_quotes({&c, 1}) +
                                   "; only letters, digits, '.', '_' and '-' are allowed");
        }
    }
    return Status();
}

Status check_workspace_name(std::string_view name) {
    return check_identifier("workspace's name", name, kMaxWorkspaceBytes);
}

Status check_account_name(std::string_view name) {
    if (name.empty()) return Status::invalid("the name of a Slurm account is missing");
    if (name.size() > kMaxAccountBytes) {
        return Status::invalid("the name of a Slurm account has at most " +
                               std::to_string(kMaxAccountBytes) + " bytes");
    }
    if (std::any_of(name.begin(), name.end(), [](char c) { return c <= ' ' || c > '~'; })) {
        return Status::invalid(
            in_quotes(name) +
            " is not a valid Slurm account name: it contains a space or a character "
            "that is not printable ASCII");
    }
    return Status();
}

Status check_stored_name(std::string_view name) {
    return check_word("the secret's name", name, "-");
}

Status check_secret_name(std::string_view name) {
    if (Status why = check_stored_name(name); !why.ok()) return why;
    if (Status why = check_variable_name(variable_for(name)); !why.ok()) {
        return Status::invalid("invalid secret name " + in_quotes(name) + ": " + why.message());
    }
    return Status();
}

}  // namespace secrets
