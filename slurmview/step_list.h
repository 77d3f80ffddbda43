// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string_view>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::slurmview {

/// Returns the jobs in slurmd's list of its steps, such as "7.0, 8, 9+1.0", where 8 is a batch
/// step; NONE is an empty list. Returns a Status for any other text: a step that is overlooked may
/// cost a job its secrets.
StatusOr<std::set<JobId>> jobs_in_step_list(std::string_view list);

}  // namespace secrets::slurmview
