#pragma once

#include <chrono>
#include <map>
#include <string>

namespace secrets::audit {

/// Writes down who was refused over the network: once for each address within a minute, and within
/// it of 4096 addresses at most. Not thread-safe.
class RefusedAddresses {
  public:
    /// `who`: what is at these addresses, as in "a client".
    explicit RefusedAddresses(std::string who) : who_(std::move(who)) {}

    void note(const std::string& address, const std::string& why);

  private:
    std::string who_;
    std::map<std::string, std::chrono::steady_clock::time_point> noted_;
};

}  // namespace secrets::audit
