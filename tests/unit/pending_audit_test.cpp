// SPDX-License-Identifier: Apache-2.0
// Promise: what happened on trial is told when it lasts. Where it does not, the log is told
// nothing, and the audit file that it was taken back.

#include "agentd/audit/audit_log.h"
#include "agentd/audit/recent_events.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::audit {
namespace {

/// Of a kind that a quiet log takes, too.
Event error_of(std::string sentence) {
    return {.kind = Kind::trouble, .sentence = std::move(sentence)};
}

/// A trial of a push that was written ahead and wiped something, and how many events are told by
/// then.
struct Pushing {
    Pushing() {
        service::keep_the_log_quiet();
        trial.collect([] {
            const Event push = error_of("pushed");
            REQUIRE(write_ahead(push).ok());
            publish(push);
            record(error_of("wiped"));
        });
    }
    std::size_t told() const { return recent().last() - before; }

    std::uint64_t before = recent().last();
    PendingAudit trial;
};

TEST_CASE("PendingAudit: publishes collected events once and only after they are confirmed") {
    Pushing pushing;
    CHECK(pushing.told() == 0);
    pushing.trial.keep();
    CHECK(pushing.told() == 2);
    CHECK(recent().entries().back().event.sentence == "wiped");
    pushing.trial.keep();
    CHECK(pushing.told() == 2);
}

TEST_CASE("PendingAudit: publishes nothing after it is abandoned") {
    Pushing pushing;
    pushing.trial.abandon(Status::failed("it was not kept"));
    CHECK(pushing.told() == 0);
    pushing.trial.keep();
    CHECK(pushing.told() == 0);
}

TEST_CASE("PendingAudit: publishes later events at once even after an exception in collect") {
    service::keep_the_log_quiet();
    PendingAudit trial;
    CHECK_THROWS(trial.collect([] { throw std::runtime_error("x"); }));
    const std::uint64_t before = recent().last();
    record(error_of("wiped"));
    CHECK(recent().last() == before + 1);
}

}  // namespace
}  // namespace secrets::audit
