// SPDX-License-Identifier: Apache-2.0
// Promise: a hub checks the specs of users only for agents on hosts of the cluster: nodes that
// Slurm knows, and login hosts that its configuration lists.

#include "agentd/hub/submit_check_handler.h"

#include "tests/unit/fake_shared_store.h"
#include "tests/unit/hub_fixture.h"

namespace secrets::hub {
namespace {

using slurm_query::Verdict;
using std::chrono::milliseconds;
using Fixture = HubFixture;

TEST_CASE("SubmitCheckHandler: checks a spec for a node that Slurm knows at its address") {
    Fixture fixture;
    fixture.view.set(Verdict::is_node);
    CHECK(fixture.check("run:r,A").empty());
    CHECK(fixture.view.last().job == slurm_query::kNoJob);
    CHECK_FALSE(fixture.check("MISSING").empty());
}

TEST_CASE("SubmitCheckHandler: checks a spec for a login host without asking Slurm") {
    Fixture fixture;
    Listen listen;
    listen.login_hosts = {kAddress};
    fixture.handler.configure(listen);
    fixture.view.set(Verdict::other_address);
    fixture.loop.turn(milliseconds(50));
    CHECK(fixture.check("run:r,A").empty());
    CHECK(fixture.view.asked() == 0);
}

TEST_CASE("SubmitCheckHandler: denies a host that is neither a node nor a login host") {
    Fixture fixture;
    fixture.view.set(Verdict::other_address);
    const std::string body = api::print_check({fixture.office.alice, "run:r", "n1"});
    CHECK(fixture.ask("POST", "/v1/checks", body).status == 403);
    fixture.view.set(Verdict::unknown);
    CHECK(fixture.ask("POST", "/v1/checks", body).status == 503);
    fixture.view.set(Verdict::is_node);
    fixture.origin.munge_address = "10.0.0.2";
    CHECK(fixture.ask("POST", "/v1/checks", body).status == 200);
    fixture.view.set_strange_address("10.0.0.2");
    CHECK(fixture.ask("POST", "/v1/checks", body).status == 403);
}

TEST_CASE("SubmitCheckHandler: denies a login host's request with a credential made elsewhere") {
    Fixture fixture;
    Listen listen;
    listen.login_hosts = {kAddress, "10.0.0.2"};  // two hosts
    fixture.handler.configure(listen);
    fixture.view.set(Verdict::other_address);
    fixture.loop.turn(milliseconds(50));
    fixture.origin.munge_address = "10.0.0.2";
    const std::string body = api::print_check({fixture.office.alice, "run:r", "login"});
    const api::HttpResponse denial = fixture.ask("POST", "/v1/checks", body);
    CHECK(denial.status == 403);
    CHECK(denial.body.find("start munged there with --origin=10.0.0.1") != std::string::npos);
    fixture.view.set(Verdict::unknown);  // slurmctld has said nothing
    CHECK(fixture.ask("POST", "/v1/checks", body).status == 503);
}

TEST_CASE("SubmitCheckHandler: gives no verdict while the shared store does not answer") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    fixture.view.set(Verdict::is_node);
    shared.failure = Status::failed("no leader");
    const std::string body = api::print_check({fixture.office.alice, "run:r", "n1"});
    CHECK(fixture.ask("POST", "/v1/checks", body).status == 503);
}

}  // namespace
}  // namespace secrets::hub
