// SPDX-License-Identifier: Apache-2.0
#include "common/base/ids.h"

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets {

StatusOr<RunId> RunId::parse(std::string_view text) {
    if (Status why = check_identifier("run id", text, kMaxRunIdBytes); !why.ok()) return why;
    return RunId(text);
}

std::string step_word(StepId step) {
    switch (step.value) {  // slurm.h: SLURM_BATCH_SCRIPT and related constants
        case 0xfffffffa:
            return "interactive";
        case 0xfffffffb:
            return "batch";
        case 0xfffffffc:
            return "extern";
        default:
            return std::to_string(step.value);
    }
}

}  // namespace secrets
