// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "common/base/limits.h"

namespace secrets::node {

/// This node's name for hubs. Slurm's own name comes with each step's request; until the first one
/// the name is hub.node, or the short host name, which may be another one. Copies share the name.
class NodeName {
  public:
    NodeName(std::string assumed)  // NOLINT(google-explicit-constructor)
        : name_(std::make_shared<std::string>(std::move(assumed))) {}
    NodeName(const char* assumed) : NodeName(std::string(assumed)) {}  // NOLINT

    /// Sets the name that Slurm gives; ignores an empty one, from a plugin that does not send it.
    void learn(const std::string& name) {
        if (!name.empty() && name.size() <= kMaxNodeNameBytes) *name_ = name;
    }
    const std::string& text() const { return *name_; }

  private:
    std::shared_ptr<std::string> name_;
};

}  // namespace secrets::node
