#pragma once
// Slurm's plugin interface, included in one way by all files of the plugin.

extern "C" {
#include <slurm/spank.h>
}
