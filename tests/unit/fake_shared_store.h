// SPDX-License-Identifier: Apache-2.0
#pragma once
// A store that agents share, in the test's own memory.

#include "agentd/net/asio.h"
#include "agentd/service/shared_store.h"

namespace secrets::service {

/// Answers at once. While `failure` is an error, every call fails with it and changes nothing.
class FakeSharedStore final : public SharedStore {
  public:
    boost::asio::awaitable<Status> refresh(DocumentKeys about, Clock::time_point deadline,
                                           Clock::duration) override {
        refreshed.push_back(std::move(about));
        patience = deadline - Clock::now();
        on_refresh();
        co_return failure;
    }

    boost::asio::awaitable<Status> change(DocumentKeys about, std::function<void()> change,
                                          Clock::time_point) override {
        changed.push_back(std::move(about));
        if (!failure.ok()) co_return failure;
        for (int i = 0; i <= conflicts; ++i) change();
        co_return Status();
    }

    Status failure;
    int conflicts = 0;  ///< how often another agent is faster
    /// What another agent has changed, as refresh() finds it.
    std::function<void()> on_refresh = [] {};
    std::vector<DocumentKeys> refreshed;
    Clock::duration patience{};  ///< of the last refresh()
    std::vector<DocumentKeys> changed;
};

}  // namespace secrets::service
