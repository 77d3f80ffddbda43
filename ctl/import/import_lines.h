// SPDX-License-Identifier: Apache-2.0
#pragma once
// .env files and lines of shell scripts; see import_text.h for what is taken.

#include "ctl/import/import_text.h"

namespace secrets::ctl {

/// As read_import(), but nothing is said about names that are not there.
ImportedSecrets read_import_lines(std::string_view text, const std::string& source,
                                  const std::vector<std::string>& only);

}  // namespace secrets::ctl
