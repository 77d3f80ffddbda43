// SPDX-License-Identifier: Apache-2.0
// A message of the view's protocol that decodes encodes to the same bytes again; other bytes are
// rejected with a sentence.

#include "common/ipc/slurm_query_protocol.h"

#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

template <typename Decoded>
void check(const Decoded& decoded, Bytes message) {
    if (decoded) {
        must(same(slurm_query::encode(*decoded, ipc::message_version(message)), message),
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
    fuzz::check(slurm_query::decode_request(message), message);
    fuzz::check(slurm_query::decode_reply(message), message);
    return 0;
}
