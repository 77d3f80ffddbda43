// SPDX-License-Identifier: Apache-2.0
#include "common/base/names.h"

#include <algorithm>
#include <array>

#include "common/base/limits.h"

namespace secrets {
namespace {

/// A variable that controls the job itself: a pushed value must not decide which code runs. A
/// pattern that ends in `*` is a prefix.
struct Steering {
    std::string_view pattern;
    std::string_view what;
};

constexpr auto kSteering = std::to_array<Steering>({
    {"LD_*", "the dynamic loader"},
    {"GLIBC_TUNABLES", "the C library"},
    {"MALLOC_*", "the C library"},
    {"GCONV_PATH", "the C library"},
    {"LOCPATH", "the C library"},
    {"NLSPATH", "the C library"},
    {"HOSTALIASES", "name resolution"},
    {"LOCALDOMAIN", "name resolution"},
    {"RES_OPTIONS", "name resolution"},
    {"PATH", "which programs run"},
    {"HOME", "where programs find their settings"},
    {"SHELL", "which shell runs"},
    {"USER", "the user name that programs see"},
    {"LOGNAME", "the user name that programs see"},
    {"PWD", "the working directory"},
    {"OLDPWD", "the working directory"},
    {"TMPDIR", "where programs write temporary files"},
    {"IFS", "the shell"},
    {"ENV", "the shell"},
    {"CDPATH", "the shell"},
    {"GLOBIGNORE", "the shell"},
    {"SHELLOPTS", "the shell"},
    {"PROMPT_COMMAND", "the shell"},
    {"PS4", "the shell"},
    {"BASH*", "the shell"},
    {"PYTHON*", "the Python interpreter"},
    {"PERL*", "the Perl interpreter"},
    {"RUBYLIB", "the Ruby interpreter"},
    {"RUBYOPT", "the Ruby interpreter"},
    {"NODE_OPTIONS", "the Node.js interpreter"},
    {"NODE_PATH", "the Node.js interpreter"},
    {"CLASSPATH", "the Java machine"},
    {"JAVA_TOOL_OPTIONS", "the Java machine"},
    {"JDK_JAVA_OPTIONS", "the Java machine"},
    {"_JAVA_OPTIONS", "the Java machine"},
    {"GIT_SSH", "which programs Git runs"},
    {"GIT_SSH_COMMAND", "which programs Git runs"},
    {"GIT_EXEC_PATH", "which programs Git runs"},
    {"SLURM_*", "Slurm"},
    {"SLURMD_*", "Slurm"},
    {"SPANK_*", "Slurm"},
    {"SBATCH_*", "Slurm"},
    {"SALLOC_*", "Slurm"},
    {"SRUN_*", "Slurm"},
    {"_SLURM_*", "Slurm"},
    {"SECRETS_GIVEN", "what an inner command knows of the job's secrets"},
});

bool matches(std::string_view pattern, std::string_view variable) {
    if (!pattern.ends_with('*')) return variable == pattern;
    return variable.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// Checks the rule that secrets and variables share; `extra` holds further allowed characters.
Status check_word(std::string_view what, std::string_view text, std::string_view extra) {
    const std::string subject = std::string(what) + " ";
    if (text.empty()) return Status::invalid(subject + "is missing");
    if (text.size() > kMaxNameBytes) {
        return Status::invalid(subject + quoted(text) + " has " + std::to_string(text.size()) +
                               " characters; at most " + std::to_string(kMaxNameBytes) +
                               " are allowed");
    }
    for (const char c : text) {
        if (is_letter(c) || is_digit(c) || c == '_' || extra.find(c) != extra.npos) continue;
        return Status::invalid(subject + quoted(text) + " contains " + quoted({&c, 1}) +
                               (extra.empty() ? "; only letters, digits and '_' are allowed"
                                              : "; only letters, digits, '_' and '-' are allowed"));
    }
    if (!is_letter(text.front()) && text.front() != '_') {
        return Status::invalid(subject + quoted(text) + " must begin with a letter or '_'");
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

std::string quoted(std::string_view text) {
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
    for (const Steering& steering : kSteering) {
        if (!matches(steering.pattern, variable)) continue;
        return Status::invalid("the variable " + quoted(variable) + " controls " +
                               std::string(steering.what) + " and may not hold a secret");
    }
    return Status();
}

Status check_identifier(std::string_view what, std::string_view text, std::size_t most) {
    const std::string kind(what);
    if (text.empty()) return Status::invalid("a " + kind + " is missing");
    if (text.size() > most) {
        return Status::invalid("a " + kind + " has " + std::to_string(text.size()) +
                               " characters; at most " + std::to_string(most) + " are allowed");
    }
    if (!is_letter(text.front()) && !is_digit(text.front())) {
        return Status::invalid("the " + kind + " " + quoted(text) +
                               " must begin with a letter or a digit");
    }
    for (const char c : text) {
        if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' && c != '-') {
            return Status::invalid("the " + kind + " " + quoted(text) + " contains " +
                                   quoted({&c, 1}) +
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
            quoted(name) +
            " is not a valid Slurm account name: it contains a space or a character "
            "that is not printable ASCII");
    }
    return Status();
}

Status check_secret_name(std::string_view name) {
    if (Status why = check_word("the secret's name", name, "-"); !why.ok()) return why;
    if (Status why = check_variable_name(variable_for(name)); !why.ok()) {
        return Status::invalid("invalid secret name " + quoted(name) + ": " + why.message());
    }
    return Status();
}

}  // namespace secrets
