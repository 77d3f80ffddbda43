// SPDX-License-Identifier: Apache-2.0
// Promise: a value can't be printed by mistake, and is overwritten when it goes.

#include "common/secure_memory/wipe.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/keeps_quiet.h"
#include "tests/unit/own_memory.h"

namespace secrets {
namespace {

static_assert(kKeepsQuiet<SecretView>);
static_assert(kKeepsQuiet<SecretBuffer>);

// No text becomes a secret, and no secret is copied, by accident.
static_assert(!std::is_convertible_v<std::span<const std::byte>, SecretView>);
static_assert(!std::is_convertible_v<std::string_view, SecretView>);
static_assert(!std::is_convertible_v<std::size_t, SecretBuffer>);
static_assert(!std::is_copy_constructible_v<SecretBuffer>);
static_assert(!std::is_copy_assignable_v<SecretBuffer>);
static_assert(std::is_nothrow_move_constructible_v<SecretBuffer>);
static_assert(std::is_nothrow_move_assignable_v<SecretBuffer>);

constexpr std::string_view kCanary = "CANARY-IN-THE-HEAP";

void fill(std::span<std::byte> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(kCanary[i % kCanary.size()]);
    }
}

bool holds_canary(std::uintptr_t address, std::size_t size) {
    return own_memory_at(address, size).find(kCanary) != std::string::npos;
}

TEST_CASE("Wipe: overwrites all given bytes and no others", "[wipe]") {
    Bytes bytes(100, std::byte{0xAA});
    wipe(std::span(bytes).subspan(10, 80));
    Bytes expected(100, std::byte{0});
    for (std::size_t i = 0; i < 10; ++i) expected[i] = expected[99 - i] = std::byte{0xAA};
    CHECK(bytes == expected);
    wipe({});
}

#if defined(__x86_64__)
/// The registers 16 to 31 of AVX-512: code that is compiled for older processors leaves them alone.
using WideRegisters = std::array<std::byte, 16UL * 64>;

void load(const WideRegisters& bytes) {
    asm volatile(
        ".irp number, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
        "vmovdqu64 64 * (\\number - 16)(%0), %%zmm\\number\n\t"
        ".endr"
        :
        : "r"(bytes.data())
        : "memory");
}

/// Copies the registers into memory that exists before: making a buffer of this size may use them.
void store(WideRegisters& bytes) {
    asm volatile(
        ".irp number, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
        "vmovdqu64 %%zmm\\number, 64 * (\\number - 16)(%0)\n\t"
        ".endr"
        :
        : "r"(bytes.data())
        : "memory");
}

/// An allocator may have used the registers since, as that of a sanitizer does.
bool has_canary(const WideRegisters& bytes) {
    return text_of(bytes).find(kCanary) != std::string::npos;
}

TEST_CASE("Wipe: leaves nothing in wide registers, nor does the end of a buffer", "[wipe]") {
    if (!__builtin_cpu_supports("avx512vl")) {
        WARN("this processor has no such registers");
        return;
    }
    WideRegisters canaries{};
    WideRegisters seen{};
    fill(canaries);
    load(canaries);
    store(seen);
    REQUIRE(seen == canaries);
    std::byte byte{1};
    load(canaries);
    wipe({&byte, 1});
    store(seen);
    CHECK_FALSE(has_canary(seen));
    {
        const SecretBuffer buffer(1);
        load(canaries);
    }
    store(seen);
    CHECK_FALSE(has_canary(seen));
}
#endif

TEST_CASE("SecretBuffer: starts as zeros and shows what is written into it", "[wipe]") {
    SecretBuffer buffer(1000);
    CHECK(text_of(buffer.bytes()) == std::string(1000, '\0'));
    fill(buffer.bytes());
    CHECK(buffer.view().size() == 1000);
    CHECK(buffer.view().bytes().data() == buffer.bytes().data());
    CHECK(SecretBuffer().size() == 0);
    CHECK(SecretView().size() == 0);
}

TEST_CASE("SecretBuffer: leaves no value on the heap when destroyed", "[wipe]") {
    constexpr std::size_t kSize = 700;
    std::uintptr_t address = 0;
    {
        SecretBuffer buffer(kSize);
        fill(buffer.bytes());
        address = number_of(buffer.bytes().data());
        REQUIRE(holds_canary(address, kSize));
    }
    CHECK_FALSE(holds_canary(address, kSize));
}

TEST_CASE("SecretBuffer: leaves no old value on the heap when assigned to", "[wipe]") {
    constexpr std::size_t kSize = 700;
    SecretBuffer buffer(kSize);
    fill(buffer.bytes());
    const std::uintptr_t address = number_of(buffer.bytes().data());
    REQUIRE(holds_canary(address, kSize));
    buffer = SecretBuffer(3);
    CHECK(buffer.size() == 3);
    CHECK_FALSE(holds_canary(address, kSize));
}

TEST_CASE("SecretBuffer: moves its bytes in place and leaves the source empty", "[wipe]") {
    SecretBuffer first(700);
    fill(first.bytes());
    const std::byte* address = first.bytes().data();
    SecretBuffer second(std::move(first));
    CHECK(second.bytes().data() == address);
    CHECK(second.size() == 700);
    CHECK(first.size() == 0);
    CHECK(first.bytes().empty());
    CHECK(holds_canary(number_of(second.bytes().data()), 700));
}

}  // namespace
}  // namespace secrets
