// SPDX-License-Identifier: Apache-2.0
#pragma once
// Nextflow's own store of secrets, store.json.

#include "ctl/import/import_text.h"

namespace secrets::ctl {

/// As read_import(), but nothing is said about names that are not there.
ImportedSecrets read_import_store(std::string_view text, const std::string& source,
                                  const std::vector<std::string>& only);

}  // namespace secrets::ctl
