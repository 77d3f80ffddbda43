// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/denied_address_log.h"

#include "agentd/audit/audit_log.h"
#include "tests/unit/catch.h"

namespace secrets::audit {
namespace {

using std::chrono::seconds;
const DeniedAddressLog::Time kStart{std::chrono::hours(1)};

/// How many are written down of refusals of these addresses.
std::uint64_t written(DeniedAddressLog& refused, int first, int last, DeniedAddressLog::Time now) {
    const auto before = count_of(Kind::refuse_connection);
    for (int i = first; i < last; ++i) refused.note("address " + std::to_string(i), "why", now);
    return count_of(Kind::refuse_connection) - before;
}

TEST_CASE("DeniedAddressLog: logs each address at most once a minute", "[refused]") {
    DeniedAddressLog refused("a client");
    CHECK(written(refused, 0, 3, kStart) == 3);
    CHECK(written(refused, 0, 3, kStart + seconds(59)) == 0);
    CHECK(written(refused, 2, 4, kStart + seconds(59)) == 1);
    CHECK(written(refused, 0, 4, kStart + seconds(60)) == 3);
    CHECK(written(refused, 3, 4, kStart + seconds(119)) == 1);
}

TEST_CASE("DeniedAddressLog: logs at most 4096 addresses a minute", "[refused]") {
    DeniedAddressLog refused("a client");
    CHECK(written(refused, 0, 5000, kStart) == 4096);
    CHECK(written(refused, 5000, 5001, kStart + seconds(60)) == 1);
}

}  // namespace
}  // namespace secrets::audit
