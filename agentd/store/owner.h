// SPDX-License-Identifier: Apache-2.0
#pragma once
// The owner of a stored secret: a user or a workspace.

#include <compare>
#include <string>

#include "common/base/ids.h"

namespace secrets::store {

/// Holds a user's uid or a workspace's name. The other one is empty.
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
