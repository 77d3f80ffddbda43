// SPDX-License-Identifier: Apache-2.0
// A message that decodes encodes to the same bytes again; other bytes are rejected with a sentence.

#include "common/ipc/plugin_protocol.h"

#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

template <typename Decoded>
void check(const Decoded& decoded, Bytes message) {
    if (decoded) {
        must(same(plugin_protocol::encode(*decoded), message),
             "a message encodes to what it was decoded from");
    } else {
        must(is_sentence(decoded.status().message()), "a message is refused with a sentence");
    }
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const fuzz::Bytes message = std::as_bytes(std::span(data, size));
    const auto request = plugin_protocol::decode_request(message);
    const auto reply = plugin_protocol::decode_reply(message);
    fuzz::must(!request || !reply, "no message is both a request and a reply");
    fuzz::check(request, message);
    fuzz::check(reply, message);
    return 0;
}
