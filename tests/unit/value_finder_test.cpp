// SPDX-License-Identifier: Apache-2.0
#include "spank/value_finder.h"

#include <span>
#include <string>
#include <vector>

#include "tests/unit/catch.h"

namespace secrets::spank {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// A marker of variables V0, V1, ... with these values.
Marker marker_of_values(const std::vector<std::string>& values, MarkKind kind = MarkKind::value) {
    Marker marker;
    marker.key.fill(std::byte{7});
    for (const std::string& value : values) {
        marker.variables.push_back({"V" + std::to_string(marker.variables.size()), kind,
                                    digest_of(marker.key, bytes_of(value))});
    }
    return marker;
}

TEST_CASE("ValueFinder: finds a value that is the whole text") {
    const Marker marker = marker_of_values({"first value", "second value"});
    const ValueFinder finder(marker);
    CHECK(finder.equal_to("second value") == 1);
    CHECK_FALSE(finder.equal_to("second valuE").has_value());
    CHECK_FALSE(finder.equal_to("a second value").has_value());
}

TEST_CASE("ValueFinder: finds a value at any position of a text") {
    const std::string value = "ghp_0123456789abcdef";
    const Marker marker = marker_of_values({"ghp_0123_another_one", value});
    const ValueFinder finder(marker);
    for (std::size_t before = 0; before < 40; ++before) {
        CAPTURE(before);
        CHECK(finder.within(std::string(before, 'x') + value) == 1);
        CHECK(finder.within(std::string(before, 'x') + value + "@host") == 1);
        CHECK_FALSE(finder.within(std::string(before, 'x') + value.substr(1)).has_value());
        CHECK_FALSE(finder.within(std::string(before, 'x') + value.substr(0, value.size() - 1))
                        .has_value());
    }
    CHECK_FALSE(finder.within("").has_value());
}

TEST_CASE("ValueFinder: finds each of many values with one beginning in one text") {
    std::vector<std::string> values;
    std::string text;
    for (int i = 0; i < 300; ++i) {
        values.push_back("sk-proj-" + std::to_string(1000 + i));
        text += values.back() + " ";
    }
    const Marker marker = marker_of_values(values);
    std::vector<std::size_t> found;
    ValueFinder(marker).each_within(text, [&found](std::size_t index) {
        found.push_back(index);
        return true;
    });
    REQUIRE(found.size() == values.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == i);
}

TEST_CASE("ValueFinder: does not look for short values and paths in other text") {
    const Marker short_values = marker_of_values({"1", "seven77"});
    CHECK_FALSE(ValueFinder(short_values).within("1 seven77 and more").has_value());
    const Marker path = marker_of_values({"/run/some/file"}, MarkKind::path);
    CHECK_FALSE(ValueFinder(path).within("see /run/some/file").has_value());
    CHECK(ValueFinder(path).equal_to("/run/some/file") == 0);
}

TEST_CASE("ValueFinder: never finds a value that is known by its name") {
    const Marker marker = marker_of_values({"/home/alice"}, MarkKind::named);
    CHECK_FALSE(ValueFinder(marker).equal_to("/home/alice").has_value());
    CHECK_FALSE(ValueFinder(marker).within("/home/alice/bin").has_value());
}

}  // namespace
}  // namespace secrets::spank
