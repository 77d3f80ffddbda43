// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

namespace secrets {

/// Runs a function at the end of its scope, even if an exception ends the scope, as in a coroutine.
template <typename Function>
class [[nodiscard]] ScopeExit {
  public:
    explicit ScopeExit(Function function) : function_(std::move(function)) {}
    ~ScopeExit() { function_(); }
    ScopeExit(const ScopeExit&) = delete;
    ScopeExit& operator=(const ScopeExit&) = delete;

  private:
    Function function_;
};

}  // namespace secrets
