// SPDX-License-Identifier: Apache-2.0
// Promise: what OpenSSL had in its memory is overwritten when it frees it. A program of its own:
// OpenSSL takes other functions for its memory only before it has used the first ones.

#include <openssl/crypto.h>

#include "agentd/base/process_hardening.h"
#include "tests/unit/catch.h"
#include "tests/unit/own_memory.h"

namespace secrets {
namespace {

constexpr std::string_view kCanary = "CANARY-OF-OPENSSL";
constexpr std::size_t kSize = 720;

bool holds_canary(std::uintptr_t address, std::size_t size = kSize) {
    return own_memory_at(address, size).find(kCanary) != std::string::npos;
}

/// Memory of OpenSSL's, full of canaries.
void* filled() {
    static const bool wiping = wipe_memory_of_openssl().ok();
    REQUIRE(wiping);
    auto* block = static_cast<char*>(OPENSSL_malloc(kSize));
    for (std::size_t at = 0; at < kSize; ++at) block[at] = kCanary[at % kCanary.size()];
    REQUIRE(holds_canary(number_of(block)));
    return block;
}

TEST_CASE("Process hardening: overwrites memory that OpenSSL frees", "[wipe]") {
    void* block = filled();
    const std::uintptr_t address = number_of(block);
    OPENSSL_free(block);
    CHECK_FALSE(holds_canary(address));
}

TEST_CASE("Process hardening: overwrites the old memory when OpenSSL resizes it", "[wipe]") {
    const std::size_t size =
        GENERATE(as<std::size_t>(), 100, 725, 100'000);  // 725 would fit where it is
    CAPTURE(size);
    void* block = filled();
    const std::uintptr_t address = number_of(block);
    void* moved = OPENSSL_realloc(block, size);
    REQUIRE(moved != nullptr);
    CHECK_FALSE(holds_canary(address));
    CHECK(own_memory_at(number_of(moved), std::min(size, kSize)).starts_with(kCanary));
    OPENSSL_free(moved);
    CHECK_FALSE(holds_canary(number_of(moved), std::min(size, kSize)));
}

TEST_CASE("Process hardening: overwrites memory that OpenSSL resizes to zero", "[wipe]") {
    void* block = filled();
    const std::uintptr_t address = number_of(block);
    CHECK(OPENSSL_realloc(block, 0) == nullptr);
    CHECK_FALSE(holds_canary(address));
}

TEST_CASE("Process hardening: lets OpenSSL free and resize a null pointer", "[wipe]") {
    OPENSSL_free(filled());
    OPENSSL_free(nullptr);
    void* block = OPENSSL_realloc(nullptr, 10);
    CHECK(block != nullptr);
    OPENSSL_free(block);
}

}  // namespace
}  // namespace secrets
