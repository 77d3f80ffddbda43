// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/head_bindings.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace secrets::service {
namespace {

namespace asio = boost::asio;

/// Pause between two rounds: far less than most head jobs run.
constexpr auto kInterval = std::chrono::seconds(10);

}  // namespace

HeadBindings::HeadBindings(asio::io_context& loop, Supervisor& supervisor,
                           const ServiceContext& context, Bind bind)
    : context_(context), bind_(std::move(bind)), timer_(loop) {
    supervisor.start("head_bindings", [this] { return run(); });
}

void HeadBindings::stop() {
    stopped_ = true;
    timer_.cancel();
}

asio::awaitable<Status> HeadBindings::bind(RunBinding binding) {
    const JobId job = binding.job;
    pending_.insert_or_assign(job, binding);
    auto failure = co_await bind_(std::move(binding));
    if (!is_left(failure)) pending_.erase(job);
    co_return failure;
}

/// Logs the outcome; returns whether the binding is to be repeated.
bool HeadBindings::is_left(const Status& outcome) {
    const bool is_left = outcome.code() == StatusCode::unavailable;
    if (is_left || outcome.ok()) trouble_.note(is_left ? outcome.message() : "");
    return is_left;
}

asio::awaitable<void> HeadBindings::run() {
    while (!stopped_) {
        timer_.expires_after(kInterval);
        boost::system::error_code cancelled;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        if (stopped_) co_return;
        co_await repeat();
    }
}

asio::awaitable<void> HeadBindings::repeat() {
    const auto due = pending_;
    for (const auto& [job, binding] : due) {
        // Without a hold the job has ended, or was given nothing.
        if (context_.has_hold(job)) {
            RunBinding again = binding;
            const auto failure = co_await bind_(std::move(again));
            if (stopped_) co_return;
            if (is_left(failure)) continue;
        }
        pending_.erase(job);
    }
}

}  // namespace secrets::service
