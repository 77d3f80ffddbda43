// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's plugin interface, included in one way by all files of the plugin. Its declarations are
// visible outside the plugin; all others are hidden (-fvisibility=hidden, exports.map).

#pragma GCC visibility push(default)
extern "C" {
#include <slurm/spank.h>
}
#pragma GCC visibility pop
