// SPDX-License-Identifier: Apache-2.0
#pragma once
// The only way to report an error: Status, or StatusOr for functions that return a value. common/
// and spank/ are built without exceptions (slurmstepd loads them), and no code of this project
// throws to return a result.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

namespace secrets {

/// Classifies an error for the code that maps it further, as agentd/api/handlers.cpp does to an
/// HTTP status.
enum class StatusCode : std::uint8_t {
    ok,
    invalid_argument,     ///< the request is malformed
    permission_denied,    ///< the principal may not do that
    not_found,            ///< no object of that name is visible to this principal
    conflict,             ///< the request contradicts existing data
    failed_precondition,  ///< the caller's precondition does not hold
    too_large,            ///< the request exceeds a size limit
    resource_exhausted,   ///< the request exceeds a limit on a count
    unavailable,          ///< cannot be done or known now; the same request may succeed later
    pending,              ///< as unavailable, while a lookup is in progress that may decide it
    not_configured,       ///< not offered until an admin changes something
    failed,               ///< an operation failed, and no other code says more
};

/// Success, or an error: a code, and one sentence for the person who can fix it: what failed, in
/// which object, and the remedy. Never holds a byte of a value.
class [[nodiscard]] Status {
  public:
    /// Success.
    Status() = default;
    /// An error; `code` must not be ok.
    Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}
    static Status failed(std::string message) { return {StatusCode::failed, std::move(message)}; }
    static Status invalid(std::string message) {
        return {StatusCode::invalid_argument, std::move(message)};
    }
    static Status unavailable(std::string message) {
        return {StatusCode::unavailable, std::move(message)};
    }

    bool ok() const { return code_ == StatusCode::ok; }
    StatusCode code() const { return code_; }
    /// Empty on success.
    const std::string& message() const { return message_; }

    bool operator==(const Status&) const = default;

  private:
    StatusCode code_ = StatusCode::ok;
    std::string message_;
};

/// A T, or the Status that explains why there is none. Accessing the value of an error ends the
/// process (std::abort), so check ok() first. Conversion to bool is ok().
template <typename T>
class [[nodiscard]] StatusOr {
  public:
    StatusOr(T value) : value_(std::move(value)) {}
    /// `status` must be an error.
    StatusOr(Status status) : status_(std::move(status)) {
        if (status_.ok()) std::abort();
    }

    bool ok() const { return value_.has_value(); }
    explicit operator bool() const { return ok(); }
    /// Success if there is a value.
    const Status& status() const { return status_; }

    T& value() & { return checked(), *value_; }
    const T& value() const& { return checked(), *value_; }
    T&& value() && { return checked(), std::move(*value_); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

  private:
    void checked() const {
        if (!value_) std::abort();
    }

    Status status_;
    std::optional<T> value_;
};

}  // namespace secrets
