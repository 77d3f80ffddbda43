// SPDX-License-Identifier: Apache-2.0
// Imported secrets have valid names, each once, and values that lie one after the other. Other text
// is rejected with a sentence that shows nothing of it.

#include "common/base/limits.h"
#include "common/base/names.h"
#include "ctl/import/import_text.h"
#include "ctl/io/exit_codes.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

void check(const ctl::ImportedSecrets& found, std::size_t size) {
    must(!found.entries().empty(), "something is imported, or it is refused");
    std::size_t end = 0;
    for (const auto& entry : found.entries()) {
        must(check_secret_name(entry.name).ok(), "a name is a secret's");
        must(entry.size > 0, "a name without a value is left out");
        must(entry.size <= kMaxValueBytes, "a value is not too long");
        must(entry.begin >= end, "values lie one behind the other");
        end = entry.begin + entry.size;
        must(end <= found.values.size(), "a value lies in the values");
        must(found.value_of(entry).size() == entry.size, "a value is all of its bytes");
    }
    must(found.values.size() <= size, "no value is longer than what it was read from");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const ctl::ImportChoice& choice :
         {ctl::ImportChoice{}, ctl::ImportChoice{{"A"}, {}}, ctl::ImportChoice{{}, {"A"}}}) {
        try {
            const ctl::ImportedSecrets found = ctl::read_import(text, "FILE", choice);
            fuzz::check(found, size);
            for (const auto& entry : found.entries()) {
                fuzz::must(choice.wants(entry.name), "only what is wanted is taken");
            }
        } catch (const ctl::CommandError& error) {
            fuzz::must(fuzz::is_sentence(error.what()), "an import is refused with a sentence");
        }
    }
    return 0;
}
