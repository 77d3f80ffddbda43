// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secrets from the text of a file that the user chose: names for a preview, then one by one.

#include <cstddef>

#include "ctl/web/answers.h"

namespace secrets::ctl::web {

struct ApiCall;

/// The longest text that is imported, in bytes: several hundred secrets.
inline constexpr std::size_t kLongestImport = 1024 * 1024;

/// Answers with the names, sizes and positions of the secrets in the text, and never with a value.
/// The parameter `source` names the text in sentences.
SiteAnswer preview_import(const ApiCall& call);

/// Sets one secret of the text: the user's own NAME, or that of WORKSPACE/NAME. The parameter
/// `expires` is a duration, such as 30d.
SiteAnswer import_secret(const ApiCall& call);

}  // namespace secrets::ctl::web
