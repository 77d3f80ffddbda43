#pragma once

#include <utility>

namespace secrets {

/// Runs a function at the end of its scope, however that comes: a coroutine's scope may end by an
/// exception, too.
template <typename Function>
class [[nodiscard]] AtEnd {
  public:
    explicit AtEnd(Function function) : function_(std::move(function)) {}
    ~AtEnd() { function_(); }
    AtEnd(const AtEnd&) = delete;
    AtEnd& operator=(const AtEnd&) = delete;

  private:
    Function function_;
};

}  // namespace secrets
