// SPDX-License-Identifier: Apache-2.0
// The submit side: sbatch, srun and salloc, running as the user. Merges options into the one
// variable SLURM_SECRETS, and removes values that an outer job was given from the environment
// before Slurm captures it. Syntax errors end the command, and so does a secret spec that the agent
// reports can't be granted.

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/secret_spec.h"
#include "spank/command_line.h"
#include "spank/het_groups.h"
#include "spank/inherited_spec.h"
#include "spank/options.h"
#include "spank/outer_job.h"
#include "spank/outer_marks.h"
#include "spank/platform_run_id.h"
#include "spank/plugin.h"
#include "spank/submit_check.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// Begins the variables that sbatch takes for options, such as SBATCH_EXPORT.
constexpr std::string_view kSbatchPrefix = "SBATCH_";

std::string environment_variable(const char* name) {
    const char* value = getenv(name);
    return value != nullptr ? value : "";
}

constexpr char kJobNameVariable[] = "SLURM_JOB_NAME";

/// Returns the name of the job around the command, as it was before Slurm set the variable to the
/// name of the new one.
std::string& outer_job_name() {
    static auto* name = new std::string();
    return *name;
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

/// Returns the value of --job-name or -J; empty without one.
std::string_view job_name_option(std::span<const std::string_view> options) {
    std::string_view name = option_value(options, "--job-name");
    for (std::size_t at = 0; at < options.size(); ++at) {
        if (!options[at].starts_with("-J")) continue;
        name = options[at].size() > 2    ? options[at].substr(2)
               : at + 1 < options.size() ? options[at + 1]
                                         : "";
    }
    return name;
}

/// Returns the text of a spec, which must not be empty in a variable of a component.
std::string or_none(const std::string& text) {
    return text.empty() ? "none" : text;
}

/// One command. Slurm calls the hook once for it, or once for each component of a heterogeneous
/// job; all components share the command's environment, which sbatch captures after the first.
class Submission {
  public:
    explicit Submission(const PluginArguments& arguments)
        : arguments_(arguments),
          is_sbatch_(std::string_view(program_invocation_short_name) == "sbatch"),
          is_srun_(spank_context() == S_CTX_LOCAL),
          outer_(OuterJob::read(arguments)),
          inherited_(environment_variable(kSpecVariable)) {
        // Who unsets the request alone means it; both are gone where all SLURM_* were unset.
        if (inherited_.empty() && getenv(kSetVariable) == nullptr) inherited_ = outer_.spec();
    }

    /// Handles the hook's next call; returns false if the command must end.
    bool add_component();

  private:
    bool check_command_line() const;
    bool check_contained(const std::string& where, const Contained& secret) const;
    void warn_of_unknown_job() const;
    void set_outer(const Options& own) const;
    std::string inherited_by(unsigned group) const;
    std::optional<SecretSpec> request(const Options& own, const std::string& inherited,
                                      ScriptEdits& edits) const;
    bool add_group(const Options& own, unsigned group);
    bool check_command(const Options& own, SecretSpec& spec) const;
    void remove_holders(const SecretSpec& spec, const ScriptEdits& edits) const;
    bool pass_on(unsigned group, const std::string& text);
    void pass_on_following() const;
    bool check_grantable(const SecretSpec& spec) const;
    std::string with_run(const std::string& text, const SecretSpec& spec) const;
    std::string job_name() const;

    PluginArguments arguments_;
    bool is_sbatch_;
    bool is_srun_;
    CommandLine line_{CommandLine::read()};
    OuterJob outer_;
    std::string inherited_;  ///< the secret spec of the job around the command
    unsigned component_ = 0;
    std::string first_text_;  ///< the spec of the first component
    /// The groups of the first component, each with its spec.
    std::vector<std::pair<unsigned, std::string>> first_groups_;
};

bool Submission::add_component() {
    const Options own = take_options();
    if (component_ > 0) line_.next_component(is_srun_);
    line_.set_parsed(optind);
    if (component_ == 0) {
        if (!check_command_line()) return false;
        warn_of_unknown_job();
        outer_.remove_given();
        for (unsigned group = 0; !is_srun_ && group < kMaxHetGroups; ++group)
            unsetenv(group_variable(group).c_str());  // of the job around
    }
    if (component_ == 0 || !own.inherit()) set_outer(own);
    const std::vector<unsigned> groups =
        is_srun_ ? groups_of(line_.options(), component_) : std::vector{component_};
    for (const unsigned group : groups) {
        if (!add_group(own, group)) return false;
    }
    ++component_;
    return true;
}

/// Looks for values where Slurm stores them: on the command line, which has a batch job's options
/// and its wrapped command, and which sacct shows; and in the variables that sbatch takes for
/// options.
bool Submission::check_command_line() const {
    const auto on_line = outer_.contained_in(line_.arguments());
    if (on_line) return check_contained("the command line", *on_line);
    for (char** entry = environ; is_sbatch_ && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (!text.starts_with(kSbatchPrefix)) continue;
        const auto in_variable = outer_.contained_in({&text, 1});
        if (!in_variable) continue;
        const std::string where = "the variable " + std::string(text.substr(0, text.find('=')));
        if (!check_contained(where, *in_variable)) return false;
    }
    return true;
}

/// Says that `where` contains a secret. Returns false if the command must end.
bool Submission::check_contained(const std::string& where, const Contained& secret) const {
    const std::string& name = secret.name;
    const std::string found = where + " contains the value of " + name + ", and Slurm stores it; ";
    if (is_sbatch_ && arguments_.check_at_submit == SubmitCheck::refuse) {
        const std::string remedy = secret.is_held
                                       ? "the job reads it itself: secretctl get " + name
                                       : "the job gets the secret itself, as the variable " + name;
        slurm_error("secrets: cannot submit the job: %s%s", found.c_str(), remedy.c_str());
        return false;
    }
    const std::string remedy =
        secret.is_held ? "let the step read it: secretctl exec --secret=" + name + " -- command"
                       : "read the variable " + name +
                             " in the step instead, as in: sh -c 'command \"$" + name + "\"'";
    slurm_info("secrets: warning: %s%s", found.c_str(), remedy.c_str());
    return true;
}

/// Tells the user if nobody can say which variables hold secrets.
void Submission::warn_of_unknown_job() const {
    if (outer_.why_unknown().empty()) return;
    slurm_info(
        "secrets: warning: cannot tell whether a variable holds a secret of this job, which Slurm "
        "would store: %s; if one does, unset it before %s",
        outer_.why_unknown().c_str(), program_invocation_short_name);
}

/// Tells the step what the job around it was given.
void Submission::set_outer(const Options& own) const {
    std::vector<OuterMark> marks;
    for (const OuterVariable& given : outer_.variables()) {
        const bool is_removed = own.inherit() && given.state == OuterVariable::State::unchanged;
        marks.push_back({given.variable, given.kind, is_removed});
    }
    const std::string text = print_outer_marks(marks);
    if (text.empty()) {
        unsetenv(kOuterVariable);
    } else {
        setenv(kOuterVariable, text.c_str(), 1);
    }
}

std::string Submission::inherited_by(unsigned group) const {
    const std::string of_group = environment_variable(group_variable(group).c_str());
    return of_group.empty() ? inherited_ : of_group;
}

/// Returns what a component requests; nothing if its options are wrong, which has been printed.
std::optional<SecretSpec> Submission::request(const Options& own, const std::string& inherited,
                                              ScriptEdits& edits) const {
    const std::string text = combine(own, inherited);
    auto parsed = text.empty() ? ParsedSpec(SecretSpec()) : parse_spec(text);
    if (const SpecError* error = parsed.error()) {
        say(own.items.empty() ? kSpecVariable : "--secret", text, *error);
        return std::nullopt;
    }
    SecretSpec spec = *parsed.spec();
    const bool is_empty = spec.requests_nothing() && with_run(print_spec(spec), spec) == text;
    if (!is_empty) edits = apply_script(spec, outer_, own);
    return spec;
}

bool Submission::add_group(const Options& own, unsigned group) {
    ScriptEdits edits;
    auto spec = request(own, inherited_by(group), edits);
    if (!spec || !check_command(own, *spec)) return false;
    if (component_ == 0 && first_groups_.empty()) {
        if (!edits.changed.empty()) {
            slurm_info("secrets: %s: changed in this job; the new value is used, not the secret",
                       listed(edits.changed).c_str());
        }
        if (!edits.unset.empty()) {
            slurm_info("secrets: %s: unset in this job; not requested again",
                       listed(edits.unset).c_str());
        }
        remove_holders(*spec, edits);
    }
    return pass_on(group, print_spec(*spec)) && check_grantable(*spec);
}

/// Checks whether this kind of command passes secrets on. Prints why not.
bool Submission::check_command(const Options& own, SecretSpec& spec) const {
    if (spec.none || spec.requests_nothing()) return true;
    const auto options = line_.options();
    const bool is_inherited = own.inherit();
    if (is_sbatch_ && has_option(options, "--export-file", sizeof("--export-f") - 1)) {
        if (!is_inherited) {
            slurm_error(
                "secrets: cannot request secrets with --export-file: it replaces the variable "
                "that holds the request; add SLURM_SECRETS=%s to the file instead%s",
                print_spec(spec).c_str(), kWithExportFile);
            return false;
        }
        slurm_info(
            "secrets: the job gets no secrets of this job: --export-file replaces the "
            "variable SLURM_SECRETS");
    }
    const bool in_container = is_srun_
                                  ? !environment_variable(kContainerVariable).empty()
                                  : has_option(options, "--container", sizeof("--container") - 1);
    if (in_container) {
        if (!is_inherited) {
            slurm_error(
                "secrets: cannot give secrets to a container of --container: Slurm would write "
                "their values to its disk or leave them out; start the container inside the step "
                "instead");
            return false;
        }
        slurm_info("secrets: the container of --container gets no secrets");
        spec = SecretSpec::nothing();
    }
    if (!is_srun_ && !is_sbatch_ && has_option(options, "--no-shell", sizeof("--no-s") - 1)) {
        slurm_info(
            "secrets: an allocation of --no-shell does not remember secrets; request them "
            "for each step: srun --jobid=JOB --secret=NAME");
    }
    return true;
}

/// Removes variables of the script's own that hold a secret, except where a step of this job gets
/// them directly. A copy whose secret is requested is set anew in the job.
void Submission::remove_holders(const SecretSpec& spec, const ScriptEdits& edits) const {
    for (const std::string& variable : edits.copied) unsetenv(variable.c_str());
    if (is_srun_ && !spec.none) return;
    std::vector<std::string> removed;
    for (const auto* holders : {&outer_.copies(), &outer_.holders()}) {
        for (const Holder& holder : *holders) {
            if (getenv(holder.variable.c_str()) == nullptr || holder.kind == MarkKind::path)
                continue;
            unsetenv(holder.variable.c_str());
            removed.push_back(holder.variable + " (holds " + holder.of + ")");
        }
    }
    if (!removed.empty()) {
        slurm_info(
            "secrets: %s: not passed on, since Slurm would store the secret; set it in the "
            "job's script instead",
            listed(removed).c_str());
    }
}

/// Puts the request of a component where its steps find it.
bool Submission::pass_on(unsigned group, const std::string& text) {
    const auto set = [](const std::string& variable, const std::string& value) {
        return setenv(variable.c_str(), or_none(value).c_str(), 1) == 0;
    };
    bool is_set = true;
    if (component_ == 0) {
        first_groups_.emplace_back(group, text);
        first_text_ = first_groups_.front().second;
        if (!first_text_.empty()) is_set = set(kSpecVariable, first_text_);
        if (is_sbatch_) pass_on_following();
        if (is_srun_ && getenv("SLURM_HET_SIZE") != nullptr) set(group_variable(group), text);
    } else if (is_sbatch_) {
        std::string passed = environment_variable(group_variable(group).c_str());
        if (passed.empty()) passed = first_text_;
        if (or_none(passed) != or_none(text)) {
            slurm_error(
                "secrets: cannot request secrets for component %u of a heterogeneous job in the "
                "script: sbatch does not pass the request on; name the options of all components "
                "on the command line, or request the secrets for each step: srun --het-group=%u "
                "--secret=NAME",
                group, group);
            return false;
        }
    } else {
        if (component_ == 1) {
            for (const auto& [first, text_of_first] : first_groups_)
                set(group_variable(first), text_of_first);
        }
        is_set = set(group_variable(group), text);
    }
    if (!is_set) slurm_error("secrets: cannot set the variable %s", kSpecVariable);
    return is_set;
}

/// Puts the requests of all components of the command line into the environment while sbatch has
/// parsed only the first: it runs the script with the environment of that moment.
void Submission::pass_on_following() const {
    unsigned group = 0;
    for (const auto& arguments : line_.following()) {
        ++group;
        ScriptEdits edits;
        const Options own = options_in(arguments);
        const auto parsed = parse_spec(combine(own, inherited_));
        SecretSpec spec = parsed.ok() ? *parsed.spec() : SecretSpec();
        apply_script(spec, outer_, own);
        const std::string text = print_spec(spec);
        if (text != first_text_) setenv(group_variable(group).c_str(), or_none(text).c_str(), 1);
    }
}

/// Asks the agent whether it would grant the job's secret spec; returns false if the command must
/// end. Skipped for root, who may submit for others.
bool Submission::check_grantable(const SecretSpec& spec) const {
    const SecretSpec bare = spec.request();
    if (arguments_.check_at_submit == SubmitCheck::off || bare.none || bare.requests_nothing() ||
        getuid() == 0) {
        return true;
    }
    const auto why = why_not_submit(arguments_.job_socket, with_run(print_spec(bare), bare));
    if (!why) return true;
    if (arguments_.check_at_submit == SubmitCheck::warn) {
        slurm_info("warning: %s", why->c_str());
        return true;
    }
    slurm_error("%s", why->c_str());
    return false;
}

/// Returns the text of the spec, with the run that a platform's variable or the job's name may
/// have.
std::string Submission::with_run(const std::string& text, const SecretSpec& spec) const {
    return with_run_of_platform(text, spec, arguments_, [this](const char* name) {
        return std::string_view(name) == kJobNameVariable ? job_name() : environment_variable(name);
    });
}

/// Returns the name of the job that gets the secrets; empty if it is not known yet. A new job does
/// not have the name of the job around it, which it inherits as a variable, unless an option says
/// so.
std::string Submission::job_name() const {
    const auto options = line_.options();
    const std::string_view option = job_name_option(options);
    // srun and salloc set the variable only later.
    if (!is_sbatch_ && !option.empty()) return std::string(option);
    std::string name = environment_variable(kJobNameVariable);
    if (is_srun_ || getenv("SLURM_JOB_ID") == nullptr || name != outer_job_name()) return name;
    const bool is_named =
        !option.empty() || has_option(options, "--job-name", sizeof("--job-") - 1);
    return is_named ? name : "";
}

}  // namespace

void before_options() {
    outer_job_name() = environment_variable(kJobNameVariable);
}

int on_submit(const PluginArguments& arguments) {
    // Not destroyed at exit, since Slurm may unload the plugin before.
    static auto* submission = new Submission(arguments);
    return submission->add_component() ? ESPANK_SUCCESS : -1;
}

}  // namespace secrets::spank
