// SPDX-License-Identifier: Apache-2.0
// A secret spec that parses prints, and the printed text parses to the same spec. Other text is
// rejected with a sentence and a position in the text.

#include "common/base/secret_spec.h"

#include "common/base/limits.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

void check(const SecretSpec& ask) {
    const std::string printed = print_spec(ask);
    must(printed.size() <= kMaxSpecBytes, "what is printed is no longer than a spec may be");
    const auto again = parse_spec(printed);
    const SecretSpec* same_ask = again.spec();
    must(same_ask != nullptr && *same_ask == ask, "what is printed parses to the same");
    must(ask.items.size() <= kMaxSpecItems, "an ask has at most the most items");
    must(!ask.run_optional || ask.run, "only a run that is named is optional");
}

void check(const SpecError& error, std::string_view text) {
    must(is_sentence(error.message), "an ask is refused with a sentence");
    must(error.length >= 1 && error.offset <= text.size(), "what is wrong is in the text");
    const std::string marked = mark_place(text, error);
    const auto end = marked.find('\n');
    must(end != marked.npos, "the place has two lines");
    must(is_sentence(marked.substr(0, end)) && is_sentence(marked.substr(end + 1)),
         "the place can be shown");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = parse_spec(text);
    if (const auto* ask = parsed.spec()) {
        fuzz::check(*ask);
    } else {
        fuzz::check(*parsed.error(), text);
    }
    return 0;
}
