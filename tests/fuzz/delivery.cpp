// SPDX-License-Identifier: Apache-2.0
// A delivery that can be read lies inside the image, is fit to be set in an environment, and writes
// the same image again.

#include "common/secure_memory/delivery.h"

#include <vector>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

/// Returns whether the bytes lie in the image, with a NUL after them and none among them.
bool is_c_string(Bytes text, Bytes image) {
    const Bytes with_nul(text.data(), text.size() + 1);
    return lies_in(with_nul, image) &&
           std::memchr(text.data(), 0, with_nul.size()) == text.data() + text.size();
}

void check(const std::vector<DeliveryEntry>& entries, Bytes image) {
    for (const DeliveryEntry& entry : entries) {
        must(is_c_string(bytes_of(entry.variable), image), "a variable is a C string in the image");
        must(!entry.is_held || !entry.secret.empty(), "what is held has a name");
        if (!entry.secret.empty()) {
            must(is_c_string(bytes_of(entry.secret), image), "a name is a C string in the image");
            must(check_secret_name(entry.secret).ok(), "a file is named for a secret");
            must(lies_in(entry.value.bytes(), image), "a file's value lies in the image");
        } else {
            must(is_c_string(entry.value.bytes(), image), "a value is a C string in the image");
        }
        must(check_variable_name(entry.variable).ok(), "a variable may be set");
        must(entry.value.size() <= kMaxValueBytes, "a value has at most the longest length");
    }
    std::vector<std::byte> written(delivery_size(entries));
    must(write_delivery(entries, written).ok(), "what was read can be written");
    must(written.size() <= image.size() && same(written, image.first(written.size())),
         "what was read writes the same image");
    const auto again = read_delivery(written);
    must(again.ok() && again->size() == entries.size(), "what follows an image changes nothing");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const fuzz::Bytes image = std::as_bytes(std::span(data, size));
    const auto entries = read_delivery(image);
    if (entries) {
        fuzz::check(*entries, image);
    } else {
        fuzz::must(fuzz::is_sentence(entries.status().message()),
                   "a delivery is refused with a sentence");
    }
    return 0;
}
