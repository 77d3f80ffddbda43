// SPDX-License-Identifier: Apache-2.0
#include "common/ipc/marker.h"

#include <span>
#include <string>

#include "common/base/limits.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

Marker marker_with(std::size_t variables) {
    Marker marker;
    marker.key.fill(std::byte{0x5a});
    marker.spec = "run:r?,workspace:lab,A,B=C:file?,-D,+E=A";
    for (std::size_t i = 0; i < variables; ++i) {
        std::string name = "V" + std::to_string(i);
        name.resize(kMaxNameBytes, '_');
        marker.variables.push_back(
            {name, MarkKind::value, digest_of(marker.key, bytes_of("value " + name))});
    }
    return marker;
}

TEST_CASE("Marker: reads back what it printed") {
    Marker marker = marker_with(3);
    marker.variables[1].kind = MarkKind::named;
    marker.variables[2].kind = MarkKind::path;
    CHECK(parse_marker(print_marker(marker)) == marker);
    CHECK(parse_marker(print_marker(Marker())) == Marker());
}

TEST_CASE("Marker: has contents after all variables") {
    Marker marker = marker_with(3);
    marker.variables[1].kind = MarkKind::held;
    marker.variables[2].kind = MarkKind::content;
    CHECK(parse_marker(print_marker(marker)) == marker);
    std::swap(marker.variables[0], marker.variables[2]);
    CHECK_FALSE(parse_marker(print_marker(marker)).has_value());
}

TEST_CASE("Content mark: is of a text without the newlines at its end") {
    const SipKey key{};
    const auto mark = [&key](std::string_view secret, bool is_file) {
        return content_mark(key, "V", bytes_of(secret), is_file);
    };
    const auto digest = digest_of(key, bytes_of("a\nsecret"));
    CHECK(mark("a\nsecret\n\n", false).value() == MarkedVariable{"V", MarkKind::content, digest});
    CHECK(mark("a\nsecret\n", true).value().digest == digest);
    CHECK(mark("a\nsecret", true).value().digest == digest);
    CHECK_FALSE(mark("a\nsecret", false).has_value());
    CHECK_FALSE(mark("short\n\n\n\n", false).has_value());
    CHECK_FALSE(mark("", true).has_value());
}

TEST_CASE("Marker: fits a variable with as many secrets as a run may have") {
    const Marker marker = marker_with(kMaxSecretsPerRun);
    CHECK(print_marker(marker).size() <= kMaxMarkerBytes);
    CHECK(parse_marker(print_marker(marker)) == marker);
    const Marker larger = marker_with(2 * kMaxSecretsPerRun);
    CHECK(print_marker(larger).size() <= kMaxMarkerBytes);
    CHECK(parse_marker(print_marker(larger)).has_value());
}

TEST_CASE("Marker: leaves out a spec that would break its form") {
    Marker marker = marker_with(1);
    marker.spec = "no/spec";
    CHECK(parse_marker(print_marker(marker)).value().spec.empty());
}

TEST_CASE("Marker: rejects text that is not a marker") {
    const std::string text = print_marker(marker_with(2));
    CHECK_FALSE(parse_marker("").has_value());
    CHECK_FALSE(parse_marker("2" + text.substr(1)).has_value());
    CHECK_FALSE(parse_marker(text.substr(0, 20)).has_value());
    CHECK_FALSE(parse_marker(text + "/PATH=").has_value());
    CHECK_FALSE(parse_marker(text + "/V").has_value());
    CHECK_FALSE(parse_marker(text + std::string(kMaxMarkerBytes, ' ')).has_value());
    std::size_t accepted = 0;
    for (std::size_t size = 0; size < text.size(); ++size) {
        if (parse_marker(text.substr(0, size))) ++accepted;
    }
    CHECK(accepted < 60);  // shorter specs, whole variables, and shorter numbers at the end
}

TEST_CASE("Digest: tells values apart, and has a start of long values only") {
    const SipKey key{};
    CHECK(digest_of(key, bytes_of("one value")) == digest_of(key, bytes_of("one value")));
    CHECK(digest_of(key, bytes_of("one value")) != digest_of(key, bytes_of("two value")));
    CHECK(digest_of(key, bytes_of("short")).start == 0);
    SipKey other{};
    other[15] = std::byte{1};
    CHECK(digest_of(other, bytes_of("one value")).hash !=
          digest_of(key, bytes_of("one value")).hash);
}

}  // namespace
}  // namespace secrets
