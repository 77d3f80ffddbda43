// SPDX-License-Identifier: Apache-2.0
#pragma once
// Interface through which request handlers synchronise local data with the store that agents share.
// An agent has no such store, or OpenBao (agentd/openbao/replica.h). It is an interface because the
// servers, the routes and the hub's handlers need only its two promises, and none of OpenBao's
// vocabulary; their tests have a store in memory, which fails and conflicts when a test wants that.

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

    /// Brings the services' copy of the documents `about` up to date: as they were in the store at
    /// most `age` before the call. Callers must not suspend before they use the copy. On an error
    /// the copy may be stale; the message may be shown to the client.
    virtual boost::asio::awaitable<Status> refresh(service::DocumentKeys about,
                                                   Clock::time_point deadline,
                                                   Clock::duration age) = 0;

    /// Re-reads the documents `about`, calls `change`, and writes the changed documents to the
    /// store by check-and-set. On a conflict with another agent the call starts again, so `change`
    /// must be repeatable. On an error the store is unchanged, unless the code is `unavailable`:
    /// then it is unknown whether the change was made, or yet will be.
    virtual boost::asio::awaitable<Status> change(service::DocumentKeys about,
                                                  std::function<void()> change,
                                                  Clock::time_point deadline) = 0;
};

/// Returns the error for a request that needs data from the shared store.
inline Status not_known(const Status& why) {
    return {StatusCode::unavailable, "cannot reach the store that hubs share: " + why.message()};
}

/// Returns the error for a change that was not made in the shared store, or may have been.
inline Status not_changed(const Status& why) {
    if (why.code() != StatusCode::unavailable) return not_known(why);
    return {StatusCode::unavailable,
            "cannot tell whether the change was made in the store that hubs share: " +
                why.message() + "; look it up, or repeat the request"};
}

}  // namespace secrets::service
