// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace secrets::audit {

/// Logs the outages of a service that is called again and again and may fail for long: the
/// beginning and the end of each outage, and not its course. Not thread-safe.
class OutageLog {
  public:
    /// `sentence` is logged when an outage begins, with the reason appended. `mended` is logged
    /// when it has ended.
    OutageLog(std::string sentence, std::string mended);

    /// Notes the outcome of a call; an empty reason means success.
    void note(const std::string& why);

  private:
    std::string sentence_;
    std::string mended_;
    bool lasts_ = false;
};

}  // namespace secrets::audit
