// SPDX-License-Identifier: Apache-2.0
// Random bytes seldom pass a checksum. The mutator changes an input as libFuzzer would, and then
// usually repairs what must be consistent for the rest to be read: the length of the slab, the
// lengths of the extents, and the checksums.

#include <zlib.h>

#include <algorithm>
#include <random>

#include "tests/fuzz/must.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kPage = 4096;

template <typename Number>
Number get(const std::uint8_t* at) {
    Number number;
    std::memcpy(&number, at, sizeof(number));
    return number;
}

template <typename Number>
void put(std::uint8_t* at, Number number) {
    std::memcpy(at, &number, sizeof(number));
}

void mend_slab_header(std::uint8_t* data, std::size_t size) {
    std::memcpy(data, "SLSSLAB1", 8);
    put<std::uint32_t>(data + 8, 1);
    put(data + 12, static_cast<std::uint32_t>(size));
}

void mend_checksum(std::uint8_t* extent) {
    const auto payload_length = get<std::uint32_t>(extent + 8);
    uLong crc = crc32(0, extent + 6, 2);
    crc = crc32(crc, extent + 8, 4);
    crc = crc32(crc, extent + 16, 8);
    crc = crc32(crc, extent + kHeaderBytes, payload_length);
    put(extent + 12, static_cast<std::uint32_t>(crc));
}

/// Makes the extent consistent, in `room` bytes; returns its length.
std::size_t mend_extent(std::uint8_t* extent, std::size_t room, std::minstd_rand& random) {
    std::size_t length = get<std::uint32_t>(extent) / kHeaderBytes * kHeaderBytes;
    if (length < kHeaderBytes || length > room) length = room;
    put(extent, static_cast<std::uint32_t>(length));
    if (get<std::uint16_t>(extent + 4) == 0) return length;
    if (random() % 8 != 0) put<std::uint16_t>(extent + 4, 2);
    if (random() % 8 != 0) put<std::uint16_t>(extent + 6, 1 + get<std::uint16_t>(extent + 6) % 2);
    const std::size_t least = length == kHeaderBytes ? 0 : length - 2 * kHeaderBytes + 1;
    const std::size_t most = length - kHeaderBytes;
    const std::size_t said = get<std::uint32_t>(extent + 8);
    if (random() % 8 != 0)
        put(extent + 8, static_cast<std::uint32_t>(std::clamp(said, least, most)));
    if (get<std::uint32_t>(extent + 8) <= most && random() % 8 != 0) mend_checksum(extent);
    return length;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
    std::minstd_rand random(seed);
    size = LLVMFuzzerMutate(data, size, max_size);
    if (random() % 16 == 0) return size;
    const std::size_t whole = (size + kPage - 1) / kPage * kPage;
    if (whole > max_size || whole == 0) return size;
    std::memset(data + size, 0, whole - size);
    mend_slab_header(data, whole);
    if (random() % 16 == 0) return whole;
    for (std::size_t at = kHeaderBytes; at < whole;) {
        at += mend_extent(data + at, whole - at, random);
    }
    return whole;
}
