// SPDX-License-Identifier: Apache-2.0
// Messages between nodes and hubs: a message that parses has the same meaning when it is written
// and parsed again; a sentence rejects any other text.

#include "agentd/api/check_body.h"
#include "agentd/api/grant_body.h"
#include "common/base/limits.h"
#include "common/ipc/hub_request.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

constexpr std::size_t kHolds = 4;

template <typename T>
void must_say_why(const StatusOr<T>& parsed) {
    must(is_sentence(parsed.status().message()), "an error is a sentence");
}

void grant(Bytes input) {
    const auto request = api::parse_grant(input);
    if (!request) return must_say_why(request);
    must(request->grant.ask.size() <= kMaxSpecBytes, "an ask is within its limit");
    must(request->node.size() <= kMaxNodeNameBytes, "a node's name is within its limit");
    const std::string text = api::print_grant(*request);
    const auto again = api::parse_grant(bytes_of(text));
    must(again && api::print_grant(*again) == text, "a grant says the same again");
}

void report(Bytes input) {
    const auto held = api::parse_report(input);
    if (!held) return must_say_why(held);
    const std::string text = api::print_report(*held);
    const auto again = api::parse_report(bytes_of(text));
    must(again && api::print_report(*again) == text, "a report says the same again");
}

void check(Bytes input) {
    const auto request = api::parse_check(input);
    if (!request) return must_say_why(request);
    const std::string text = api::print_check(*request);
    const auto again = api::parse_check(bytes_of(text));
    must(again && api::print_check(*again) == text, "a check says the same again");
}

void answers(Bytes input) {
    if (const auto places = api::parse_revoked(input, kHolds)) {
        for (const std::size_t place : *places) must(place < kHolds, "a place is of the report");
    }
    const std::string sentence = api::sentence_in_verdict(input);
    must(sentence.empty() || is_sentence(sentence), "a verdict is a sentence");
}

void credential(Bytes input) {
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    const auto request = parse_hub_request(text);
    if (!request) return must_say_why(request);
    must(print_hub_request(*request) == text, "a credential's text says one thing only");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets::fuzz;
    const Bytes input = std::as_bytes(std::span(data, size));
    grant(input);
    report(input);
    check(input);
    answers(input);
    credential(input);
    return 0;
}
