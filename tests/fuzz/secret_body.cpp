// SPDX-License-Identifier: Apache-2.0
// A change of a stored secret that parses keeps to the limits; errors show nothing of the secret.

#include "agentd/api/secret_body.h"

#include <algorithm>

#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

constexpr std::size_t kValueBytes = 48;  // few, so that inputs reach the limit

bool is_printable(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void run(Bytes input) {
    const auto keep = api::parse_put_secret(input, kValueBytes);
    if (keep) {
        must(keep->value.size() <= kValueBytes, "a value is within the limit");
        must(!keep->ttl || keep->ttl->size() <= 256, "a ttl is short");
    } else {
        const StatusCode code = keep.status().code();
        must(code == StatusCode::invalid_argument || code == StatusCode::too_large,
             "an error has one of two reasons");
        must(is_printable(keep.status().message()), "a sentence is fit for a log");
    }
    const auto name = api::parse_rename(input);
    must(!keep || !name, "no body is both");
    if (!name) must(is_printable(name.status().message()), "a sentence is fit for a log");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    secrets::fuzz::run(std::as_bytes(std::span(data, size)));
    return 0;
}
