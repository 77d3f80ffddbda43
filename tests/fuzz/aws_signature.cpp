// SPDX-License-Identifier: Apache-2.0
// The head of any request is read or refused, and no request verifies with a key that signed none.
// An input is a request line of method and target, header fields, an empty line and the body.

#include <algorithm>

#include "agentd/aws/signature.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

/// Removes a line and its end, and returns the line.
std::string_view take_line(std::string_view& text) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    return line;
}

/// Splits a line at its first `mark`.
std::pair<std::string_view, std::string_view> split(std::string_view line, char mark) {
    const std::string_view first = line.substr(0, line.find(mark));
    return {first, line.substr(std::min(first.size() + 1, line.size()))};
}

void run(std::string_view input) {
    const auto [method, target] = split(take_line(input), ' ');
    std::vector<aws::HeaderField> fields;
    for (std::string_view line = take_line(input); !line.empty(); line = take_line(input)) {
        const auto [name, value] = split(line, ':');
        fields.push_back({name, value});
    }
    const aws::RequestHeadView head{method, target, fields};
    // Within five minutes of the examples in the corpus.
    const std::chrono::sys_seconds now(std::chrono::seconds(1'796'117'640));
    const auto claim = aws::read_claim(head, now);
    if (const auto* wrong = std::get_if<aws::Error>(&claim)) {
        must(!wrong->sentence.empty(), "an error has a sentence");
        return;
    }
    const auto& read = std::get<aws::SignatureClaim>(claim);
    must(!read.access_key.empty() && read.access_key.size() <= aws::kMaxAccessKeyBytes,
         "a key's id is within the limit");
    must(read.signature.size() == 64, "a signature has 64 digits");
    const SecretBuffer secret(40);
    const SecretView body(std::as_bytes(std::span(input)));
    must(aws::verify_signature(head, read, body, &secret).has_value(), "no signature is good");
    must(aws::verify_signature(head, read, body, nullptr).has_value(), "no key is known");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    secrets::fuzz::run({reinterpret_cast<const char*>(data), size});
    return 0;
}
