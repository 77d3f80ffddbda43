// SPDX-License-Identifier: Apache-2.0
#pragma once
// Proves to the page that the process which served it still listens. After that process has ended
// another user may listen at its port, and would get the next value that is set.

#include <string>
#include <string_view>

#include "ctl/web/random_word.h"

namespace secrets::ctl::web {

/// A key that the page has from its HTML. Before the page sends a text, it sends a word of its own
/// and compares the answer. Not thread-safe.
class Proof {
  public:
    Proof() : key_(random_word()) {}

    /// Returns the HTML of the page with the key in its place.
    std::string with_key(std::string html) const;

    /// Returns the HTML of a page that needs no proof: at a Unix socket, in a folder of the user's.
    static std::string without_key(std::string html);

    /// Returns the keyed hash (HMAC-SHA256, as hexadecimal digits) of the word.
    std::string of(std::string_view word) const;

  private:
    std::string key_;
};

}  // namespace secrets::ctl::web
