// SPDX-License-Identifier: Apache-2.0
// Promise: whatever a library did with a value on the heap, nothing of it is left when it is freed.
// A program of its own: in unit_tests it would hide what the parts do by themselves.

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/own_memory.h"

namespace secrets {
namespace {

constexpr std::string_view kCanary = "CANARY-IN-THE-HEAP";
constexpr std::size_t kSize = 720;

std::string canaries() {
    std::string text;
    while (text.size() < kSize) text += kCanary;
    return text;
}

bool holds_canary(std::uintptr_t address) {
    return own_memory_at(address, kSize).find(kCanary) != std::string::npos;
}

TEST_CASE("Zeroing new: leaves no trace of a destroyed string on the heap", "[wipe]") {
    std::uintptr_t address = 0;
    {
        const std::string text = canaries();
        address = number_of(text.data());
        REQUIRE(holds_canary(address));
    }
    CHECK_FALSE(holds_canary(address));
}

TEST_CASE("Zeroing new: leaves no trace in the old buffer of a growing vector", "[wipe]") {
    const std::string text = canaries();
    std::vector<char> bytes(text.begin(), text.end());
    const std::uintptr_t address = number_of(bytes.data());
    REQUIRE(holds_canary(address));
    bytes.resize(100 * kSize);
    REQUIRE(number_of(bytes.data()) != address);
    CHECK_FALSE(holds_canary(address));
}

TEST_CASE("Zeroing new: leaves no trace of a destroyed over-aligned object", "[wipe]") {
    struct alignas(256) Wide {
        char bytes[768];
    };
    auto wide = std::make_unique<Wide>();
    const std::uintptr_t address = number_of(wide.get());
    CHECK(address % 256 == 0);
    canaries().copy(wide->bytes, kSize);
    REQUIRE(holds_canary(address));
    wide.reset();
    CHECK_FALSE(holds_canary(address));
}

TEST_CASE("Zeroing new: frees an allocation of zero bytes and a null pointer", "[wipe]") {
    void* nothing = ::operator new(0);
    CHECK(nothing != nullptr);
    ::operator delete(nothing);
    ::operator delete(nullptr);
}

TEST_CASE("Zeroing new: throws bad_alloc or returns null with nothrow for an impossible size",
          "[wipe]") {
    volatile std::size_t too_much = ~std::size_t{0} / 4;
    CHECK_THROWS_AS(::operator new(too_much), std::bad_alloc);
    CHECK_THROWS_AS(::operator new(too_much, std::align_val_t(64)), std::bad_alloc);
    CHECK(::operator new(too_much, std::nothrow) == nullptr);
}

}  // namespace
}  // namespace secrets
