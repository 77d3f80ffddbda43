// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reader of Nextflow's own store of secrets, store.json.

#include "ctl/import/import_text.h"

namespace secrets::ctl {

/// Reads like read_import(), but does not report missing names.
ImportedSecrets read_import_store(std::string_view text, const std::string& source,
                                  const ImportChoice& choice,
                                  Choosing choosing = Choosing::offered);

}  // namespace secrets::ctl
