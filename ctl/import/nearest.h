// SPDX-License-Identifier: Apache-2.0
#pragma once
// Suggestions for mistyped words.

#include <string>
#include <string_view>
#include <vector>

namespace secrets::ctl {

/// Returns the number of changes of one letter (another, one more, one less, two exchanged) from
/// one word to the other.
std::size_t typing_distance(std::string_view from, std::string_view to);

/// Returns the one of `words` that `word` abbreviates or misspells; empty if there is none.
std::string nearest(std::string_view word, const std::vector<std::string>& words);

}  // namespace secrets::ctl
