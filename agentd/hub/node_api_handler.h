// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers nodes on a hub: a node is granted what a job's step requests if Slurm says that the job
// runs on the node.

#include "agentd/api/node_requests.h"
#include "agentd/config/config.h"
#include "agentd/hub/agent_account.h"
#include "agentd/hub/seen_hosts.h"
#include "agentd/hub/submit_check_handler.h"
#include "agentd/service/run_waiters.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"
#include "agentd/slurm/job_placement.h"

namespace secrets::hub {

/// Must outlive the loop's run.
class NodeApiHandler {
  public:
    /// `shared`: the store behind the services; null: local data only. All must outlive this.
    NodeApiHandler(boost::asio::io_context& loop, Supervisor& supervisor, const Config& config,
                   service::Services& services, service::RunWaiters& waiters,
                   service::SharedStore* shared);

    /// Returns success if the caller is a node's agent, by its account.
    Status check_agent(const auth::Principal& caller, const api::Origin& origin) {
        return agents_.check(caller, origin.address);
    }
    api::HttpResponse grant(api::NodeGrantRequest request);
    api::HttpResponse report(api::HoldReport request);
    api::HttpResponse bind(api::NodeBindingRequest request);
    api::HttpResponse check(api::SubmitCheckRequest request) {
        return checks_.check(std::move(request));
    }

    void configure(const Listen& listen) {
        host_certificates_ = listen.host_certificates;
        checks_.configure(listen);
    }

    const SeenHosts& seen_hosts() const { return seen_; }

    /// Answers requests that wait for Slurm, so that their nodes turn to another hub or try again.
    void stop() {
        placements_.stop();
        checks_.stop();
    }

  private:
    using Time = slurm::JobPlacement::Clock::time_point;
    boost::asio::awaitable<api::HttpResponse> answer(api::NodeGrantRequest request,
                                                     api::IsGone is_gone);
    boost::asio::awaitable<api::HttpResponse> answer_report(api::HoldReport request);
    boost::asio::awaitable<api::HttpResponse> answer_binding(api::NodeBindingRequest request);
    boost::asio::awaitable<bool> is_there(const api::HoldReport& request);
    boost::asio::awaitable<Status> check_placement(const api::NodeGrantRequest& request,
                                                   Time deadline);

    boost::asio::awaitable<Status> refresh_for(const api::NodeGrantRequest& request, Time deadline);
    boost::asio::awaitable<Status> refresh_for(const api::HoldReport& request, std::size_t from,
                                               Time deadline);

    bool host_certificates_ = false;  ///< whether certificates are demanded
    AgentAccount agents_;
    service::Services& services_;
    std::map<std::string, std::string> addresses_;  ///< of nodes, as Slurm has confirmed them
    SeenHosts seen_;
    slurm::JobPlacement placements_;
    SubmitCheckHandler checks_;
    service::RunWaiters& waiters_;
    service::SharedStore* shared_;
};

}  // namespace secrets::hub
