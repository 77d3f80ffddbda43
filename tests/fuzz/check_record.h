// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/vault/slab.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {

/// What reads as a record lies inside the payload and writes the same payload again. Whether it
/// reads.
bool check_record(vault::RecordType type, Bytes payload);

}  // namespace secrets::fuzz
