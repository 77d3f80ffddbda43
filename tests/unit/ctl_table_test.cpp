// SPDX-License-Identifier: Apache-2.0
// Promise: a table is the same text with colour and without, but for what makes the colour.

#include <cstdlib>
#include <sstream>

#include "ctl/io/table.h"
#include "tests/unit/catch.h"

namespace secrets::ctl {
namespace {

Table example() {
    Table table({{"NAME"}, {"BYTES", Align::right}, {"EXPIRES"}});
    table.add({"A", "12345", {"tomorrow", Tone::warning}});
    table.add({"LONGER", "1", ""});
    return table;
}

TEST_CASE("Table: makes columns as wide as their widest cell") {
    std::ostringstream out;
    example().print(out);
    CHECK(out.str() ==
          "NAME    BYTES  EXPIRES\n"
          "A       12345  tomorrow\n"
          "LONGER      1\n");
}

TEST_CASE("Table: keeps column widths when it prints colours") {
    std::ostringstream out;
    example().print(out, Paint::yes);
    CHECK(out.str() ==
          "\033[1mNAME\033[0m    \033[1mBYTES\033[0m  \033[1mEXPIRES\033[0m\n"
          "A       12345  \033[33mtomorrow\033[0m\n"
          "LONGER      1\n");
}

TEST_CASE("Table: parses and formats times and leaves other text unchanged") {
    CHECK(seconds_of("1970-01-02T00:00:01Z") == 86401);
    CHECK_FALSE(seconds_of("never"));
    CHECK_FALSE(seconds_of("1970-01-02T00:00:01Z "));
    CHECK(local_time("never") == "never");
    CHECK(without_fraction("2026-11-25T16:00:00.123456Z") == "2026-11-25T16:00:00Z");
    CHECK(without_fraction("2026-11-25T16:00:00Z") == "2026-11-25T16:00:00Z");
    CHECK(duration_words(59) == "59 s");
    CHECK(duration_words(3 * 86400 + 7200) == "3 d 2 h");
}

}  // namespace
}  // namespace secrets::ctl
