// SPDX-License-Identifier: Apache-2.0
#pragma once
// A hub without a socket: its routes, and a slurm-secrets-view that a test decides for.

#include <mutex>

#include "agentd/api/check_body.h"
#include "agentd/api/grant_body.h"
#include "agentd/api/handlers.h"
#include "agentd/api/router.h"
#include "agentd/hub/node_routes.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/office.h"
#include "tests/unit/view_server.h"

namespace secrets::hub {

inline constexpr auto kAddress = "10.0.0.1";

/// slurm-secrets-view, which has one verdict on everything, except for an address where no node is.
class OneVerdictView {
  public:
    std::string path() const { return server_.path(); }
    void set(slurm_query::Verdict verdict) { verdict_ = verdict; }
    void set_strange_address(std::string address) {
        const std::lock_guard guard(lock_);
        strange_address_ = std::move(address);
    }
    std::size_t asked() const { return asked_; }
    slurm_query::Placement last() {
        const std::lock_guard guard(lock_);
        return last_;
    }

  private:
    slurm_query::Reply answer(const slurm_query::Request& request) {
        const auto& places = std::get<slurm_query::PlacementsRequest>(request).places;
        const std::lock_guard guard(lock_);
        asked_ += places.size();
        last_ = places.back();
        slurm_query::Verdicts verdicts{{}, "no slurmctld"};
        for (const slurm_query::Placement& place : places) {
            const bool strange = place.address == strange_address_;
            verdicts.verdicts.push_back(strange ? slurm_query::Verdict::other_address
                                                : verdict_.load());
        }
        return verdicts;
    }

    std::atomic<slurm_query::Verdict> verdict_{slurm_query::Verdict::runs_there};
    std::atomic<std::size_t> asked_{0};
    std::mutex lock_;
    slurm_query::Placement last_;
    std::string strange_address_;
    ViewServer server_{[this](const auto& request) { return answer(request); }};
};

inline Config config_of(const OneVerdictView& view) {
    Config config = service::Office::small();
    config.view_socket = view.path();
    config.listen.agents = "bob";
    return config;
}

/// A hub with run r of alice, whose agents of nodes run as bob.
struct HubFixture {
    explicit HubFixture(service::SharedStore* shared = nullptr)
        : handler(loop.io, supervisor, config_of(view), office.services, waiters, shared),
          router(office.services, hub_routes(handler)) {
        office.services.context.shares_runs = shared != nullptr;
        office.events.on_push = [this](const RunId& run) { waiters.wake(run); };
        push("r");
        loop.turn();
    }
    ~HubFixture() {
        supervisor.stop();
        waiters.stop();
        handler.stop();
        loop.turn(std::chrono::milliseconds(50));
    }
    HubFixture(const HubFixture&) = delete;
    HubFixture& operator=(const HubFixture&) = delete;

    void push(std::string_view run) {
        REQUIRE(office.push(office.alice, run, {}, list_of(user_secret("A", "value"))).ok());
    }
    static std::string grant_body(std::string spec, std::uint32_t wait = 0, std::uint32_t job = 7) {
        const plugin_protocol::GrantRequest step{JobId{job}, StepId{0}, Uid{1001}, wait,
                                                 std::move(spec)};
        return api::print_grant({step, "n1", std::chrono::milliseconds(300)});
    }

    /// Begins a request of the nodes' account; `answer` is set when the response comes.
    void begin(std::string_view method, std::string_view target, std::string_view body,
               std::optional<api::HttpResponse>& answer) {
        api::RequestHead head{caller,      method,       target, "application/json",
                              body.size(), !body.empty()};
        head.origin = origin;
        head.if_none_match = has_tag;
        auto decision = router.find(head);
        if (auto* denied = std::get_if<api::HttpResponse>(&decision)) {
            answer.emplace(std::move(*denied));
            return;
        }
        api::HttpResponse response =
            std::get<api::Router::Handler>(decision)(std::as_bytes(std::span(body)));
        if (!response.later) {
            answer.emplace(std::move(response));
            return;
        }
        later = std::move(response.later);
        loop.start(later([this] { return is_gone; }), answer);
    }
    api::HttpResponse ask(std::string_view method, std::string_view target, std::string_view body) {
        std::optional<api::HttpResponse> answer;
        begin(method, target, body, answer);
        REQUIRE(loop.turns_until([&] { return answer.has_value(); }));
        return std::move(*answer);
    }
    api::HttpResponse grant(const std::string& body) { return ask("POST", "/v1/grants", body); }

    /// Reports one grant of job 7; returns the positions that are revoked.
    std::vector<std::size_t> report(const std::string& spec, const std::string& tag) {
        const std::vector<vault::CachedGrant> held{{JobId{7}, office.alice, spec, "", tag}};
        const std::string body = api::print_report(held);
        const api::HttpResponse answer = ask("PUT", "/v1/nodes/n1/holds", body);
        REQUIRE(answer.status == 200);
        return api::parse_revoked(std::as_bytes(std::span(answer.body)), 1).value();
    }
    /// Returns why a job of alice would be denied; empty if it would not be.
    std::string check(const std::string& spec) {
        const api::HttpResponse answer =
            ask("POST", "/v1/checks", api::print_check({office.alice, spec, "n1"}));
        REQUIRE(answer.status == 200);
        return api::sentence_in_verdict(std::as_bytes(std::span(answer.body)));
    }
    bool holds(std::string_view run) const {
        return office.services.context.node_holds.is_held(std::string(run));
    }

    EventLoop loop;
    OneVerdictView view;
    Supervisor supervisor{loop.io, [](const auto&, const auto&, auto) {}};
    service::Office office;
    service::RunWaiters waiters;
    NodeApiHandler handler;
    api::Router router;
    api::DeferredResponse later;
    auth::Principal caller = office.bob;
    api::Origin origin{kAddress, kAddress};
    std::string has_tag;
    bool is_gone = false;
};

}  // namespace secrets::hub
