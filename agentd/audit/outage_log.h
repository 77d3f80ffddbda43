// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace secrets::audit {

/// Something that is asked again and again, and may fail for long. Writes down when that begins and
/// when it is over, and not how it goes on. Not thread-safe.
class OutageLog {
  public:
    /// `sentence`: what to say when it begins, with the reason behind it. `mended`: when it is
    /// over.
    OutageLog(std::string sentence, std::string mended);

    /// How it went now; an empty reason: well.
    void note(const std::string& why);

  private:
    std::string sentence_;
    std::string mended_;
    bool lasts_ = false;
};

}  // namespace secrets::audit
