// Promise: that a node is at an address is never taken for an answer about a job.

#include "slurmview/place_book.h"

#include "tests/unit/catch.h"

namespace secrets::slurmview {
namespace {

using view_wire::kNoJob;
using view_wire::Place;
using view_wire::Verdict;

PlaceBook book_of_one_node(int& jobs_asked) {
    ControllerCalls calls;
    calls.ask_about_job = [&jobs_asked](JobId) -> Result<Told> {
        ++jobs_asked;
        return Told{view_wire::JobState::active, "", true, Uid{1001}, "n1"};
    };
    calls.nodes.all = []() -> Result<NodeAddresses> { return NodeAddresses{{"n1", "host1"}}; };
    calls.nodes.names_in = [](const std::string&) { return std::vector<std::string>{"n1"}; };
    calls.nodes.addresses_of = [](const std::string& host) {
        return host == "host1" ? std::vector<std::string>{"10.0.0.1", "fd00::1"}
                               : std::vector<std::string>{};
    };
    return {std::move(calls), Bounds{}};
}

TEST_CASE("where a node is can be asked without a job", "[place_book]") {
    int jobs_asked = 0;
    PlaceBook book = book_of_one_node(jobs_asked);
    const auto verdict = [&](const char* node, const char* address) {
        return *book.verdict_on(Place{kNoJob, Uid{1001}, node, address});
    };
    CHECK(verdict("n1", "10.0.0.1") == Verdict::is_node);
    CHECK(verdict("n1", "fd00::1") == Verdict::is_node);
    CHECK(verdict("n1", "10.0.0.2") == Verdict::other_address);
    CHECK(verdict("n2", "10.0.0.1") == Verdict::other_address);
    CHECK(verdict("", "10.0.0.1") == Verdict::other_address);
    CHECK(jobs_asked == 0);
    CHECK(*book.verdict_on(Place{JobId{7}, Uid{1001}, "n1", "10.0.0.1"}) == Verdict::runs_there);
}

}  // namespace
}  // namespace secrets::slurmview
