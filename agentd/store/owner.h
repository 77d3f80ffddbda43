// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose a kept secret is: a user's own, or a workspace's.

#include <compare>
#include <string>

#include "common/base/ids.h"

namespace secrets::store {

/// A user by uid, or a workspace by name: the other one is empty.
class Owner {
  public:
    static Owner user(Uid uid) { return Owner(uid, ""); }
    static Owner workspace_named(std::string name) { return {Uid{}, std::move(name)}; }

    bool is_workspace() const { return !workspace_.empty(); }
    Uid uid() const { return uid_; }
    const std::string& workspace() const { return workspace_; }
    auto operator<=>(const Owner&) const = default;

  private:
    Owner(Uid uid, std::string workspace) : uid_(uid), workspace_(std::move(workspace)) {}

    Uid uid_;
    std::string workspace_;
};

}  // namespace secrets::store
