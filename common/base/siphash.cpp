// SPDX-License-Identifier: Apache-2.0
#include "common/base/siphash.h"

#include <sys/random.h>

#include <bit>
#include <cstdint>
#include <cstring>

namespace secrets {
namespace {

std::uint64_t little_endian(std::uint64_t word) {
    return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}

/// Reads at most eight bytes as a number, least significant byte first.
std::uint64_t load(std::span<const std::byte> bytes) {
    std::uint64_t word = 0;
    if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());  // data() may be null
    return little_endian(word);
}

void store(std::uint64_t word, std::byte* target) {
    word = little_endian(word);
    std::memcpy(target, &word, sizeof word);
}

class State {
  public:
    State(std::uint64_t k0, std::uint64_t k1)
        : v0_(k0 ^ 0x736f6d6570736575),
          v1_(k1 ^ 0x646f72616e646f6d ^ 0xee),
          v2_(k0 ^ 0x6c7967656e657261),
          v3_(k1 ^ 0x7465646279746573) {}

    void absorb(std::uint64_t word) {
        v3_ ^= word;
        rounds(2);
        v0_ ^= word;
    }

    SipHash finish() {
        SipHash hash;
        v2_ ^= 0xee;
        rounds(4);
        store(v0_ ^ v1_ ^ v2_ ^ v3_, hash.data());
        v1_ ^= 0xdd;
        rounds(4);
        store(v0_ ^ v1_ ^ v2_ ^ v3_, hash.data() + 8);
        return hash;
    }

  private:
    void rounds(int count) {
        while (count-- > 0) {
            v0_ += v1_;
            v1_ = std::rotl(v1_, 13) ^ v0_;
            v0_ = std::rotl(v0_, 32);
            v2_ += v3_;
            v3_ = std::rotl(v3_, 16) ^ v2_;
            v0_ += v3_;
            v3_ = std::rotl(v3_, 21) ^ v0_;
            v2_ += v1_;
            v1_ = std::rotl(v1_, 17) ^ v2_;
            v2_ = std::rotl(v2_, 32);
        }
    }

    std::uint64_t v0_;
    std::uint64_t v1_;
    std::uint64_t v2_;
    std::uint64_t v3_;
};

}  // namespace

SipHash siphash128(const SipKey& key, std::span<const std::byte> bytes) {
    State state(load(std::span(key).first<8>()), load(std::span(key).last<8>()));
    const std::uint64_t length = bytes.size();
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) state.absorb(load(bytes.first(8)));
    state.absorb(load(bytes) | (length << 56));
    return state.finish();
}

bool make_random(SipKey& key) {
    return getrandom(key.data(), key.size(), 0) == static_cast<ssize_t>(key.size());
}

}  // namespace secrets
