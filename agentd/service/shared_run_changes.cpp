// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/shared_run_changes.h"

namespace secrets::service {

namespace asio = boost::asio;

asio::awaitable<Status> bind_run(Services& services, SharedStore* shared, RunBinding binding,
                                 SharedStore::Clock::time_point deadline) {
    if (shared == nullptr) co_return services.run_ends.bind(binding);
    if (services.run_ends.is_bound(binding.run)) co_return Status();
    Status bound;
    DocumentKeys about{.runs = {binding.run}};
    std::function<void()> change = [&] { bound = services.run_ends.bind(binding); };
    auto failure = co_await shared->change(std::move(about), std::move(change), deadline);
    if (!failure.ok()) co_return not_changed(failure);
    co_return bound;
}

asio::awaitable<Status> end_run(Services& services, SharedStore* shared, RunId run, JobId job,
                                SharedStore::Clock::time_point deadline) {
    if (shared == nullptr) {
        services.run_ends.end(run, job);
        co_return Status();
    }
    DocumentKeys about{.runs = {run}};
    std::function<void()> change = [&] { services.run_ends.end(run, job); };
    auto failure = co_await shared->change(std::move(about), std::move(change), deadline);
    if (!failure.ok()) co_return not_changed(failure);
    co_return Status();
}

}  // namespace secrets::service
