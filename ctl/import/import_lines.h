// SPDX-License-Identifier: Apache-2.0
#pragma once
// .env files and lines of shell scripts; import_text.h describes the accepted syntax.

#include "ctl/import/import_text.h"

namespace secrets::ctl {

/// Reads like read_import(), but does not report missing names.
ImportedSecrets read_import_lines(std::string_view text, const std::string& source,
                                  const ImportChoice& choice, Choosing choosing);

}  // namespace secrets::ctl
