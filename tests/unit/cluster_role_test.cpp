// SPDX-License-Identifier: Apache-2.0
// Promise: what the fd store has of an agent's part in its cluster is gone once that part is.

#include "agentd/daemon/cluster_role.h"

#include "tests/unit/event_loop.h"
#include "tests/unit/office.h"
#include "tests/unit/shelf.h"

namespace secrets {
namespace {

TEST_CASE("ClusterRole: has the fd store forget the name of a host that is no longer a node") {
    EventLoop loop;
    Supervisor supervisor(loop.io, [](const auto&, const auto&, auto) {});
    service::Office office;
    service::RunWaiters waiters;
    vault::Shelf shelf;
    vault::KeptWord(node::kNodeName, &shelf).keep("n1");
    REQUIRE(shelf.size() == 1);
    ClusterRole alone(loop.io, supervisor, Config(), {}, {}, office.services, waiters, nullptr,
                      &shelf);
    alone.take_node_names({"n1"});
    CHECK(shelf.size() == 0);
    supervisor.stop();
    loop.turn();
}

}  // namespace
}  // namespace secrets
