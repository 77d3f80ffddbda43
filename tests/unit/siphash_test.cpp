// SPDX-License-Identifier: Apache-2.0
#include "common/base/siphash.h"

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/text_encoding.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

/// The inputs of the reference vectors: the key 00 01 .. 0f, and the bytes 00 01 .. of a length.
std::string of_reference_input(std::size_t length) {
    SipKey key;
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = std::byte(i);
    std::vector<std::byte> bytes(length);
    for (std::size_t i = 0; i < length; ++i) bytes[i] = std::byte(i);
    return to_hex(siphash128(key, bytes));
}

TEST_CASE("SipHash: equals the reference vectors") {
    CHECK(of_reference_input(0) == "a3817f04ba25a8e66df67214c7550293");
    CHECK(of_reference_input(1) == "da87c1d86b99af44347659119b22fc45");
    CHECK(of_reference_input(7) == "a1f1ebbed8dbc153c0b84aa61ff08239");
    CHECK(of_reference_input(8) == "3b62a9ba6258f5610f83e264f31497b4");
    CHECK(of_reference_input(15) == "5493e99933b0a8117e08ec0f97cfc3d9");
    CHECK(of_reference_input(63) == "5150d1772f50834a503e069a973fbd7c");
}

TEST_CASE("SipHash: depends on every byte of key and input") {
    SipKey key{};
    std::vector<std::byte> bytes(20);
    const SipHash hash = siphash128(key, bytes);
    for (std::byte& byte : key) {
        byte = std::byte{1};
        CHECK(siphash128(key, bytes) != hash);
        byte = std::byte{0};
    }
    for (std::byte& byte : bytes) {
        byte = std::byte{1};
        CHECK(siphash128(key, bytes) != hash);
        byte = std::byte{0};
    }
}

}  // namespace
}  // namespace secrets
