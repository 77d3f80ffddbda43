// SPDX-License-Identifier: Apache-2.0
#pragma once
// The store that several agents share, as those see it who answer requests from what is here.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>

#include "agentd/service/document_keys.h"
#include "agentd/service/services.h"
#include "common/base/status.h"

namespace secrets::service {

class SharedStore {
  public:
    using Clock = std::chrono::steady_clock;

    SharedStore() = default;
    SharedStore(const SharedStore&) = delete;
    SharedStore& operator=(const SharedStore&) = delete;
    virtual ~SharedStore() = default;

    /// Has the services take what the store has of `about`, as it was `age` before the call at
    /// most. Who asks the services without a pause after it is answered from that. On a Status
    /// nobody knows: its sentence is for the client.
    virtual boost::asio::awaitable<Status> refresh(service::DocumentKeys about,
                                                   Clock::time_point deadline,
                                                   Clock::duration age) = 0;

    /// Does the same, calls `change`, and writes what that changed of `about` to the store. Where
    /// another agent was faster, all begins anew, and `change` is called again. After a Status the
    /// store is as it was.
    virtual boost::asio::awaitable<Status> change(service::DocumentKeys about,
                                                  std::function<void()> change,
                                                  Clock::time_point deadline) = 0;
};

/// For whoever asked for something that only the store knows.
inline Status not_known(const Status& why) {
    return {StatusCode::unavailable, "the store that hubs share does not answer: " + why.message()};
}

}  // namespace secrets::service
