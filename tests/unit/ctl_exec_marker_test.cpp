// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "ctl/client/exec_marker.h"
#include "tests/unit/catch.h"

namespace secrets::ctl {
namespace {

ValueDigest digest(const Marker& marker, std::string_view text) {
    return digest_of(marker.key, std::as_bytes(std::span(text)));
}

Marker task_marker() {
    Marker marker;
    marker.key.fill(std::byte{7});
    marker.spec = "TOK,SAME,HELD:hold";
    marker.variables = {{"TOK", MarkKind::value, digest(marker, "the old value")},
                        {"SAME", MarkKind::named, digest(marker, "in other variables, too")},
                        {"KEY_FILE", MarkKind::path, digest(marker, "/run/jobs/1/KEY.0")}};
    return marker;
}

TEST_CASE("Exec marker: has the new value of a variable, and the old one as a content") {
    Marker marker = task_marker();
    add_given(marker, std::array{ExecVariable{"TOK", "the new value"},
                                 ExecVariable{"SAME", "in other variables, too"}});
    REQUIRE(marker.variables.size() == 4);
    CHECK(marker.variables[0] ==
          MarkedVariable{"TOK", MarkKind::value, digest(marker, "the new value")});
    CHECK(marker.variables[1] == task_marker().variables[1]);
    CHECK(marker.variables[3] ==
          MarkedVariable{"TOK", MarkKind::content, digest(marker, "the old value")});
    CHECK(parse_marker(print_marker(marker)) == marker);
}

TEST_CASE("Exec marker: has what the task was not given as held") {
    Marker marker = task_marker();
    const std::string_view content = "the content\n";
    add_given(marker,
              std::array{ExecVariable{"HELD", "a held value\n"}, ExecVariable{"PIN", "1234"},
                         ExecVariable{"KEY_FILE", "/proc/1/fd/3", std::as_bytes(std::span(content)),
                                      true}});
    REQUIRE(marker.variables.size() == 5);
    CHECK(marker.variables[2] ==
          MarkedVariable{"KEY_FILE", MarkKind::path, digest(marker, "/proc/1/fd/3")});
    CHECK(marker.variables[3] ==
          MarkedVariable{"HELD", MarkKind::held, digest(marker, "a held value")});
    CHECK(marker.variables[4] ==
          MarkedVariable{"KEY_FILE", MarkKind::content, digest(marker, "the content")});
    CHECK(parse_marker(print_marker(marker)) == marker);
}

}  // namespace
}  // namespace secrets::ctl
