#pragma once

#include <utility>

namespace secrets::doors {

/// Runs a function at the end of a scope, however that comes: a coroutine may be left by an
/// exception.
template <typename Function>
class AtEnd {
  public:
    explicit AtEnd(Function function) : function_(std::move(function)) {}
    ~AtEnd() { function_(); }
    AtEnd(const AtEnd&) = delete;
    AtEnd& operator=(const AtEnd&) = delete;

  private:
    Function function_;
};

}  // namespace secrets::doors
