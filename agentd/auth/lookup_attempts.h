// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <utility>
#include <variant>

#include "agentd/auth/user_database.h"
#include "common/base/status.h"

namespace secrets::auth {

inline bool is_pending(const Status& status) {
    return status.code() == StatusCode::pending;
}
template <typename T>
bool is_pending(const StatusOr<T>& answer) {
    return is_pending(answer.status());
}
template <typename... Answers>
bool is_pending(const std::variant<Answers...>& answer) {
    const auto* const status = std::get_if<Status>(&answer);
    return status != nullptr && is_pending(*status);
}

/// Makes the user database return `unavailable` for `pending` as long as it lives: nobody waits any
/// more.
class LastAttempt {
  public:
    explicit LastAttempt(bool is_last) : before_(std::exchange(is_last_, is_last)) {}
    ~LastAttempt() { is_last_ = before_; }
    LastAttempt(const LastAttempt&) = delete;
    LastAttempt& operator=(const LastAttempt&) = delete;

    static bool is_active() { return is_last_; }

  private:
    static inline bool is_last_ = false;
    bool before_;
};

/// The attempts to answer one request, which may depend on users and groups that must be looked up
/// first. While an answer is `pending`, nothing was changed or recorded; the caller awaits wait()
/// and tries again. An attempt after the deadline returns no `pending` answer.
class LookupAttempts {
  public:
    using Clock = std::chrono::steady_clock;

    explicit LookupAttempts(Clock::duration patience) : deadline_(Clock::now() + patience) {}

    /// Calls `attempt`, which may not be a coroutine, and returns its answer.
    template <typename Attempt>
    auto run(Attempt attempt) const {
        const LastAttempt last(Clock::now() >= deadline_);
        return attempt();
    }

    boost::asio::awaitable<void> wait() const { return users().lookup_answered(deadline_); }

  private:
    Clock::time_point deadline_;
};

/// Waits until the user's name is known, so that sentences can have it, or not worth the time.
inline boost::asio::awaitable<void> await_name(Uid uid) {
    const LookupAttempts attempts(std::chrono::seconds(1));
    while (is_pending(attempts.run([&] { return users().await_name(uid); }))) {
        co_await attempts.wait();
    }
}

}  // namespace secrets::auth
