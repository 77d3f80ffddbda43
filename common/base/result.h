#pragma once
// Errors as values. common/ and spank/ are built without exceptions: slurmstepd loads them.

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace secrets {

/// What went wrong, as one sentence for the person who can mend it: what, where, what to do.
/// Never holds a byte of a value.
struct Error {
    std::string sentence;
};

/// A T or the Error that kept it from being. Reading the one that is not there ends the process, so
/// ask ok() first.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return *std::get_if<0>(&state_); }
    const T& value() const& { return *std::get_if<0>(&state_); }
    T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }

    const Error& error() const { return *std::get_if<1>(&state_); }

  private:
    std::variant<T, Error> state_;
};

/// For what succeeds with nothing to hand back: empty is success.
using Failure = std::optional<Error>;

}  // namespace secrets
