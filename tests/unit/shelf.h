// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stand-in for systemd's descriptor store, which holds slabs for the next process: duplicates of
// descriptors, by name.

#include <fcntl.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agentd/vault/vault.h"

namespace secrets::vault {

class Shelf : public FdStore {
  public:
    bool deaf = false;   ///< every call of keep() fails
    bool stuck = false;  ///< every call of forget() fails
    /// Called with each name before it is forgotten.
    std::function<void(const std::string&)> on_forget = [](const std::string&) {};

    bool keep(const std::string& name, int fd) override {
        if (deaf) return false;
        kept_[name] = UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
        return true;
    }
    bool forget(const std::string& name) override {
        on_forget(name);
        if (stuck) return false;
        kept_.erase(name);
        return true;
    }

    std::vector<FoundSlab> hand_out() const {
        std::vector<FoundSlab> found;
        for (const auto& [name, fd] : kept_) {
            found.push_back({name, UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0))});
        }
        return found;
    }
    std::size_t size() const { return kept_.size(); }
    const std::map<std::string, UniqueFd>& all() const { return kept_; }
    int fd(const std::string& name) const { return kept_.at(name).get(); }

  private:
    std::map<std::string, UniqueFd> kept_;
};

}  // namespace secrets::vault
