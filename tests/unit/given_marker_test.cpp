// SPDX-License-Identifier: Apache-2.0
#include "spank/given_marker.h"

#include <span>
#include <string>
#include <vector>

#include "spank/value_finder.h"
#include "tests/unit/catch.h"

namespace secrets::spank {
namespace {

GivenVariable given(std::string_view variable, std::string_view value, bool is_path = false) {
    return {variable, SecretView(std::as_bytes(std::span(value))), is_path};
}

std::vector<MarkKind> kinds_of(const std::vector<GivenVariable>& all,
                               std::vector<const char*> environment,
                               const std::vector<OuterMark>& outer = {}) {
    environment.push_back(nullptr);
    const Marker marker = marker_of(all, "A", environment.data(), outer);
    std::vector<MarkKind> kinds;
    for (const MarkedVariable& marked : marker.variables) kinds.push_back(marked.kind);
    return kinds;
}

TEST_CASE("Task's marker: recognizes long values, and never holds one") {
    const std::vector<GivenVariable> all = {given("A", "a secret value"), given("B", "1234567")};
    const char* environment[] = {nullptr};
    const Marker marker = marker_of(all, "A,B", environment, {});
    CHECK(marker.spec == "A,B");
    CHECK(ValueFinder(marker).equal_to("a secret value") == 0);
    CHECK_FALSE(ValueFinder(marker).equal_to("1234567").has_value());
    CHECK(print_marker(marker).find("secret") == std::string::npos);
    CHECK(marker_of(all, "A,B", environment, {}).key != marker.key);
}

TEST_CASE("Task's marker: knows by name what the environment held before") {
    const std::vector<GivenVariable> all = {given("A", "/home/alice"), given("B", "other value")};
    using enum MarkKind;
    CHECK(kinds_of(all, {"HOME=/home/alice", "A=other"}) == std::vector{named, value});
    CHECK(kinds_of(all, {"PATH=/bin:/home/alice/bin"}) == std::vector{named, value});
    // The job may have the variable itself from an earlier start.
    CHECK(kinds_of(all, {"A=/home/alice", "B=other value"}) == std::vector{value, value});
    CHECK(kinds_of(all, {"NOTHING", "=", ""}) == std::vector{value, value});
}

TEST_CASE("Task's marker: recognizes a value that the job around it was given") {
    const std::vector<GivenVariable> all = {given("A", "a secret value")};
    using enum MarkKind;
    CHECK(kinds_of(all, {"URL=a secret value"}, {{"A", value, true}}) == std::vector{value});
    CHECK(kinds_of(all, {"URL=a secret value"}, {{"A", named, true}}) == std::vector{named});
    CHECK(kinds_of(all, {"URL=a secret value"}, {{"B", value, true}}) == std::vector{named});
}

TEST_CASE("Task's marker: marks the path of a file as a path") {
    CHECK(kinds_of({given("A_FILE", "/run/x/A.0", true)}, {}) == std::vector{MarkKind::path});
}

TEST_CASE("Task's marker: recognizes the content of a file, and a value without its last newline") {
    GivenVariable file = given("A_FILE", "/run/x/A.0", true);
    const std::string_view text = "the content of A\n";
    file.content = SecretView(std::as_bytes(std::span(text)));
    const std::vector<GivenVariable> all = {given("PEM", "the value of PEM\n"), file};
    const char* nothing[] = {nullptr};
    const Marker marker = marker_of(all, "PEM,A:file", nothing, {});
    const auto found = ValueFinder(marker).within("Bearer the content of A, and more");
    REQUIRE(found.has_value());
    CHECK(marker.variables[*found].variable == "A_FILE");
    const auto copy = ValueFinder(marker).within("the value of PEM");
    REQUIRE(copy.has_value());
    CHECK(marker.variables[*copy].variable == "PEM");
    CHECK_FALSE(ValueFinder(marker).equal_to("the value of PEM").has_value());
    using enum MarkKind;
    CHECK(kinds_of(all, {}) == std::vector{value, path, content, content});
    // What the environment holds anyway is not taken for a secret.
    CHECK(kinds_of(all, {"X=the content of A"}) == std::vector{value, path, content});
}

TEST_CASE("Outer marks: read back what they printed, and skip malformed parts") {
    const std::vector<OuterMark> marks = {{"A", MarkKind::value, true},
                                          {"B", MarkKind::named, false},
                                          {"C_FILE", MarkKind::path, true}};
    const std::string text = print_outer_marks(marks);
    CHECK(text == "A=!,B:,C_FILE@!");
    const auto again = parse_outer_marks(text + ",,PATH=!,X,=,Y=z,!");
    REQUIRE(again.size() == marks.size());
    for (std::size_t i = 0; i < marks.size(); ++i) {
        CHECK(again[i].variable == marks[i].variable);
        CHECK(again[i].kind == marks[i].kind);
        CHECK(again[i].is_removed == marks[i].is_removed);
    }
}

}  // namespace
}  // namespace secrets::spank
