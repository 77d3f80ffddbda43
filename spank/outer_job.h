// SPDX-License-Identifier: Apache-2.0
#pragma once
// The job around a command that submits: the secrets that it was given, and what its script did
// with their variables since. Values must not leave with the environment that Slurm captures:
// slurmctld would write them to its disk.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/plugin_arguments.h"
#include "common/base/secret_spec.h"
#include "common/ipc/marker.h"
#include "spank/command_line.h"

namespace secrets::spank {

class ValueFinder;

/// A variable that the job was given.
struct OuterVariable {
    enum class State { unchanged, changed, unset };

    std::string variable;
    MarkKind kind = MarkKind::named;
    State state = State::unchanged;
};

/// A variable of the script's own that holds a secret.
struct Holder {
    std::string variable;
    std::string of;                   ///< the variable that the job was given the secret in
    MarkKind kind = MarkKind::value;  ///< of what it holds
};

/// A secret of the job that is in a text.
struct Contained {
    std::string name;      ///< the variable that the job was given it in; a held secret's own name
    bool is_held = false;  ///< no variable has it: the job reads it from its agent
};

/// Tells where the environment of a process differs from what its job was given. Holds no value.
class OuterJob {
  public:
    /// Reads this process's environment, and inside a job that was given secrets asks the agent
    /// what the job holds now.
    static OuterJob read(const PluginArguments& arguments);

    /// Reads `environment`, which ends with a null pointer. `marker` is null if there is none, and
    /// was not in the environment if it `is_from_agent`; `set` are the names in SLURM_SECRETS_SET,
    /// and `from_agent` has what the job holds now, under a key of its own.
    OuterJob(const char* const* environment, std::optional<Marker> marker, bool is_from_agent,
             const std::vector<std::string>& set, Marker from_agent = {});

    /// Empty outside of jobs that were given secrets.
    const std::vector<OuterVariable>& variables() const { return variables_; }
    /// The secret spec of the job; empty if unknown.
    const std::string& spec() const { return spec_; }
    /// Variables whose whole value is that of one that the job was given.
    const std::vector<Holder>& copies() const { return copies_; }
    /// Variables that hold a secret among other text.
    const std::vector<Holder>& holders() const { return holders_; }

    /// Why a secret of the job may be in the environment unrecognized; empty if none may.
    const std::string& why_unknown() const { return why_unknown_; }

    /// Returns a secret of the job that is in one of the texts, as a value or a content.
    std::optional<Contained> contained_in(std::span<const std::string_view> texts) const;

    /// Removes from this process's environment what the job was given.
    void remove_given() const;

  private:
    void read_variable(std::string_view name, std::string_view value, const ValueFinder& finder,
                       const ValueFinder& agent_finder);
    bool is_coincidence(const MarkedVariable& from_agent) const;
    bool is_value_of_now(std::string_view name, std::string_view value) const;
    OuterVariable* find(std::string_view name);

    std::optional<Marker> marker_;
    Marker from_agent_;
    std::size_t marked_ = 0;  ///< the number of the marker's variables, without what it reads
    std::string spec_;
    std::string why_unknown_;
    std::vector<OuterVariable> variables_;  ///< first those of the marker, in its order
    std::vector<Holder> copies_;
    std::vector<Holder> holders_;
};

}  // namespace secrets::spank
