// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin's command-line options.

#include <string>

#include "common/base/secret_spec.h"

namespace secrets::spank {

/// The values of the options of one command, or of one component of a heterogeneous job.
struct Options {
    std::string items;  ///< of all --secret options, separated by commas
    std::string run;
    std::string workspace;
    bool none = false;

    bool empty() const { return items.empty() && run.empty() && workspace.empty() && !none; }
    /// Whether the secret spec of the job around this command applies, too.
    bool inherit() const { return items.empty() && run.empty() && !none; }
};

/// Returns the options that Slurm has passed to the plugin since the last call.
Options take_options();

/// Prints an error in `text`, the value of `option`, and marks its position.
void say(const char* option, const std::string& text, const SpecError& error);

}  // namespace secrets::spank
