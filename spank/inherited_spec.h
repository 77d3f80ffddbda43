// SPDX-License-Identifier: Apache-2.0
#pragma once
// The secret spec of a command inside a job: the job's, but for what the job's script did itself.

#include <string>
#include <string_view>
#include <vector>

#include "common/base/secret_spec.h"
#include "spank/options.h"
#include "spank/outer_job.h"

namespace secrets::spank {

/// Merges this command's options with the inherited secret spec, both as text. An inner command
/// that names secrets narrows what its job's run and workspace give.
std::string combine(const Options& own, const std::string& inherited);

/// Whether the spec, resolved, may set the variable.
bool may_set(const SecretSpec& spec, std::string_view variable);

/// Makes the spec leave alone the variables.
void leave_out(SecretSpec& spec, const std::vector<std::string>& variables);

/// Removes items that the spec leaves out, which a spec without items cannot say.
void shorten(SecretSpec& spec);

/// What the script's own doing changes in a spec.
struct ScriptEdits {
    std::vector<std::string> changed;  ///< left out: the script's values hold
    std::vector<std::string> unset;    ///< left out: the script removed them
    std::vector<std::string> copied;   ///< set from the secret anew
};

/// Edits `spec` for a command whose options are `own`: an inherited spec leaves out what the script
/// changed or unset. A copy of a secret that the spec requests is requested as well, so that its
/// value need not travel.
ScriptEdits apply_script(SecretSpec& spec, const OuterJob& outer, const Options& own);

}  // namespace secrets::spank
