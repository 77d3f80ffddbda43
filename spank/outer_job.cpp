// SPDX-License-Identifier: Apache-2.0
#include "spank/outer_job.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "common/base/names.h"
#include "common/base/secret_spec.h"
#include "spank/marker_request.h"
#include "spank/value_finder.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

using State = OuterVariable::State;

/// Returns the variables that SLURM_SECRETS_SET lists. Even a forged list names none that a secret
/// could not have set.
std::vector<std::string> names_in(const char* list) {
    std::vector<std::string> names;
    std::string_view rest = list != nullptr ? list : "";
    while (!rest.empty()) {
        const std::string_view name = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        if (check_variable_name(name).ok()) names.emplace_back(name);
    }
    return names;
}

/// How long the command waits for the agent: a person may wait.
constexpr auto kPatience = std::chrono::milliseconds(1000);
constexpr auto kShortPatience = std::chrono::milliseconds(200);

/// Tells whether a job with this spec reads values of which the marker of its tasks has nothing.
bool requests_held(const std::string& text) {
    const auto parsed = parse_spec(text);
    if (!parsed.ok()) return false;
    const auto& items = parsed.spec()->items;
    return std::any_of(items.begin(), items.end(),
                       [](const SpecItem& item) { return item.form == ItemForm::hold; });
}

}  // namespace

OuterJob OuterJob::read(const PluginArguments& arguments) {
    const char* text = getenv(kMarkerVariable);
    auto marker = text != nullptr ? parse_marker(text) : std::nullopt;
    const bool is_stripped = !marker;
    // A job without secrets has neither variable, but its id. So has a shell that was attached to a
    // job, and read what that requested.
    const bool is_suspect = getenv("SLURM_JOB_ID") == nullptr || getenv(kSpecVariable) != nullptr ||
                            getenv(kSetVariable) != nullptr;
    const bool is_certain_to_read = marker && requests_held(marker->spec);
    MarkerAnswer answer;
    // A process may have read what another step of its job requested, or a value as it is now. A
    // job that requested nothing must not notice that its agent does not answer.
    answer = request_marker(arguments.job_socket,
                            is_stripped && !is_suspect ? kShortPatience : kPatience);
    Marker from_agent = answer.marker ? *answer.marker : Marker();
    if (is_stripped && answer.marker) {
        marker = std::move(answer.marker);
        // A step that requested nothing passes nothing on of what its job was given.
        if (!is_suspect) *marker = Marker{marker->key, "", {}};
    }
    OuterJob job(environ, std::move(marker), is_stripped && is_suspect,
                 names_in(getenv(kSetVariable)), std::move(from_agent));
    if (is_stripped ? is_suspect : is_certain_to_read)
        job.why_unknown_ = std::move(answer.why_unknown);
    return job;
}

OuterJob::OuterJob(const char* const* environment, std::optional<Marker> marker, bool is_from_agent,
                   const std::vector<std::string>& set, Marker from_agent)
    : marker_(std::move(marker)), from_agent_(std::move(from_agent)) {
    if (marker_) {
        spec_ = marker_->spec;
        // A variable that is missing together with the marker was hardly unset on purpose.
        const State missing = is_from_agent ? State::unchanged : State::unset;
        for (const MarkedVariable& marked : marker_->variables) {
            if (is_read(marked.kind)) break;
            variables_.push_back({marked.variable, marked.kind, missing});
        }
        marked_ = variables_.size();
    }
    for (const std::string& name : set) {
        if (find(name) == nullptr) variables_.push_back({name, MarkKind::named, State::unchanged});
    }
    if (!marker_) return;
    const ValueFinder finder(*marker_);
    const ValueFinder agent_finder(from_agent_);
    for (; *environment != nullptr; ++environment) {
        const std::string_view entry(*environment);
        const auto equals = entry.find('=');
        if (equals == entry.npos || equals == 0) continue;
        read_variable(entry.substr(0, equals), entry.substr(equals + 1), finder, agent_finder);
    }
}

/// Tells whether the marker of the tasks knows a value by its variable's name only, since other
/// variables held the same text before. The agent knows no environment.
bool OuterJob::is_coincidence(const MarkedVariable& from_agent) const {
    const auto is_named = [&](const MarkedVariable& own) {
        return own.kind == MarkKind::named && own.variable == from_agent.variable;
    };
    return from_agent.kind != MarkKind::held &&
           std::any_of(marker_->variables.begin(), marker_->variables.end(), is_named);
}

/// Tells whether the variable has its secret's value of now, as `secretctl exec` sets it.
bool OuterJob::is_value_of_now(std::string_view name, std::string_view value) const {
    const auto is_it = [&](const MarkedVariable& marked) {
        return !is_read(marked.kind) && marked.variable == name &&
               marked.digest == digest_of(from_agent_.key, std::as_bytes(std::span(value)));
    };
    return std::any_of(from_agent_.variables.begin(), from_agent_.variables.end(), is_it);
}

OuterVariable* OuterJob::find(std::string_view name) {
    const auto found =
        std::find_if(variables_.begin(), variables_.end(),
                     [&](const OuterVariable& variable) { return variable.variable == name; });
    return found != variables_.end() ? &*found : nullptr;
}

void OuterJob::read_variable(std::string_view name, std::string_view value,
                             const ValueFinder& finder, const ValueFinder& agent_finder) {
    if (name == kMarkerVariable) return;
    OuterVariable* const given = find(name);
    const auto index = static_cast<std::size_t>(given - variables_.data());
    if (given != nullptr && index < marked_) {
        if (digest_of(marker_->key, std::as_bytes(std::span(value))) ==
                marker_->variables[index].digest ||
            is_value_of_now(name, value)) {
            given->state = State::unchanged;
            return;
        }
        given->state = State::changed;
    }
    const auto holder_of = [&](const MarkedVariable& marked) {
        return Holder{std::string(name), marked.variable, marked.kind};
    };
    if (const auto equal = finder.equal_to(value)) {
        copies_.push_back(holder_of(marker_->variables[*equal]));
    } else if (const auto within = finder.within(value)) {
        holders_.push_back(holder_of(marker_->variables[*within]));
    } else {
        agent_finder.each_within(value, [&](std::size_t mark) {
            const MarkedVariable& marked = from_agent_.variables[mark];
            if (is_coincidence(marked)) return true;
            holders_.push_back(holder_of(marked));
            return false;
        });
    }
}

std::optional<Contained> OuterJob::contained_in(std::span<const std::string_view> texts) const {
    if (!marker_) return std::nullopt;
    std::optional<Contained> contained;
    for (const Marker* marker : std::initializer_list<const Marker*>{&*marker_, &from_agent_}) {
        const ValueFinder finder(*marker);
        for (const std::string_view text : texts) {
            finder.each_within(text, [&](std::size_t mark) {
                const MarkedVariable& marked = marker->variables[mark];
                if (marker == &from_agent_ && is_coincidence(marked)) return true;
                contained = Contained{marked.variable, marked.kind == MarkKind::held};
                return false;
            });
            if (contained) return contained;
        }
    }
    return std::nullopt;
}

void OuterJob::remove_given() const {
    for (const OuterVariable& given : variables_) {
        if (given.state == State::unchanged) unsetenv(given.variable.c_str());
    }
    unsetenv(kMarkerVariable);
    unsetenv(kSetVariable);
}

}  // namespace secrets::spank
