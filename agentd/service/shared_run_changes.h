// SPDX-License-Identifier: Apache-2.0
#pragma once
// Changes of runs that no HTTP request makes, in the store that hubs share, if there is one.

#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::service {

/// Binds a run to its head job, see RunEndService::bind(). `services` and `shared` must outlive the
/// call; `shared`: null if there is no such store.
boost::asio::awaitable<Status> bind_run(Services& services, SharedStore* shared, RunBinding binding,
                                        SharedStore::Clock::time_point deadline);

/// Ends a run with its job, see RunEndService::end(). On an error the run may not have ended.
boost::asio::awaitable<Status> end_run(Services& services, SharedStore* shared, RunId run,
                                       JobId job, SharedStore::Clock::time_point deadline);

}  // namespace secrets::service
