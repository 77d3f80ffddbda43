// SPDX-License-Identifier: Apache-2.0
#pragma once
// Searches text for the values that a marker has the hashes of.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "common/ipc/marker.h"

namespace secrets::spank {

/// One pass over a text costs about a nanosecond a byte, however many values the marker has. Copies
/// no byte of the text. The marker must outlive the finder.
class ValueFinder {
  public:
    explicit ValueFinder(const Marker& marker);

    /// Returns the index in the marker of a variable whose whole value is `text`. Values that are
    /// known by their variables' names only are not found.
    std::optional<std::size_t> equal_to(std::string_view text) const;

    /// Returns the index of a variable whose value or content, a secret, is somewhere in `text`.
    std::optional<std::size_t> within(std::string_view text) const;

    /// Calls `found` with the index of each variable whose value or content, a secret, is somewhere
    /// in `text`, until `found` returns false.
    void each_within(std::string_view text, const std::function<bool(std::size_t)>& found) const;

  private:
    bool is_at(const MarkedVariable& marked, std::string_view text, std::size_t at) const;

    const Marker& marker_;
    std::vector<std::uint64_t> starts_;  ///< a bit for each possible hash of a start
};

}  // namespace secrets::spank
