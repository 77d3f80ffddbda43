// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was probably meant.

#include <string>
#include <string_view>
#include <vector>

namespace secrets::ctl {

/// Changes of one letter (another, one more, one less, two exchanged) from one word to the other.
std::size_t typing_distance(std::string_view from, std::string_view to);

/// The one of `words` that `word` is a slip of, or begins; empty when there is none.
std::string nearest(std::string_view word, const std::vector<std::string>& words);

}  // namespace secrets::ctl
