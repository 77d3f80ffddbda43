#pragma once
// The hub's answers to nodes: a node is given what a job's step asks for when Slurm says that the
// job runs there.

#include "agentd/api/node_api.h"
#include "agentd/config/config.h"
#include "agentd/hub/submit_check_handler.h"
#include "agentd/service/desk.h"
#include "agentd/service/run_waiters.h"
#include "agentd/service/shared_store.h"
#include "agentd/slurm/job_placement.h"

namespace secrets::cluster {

/// Must outlive the loop's run.
class HubNodes final : public doors::NodeRequests {
  public:
    /// `shared`: what the desk answers from; null: what is here. All must outlive it.
    HubNodes(boost::asio::io_context& loop, const Config& config, desk::Desk& desk,
             doors::RunWaiters& waiters, doors::SharedStore* shared);

    bool is_agent(const desk::Caller& caller) const override;
    doors::HttpAnswer grant(doors::GrantRequest request) override;
    doors::HttpAnswer report(doors::ReportRequest request) override;
    doors::HttpAnswer check(doors::SubmissionCheck request) override {
        return checks_.check(std::move(request));
    }

    void configure(const Listen& listen) {
        host_certificates_ = listen.host_certificates;
        checks_.configure(listen);
    }

    /// Answers what waits for Slurm, so that its nodes turn to another hub or try again.
    void stop() { places_.stop(); }

  private:
    boost::asio::awaitable<doors::HttpAnswer> answer(doors::GrantRequest request,
                                                     doors::IsGone is_gone);
    boost::asio::awaitable<doors::HttpAnswer> answer_report(doors::ReportRequest request);
    boost::asio::awaitable<bool> is_there(const doors::ReportRequest& request);
    boost::asio::awaitable<std::optional<desk::Refusal>> why_not_there(
        const doors::GrantRequest& request);

    boost::asio::awaitable<std::optional<desk::Refusal>> refresh_for(
        const doors::GrantRequest& request);
    boost::asio::awaitable<bool> refresh_for(const doors::ReportRequest& request);

    bool host_certificates_ = false;  ///< demanded
    std::string agents_;              ///< the nodes' account; empty: this process's own
    desk::Desk& desk_;
    std::map<std::string, std::string> addresses_;  ///< of nodes, as Slurm has confirmed them
    Places places_;
    SubmissionChecks checks_;
    doors::RunWaiters& waiters_;
    doors::SharedStore* shared_;
};

}  // namespace secrets::cluster
