// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agentd/vault/kept_word.h"
#include "common/base/limits.h"

namespace secrets::node {

/// What begins this node's name in the FdStore.
inline constexpr const char* kNodeName = "node-";

/// This node's name for hubs. Slurm's own name comes with each step's request, and is kept for the
/// next process, whose restored grants are of that name. Until the first one the name is hub.node,
/// or the short host name, which may be another one. Copies share the name.
class NodeName {
  public:
    NodeName(std::string assumed,  // NOLINT(google-explicit-constructor)
             vault::FdStore* keeper = nullptr)
        : name_(std::make_shared<Name>(std::move(assumed), vault::KeptWord(kNodeName, keeper))) {}
    NodeName(const char* assumed) : NodeName(std::string(assumed)) {}  // NOLINT

    /// Goes on with the name that the previous process kept.
    void take_over(const std::vector<std::string>& found) {
        name_->kept.take_over(found);
        if (!name_->kept.text().empty()) name_->text = name_->kept.text();
    }
    /// Sets the name that Slurm gives; ignores an empty one, from a plugin that does not send it.
    void learn(const std::string& name) {
        if (name.empty() || name.size() > kMaxNodeNameBytes) return;
        name_->text = name;
        name_->kept.keep(name);
    }
    const std::string& text() const { return name_->text; }

  private:
    struct Name {
        Name(std::string assumed, vault::KeptWord word)
            : text(std::move(assumed)), kept(std::move(word)) {}
        std::string text;
        vault::KeptWord kept;
    };
    std::shared_ptr<Name> name_;
};

}  // namespace secrets::node
