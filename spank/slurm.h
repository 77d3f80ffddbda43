// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's plugin interface, included in one way by all files of the plugin. Its declarations are
// visible outside the plugin; all others are hidden (-fvisibility=hidden, exports.map).

#pragma GCC visibility push(default)
extern "C" {
#include <slurm/spank.h>
}
#pragma GCC visibility pop

namespace secrets::spank {

/// What else a user of `sbatch --export-file` must do for Slurm to pass the file on: 26.05 and
/// later ignore it without --export.
inline constexpr const char* kWithExportFile =
    SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(26, 5, 0) ? ", and use --export=ALL" : "";

}  // namespace secrets::spank
