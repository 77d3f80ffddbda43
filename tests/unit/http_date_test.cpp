// SPDX-License-Identifier: Apache-2.0
// Promise: a Date that the agent writes is one of HTTP, and a node reads it; anything else is no
// date, so that a hub without a clock is not taken for one whose clock is wrong.

#include "agentd/net/http_date.h"

#include "tests/unit/catch.h"

namespace secrets::net {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

TEST_CASE("HttpDate: writes and reads the form of RFC 9110") {
    const sys_seconds time(seconds(784111777));
    CHECK(http_date(time) == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == time);
    CHECK(parse_http_date(http_date(time + seconds(86399))) == time + seconds(86399));
}

TEST_CASE("HttpDate: reads nothing from another text") {
    for (const char* text : {"", "now", "Sun, 06 Nov 1994 08:49:37", "06 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 66 Nov 1994 08:49:37 GMT"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_http_date(text));
    }
}

}  // namespace
}  // namespace secrets::net
