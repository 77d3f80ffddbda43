// SPDX-License-Identifier: Apache-2.0
// Promise: a duration is read as people write it, and what is no duration is said.

#include "common/base/duration.h"

#include "tests/unit/catch.h"

namespace secrets {
namespace {

std::string refusal_of(std::string_view text) {
    const auto duration = parse_duration(text);
    return duration ? "(read)" : duration.status().message();
}

TEST_CASE("Duration: parses a whole number with a unit") {
    struct Row {
        const char* text;
        long long seconds;
    };
    for (const Row& row :
         {Row{"1s", 1}, Row{"90s", 90}, Row{"1m", 60}, Row{"45m", 2700}, Row{"1h", 3600},
          Row{"12h", 43200}, Row{"1d", 86400}, Row{"30d", 2592000}, Row{"007h", 25200},
          Row{"3650d", 315360000}, Row{"87600h", 315360000}, Row{"315360000s", 315360000}}) {
        CAPTURE(row.text);
        const auto duration = parse_duration(row.text);
        REQUIRE(duration.ok());
        CHECK(duration->count() == row.seconds);
    }
}

TEST_CASE("Duration: rejects other text and shows the expected format") {
    for (const char* text :
         {"",    "s",   "h",    "1",     "12",      "1.5h", "1,5h",
          "-1h", "+1h", " 1h",  "1h ",   "1 h",     "1H",   "1w",
          "1y",  "1ms", "0x1h", "1h30m", "forever", "h1",   "99999999999999999999s"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == "invalid duration '" + std::string(text) +
                                      "'; expected a number and s, m, h or d, as in 12h");
    }
    CHECK(refusal_of(std::string_view("1h\0", 3)).starts_with("invalid duration '1h?'"));
}

TEST_CASE("Duration: rejects less than one second and more than ten years") {
    CHECK(refusal_of("0s") == "duration '0s' is too short; the minimum is 1s");
    CHECK(refusal_of("000d") == "duration '000d' is too short; the minimum is 1s");
    for (const char* text : {"3651d", "87601h", "5256001m", "315360001s", "9223372036854775807s",
                             "9223372036854775807d"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) ==
              "duration '" + std::string(text) + "' is too long; the maximum is 3650d");
    }
}

TEST_CASE("Duration: prints the largest exact unit and parses that back") {
    struct Row {
        long long seconds;
        const char* text;
    };
    for (const Row& row : {Row{1, "1s"}, Row{59, "59s"}, Row{60, "1m"}, Row{61, "61s"},
                           Row{90, "90s"}, Row{3600, "1h"}, Row{3660, "61m"}, Row{86400, "1d"},
                           Row{90000, "25h"}, Row{172800, "2d"}, Row{315360000, "3650d"}}) {
        const std::chrono::seconds duration(row.seconds);
        CHECK(print_duration(duration) == row.text);
        CHECK(*parse_duration(print_duration(duration)) == duration);
    }
}

}  // namespace
}  // namespace secrets
