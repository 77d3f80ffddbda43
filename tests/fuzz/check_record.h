// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/vault/slab.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {

/// Checks that all parts of a readable record lie inside the payload, and that the record writes
/// the same payload again. Returns whether the payload is a readable record.
bool check_record(vault::RecordType type, Bytes payload);

}  // namespace secrets::fuzz
