// SPDX-License-Identifier: Apache-2.0
#pragma once
// What shows the page that it still talks with the process that served it. After that has ended
// another user may listen at its port, and would get the next value that is set.

#include <string>
#include <string_view>

namespace secrets::ctl::web {

/// Returns 256 random bits as hexadecimal digits. Throws CommandError if the kernel gives none.
std::string random_word();

/// A key that the page has from its HTML. Before the page sends a text, it sends a word of its own
/// and compares the answer. Not thread-safe.
class Proof {
  public:
    Proof() : key_(random_word()) {}

    /// Returns the HTML of the page with the key in its place.
    std::string with_key(std::string html) const;

    /// Returns the keyed hash (HMAC-SHA256, as hexadecimal digits) of the word.
    std::string of(std::string_view word) const;

  private:
    std::string key_;
};

}  // namespace secrets::ctl::web
