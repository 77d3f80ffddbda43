// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers agents of nodes and login hosts, whose users are about to submit jobs.

#include "agentd/api/node_requests.h"
#include "agentd/audit/denied_address_log.h"
#include "agentd/config/config.h"
#include "agentd/hub/login_hosts.h"
#include "agentd/hub/seen_hosts.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"
#include "agentd/slurm/job_placement.h"

namespace secrets::hub {

/// Answers about users that an agent names, and therefore only agents on hosts of the cluster:
/// nodes that Slurm knows, and the hosts in listen.login_hosts. Must outlive the loop's run.
class SubmitCheckHandler {
  public:
    /// `shared`: the store behind the services; null: local data only. All must outlive this.
    SubmitCheckHandler(boost::asio::io_context& loop, Supervisor& supervisor, const Listen& listen,
                       service::Services& services, slurm::JobPlacement& placements,
                       service::SharedStore* shared, SeenHosts& seen)
        : services_(services),
          placements_(placements),
          shared_(shared),
          seen_(seen),
          login_hosts_(loop, supervisor, listen.login_hosts) {}

    void configure(const Listen& listen) {
        host_certificates_ = listen.host_certificates;
        login_hosts_.configure(listen.login_hosts);
    }

    void stop() { login_hosts_.stop(); }

    api::HttpResponse check(api::SubmitCheckRequest request);

  private:
    boost::asio::awaitable<api::HttpResponse> answer(api::SubmitCheckRequest request);
    boost::asio::awaitable<Status> check_requester(const api::SubmitCheckRequest& request);

    service::Services& services_;
    slurm::JobPlacement& placements_;
    service::SharedStore* shared_;
    SeenHosts& seen_;
    bool host_certificates_ = false;  ///< whether certificates are demanded
    LoginHosts login_hosts_;
    audit::DeniedAddressLog refusals_{"an agent"};
};

}  // namespace secrets::hub
