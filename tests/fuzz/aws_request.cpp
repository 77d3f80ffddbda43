// SPDX-License-Identifier: Apache-2.0
// A request of AWS's API that parses keeps to the limits, and errors show nothing of a value; names
// and ARNs are read back as they were written.

#include "agentd/aws/request_fields.h"
#include "agentd/aws/secret_id.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

constexpr std::size_t kValueBytes = 48;  // few, so that inputs reach the limit

void check_name(const std::string& text) {
    for (const aws::Candidate& candidate : aws::candidates_of(text)) {
        const std::string name = aws::secret_name(candidate.address);
        const auto again = aws::parse_secret_name(name);
        must(again.ok() && *again == candidate.address, "a name is read back");
        must(candidate.suffix.empty() || candidate.suffix.size() == 6,
             "a suffix has six characters");
    }
}

void run(Bytes input) {
    auto fields = aws::RequestFields::parse(input, kValueBytes);
    if (!fields) {
        must(fields.status().code() == StatusCode::invalid_argument, "an error has one reason");
        return;
    }
    if (const auto id = fields->text("SecretId", 1, 2048)) check_name(*id);
    static_cast<void>(fields->needed_text("Name", 1, 512));
    static_cast<void>(fields->flag("IncludePlannedDeletion"));
    static_cast<void>(fields->number("MaxResults"));
    static_cast<void>(fields->texts("SecretIdList", 20));
    const auto tags = fields->tags();
    must(!tags || tags->size() <= 50, "tags are within the limit");
    const auto filters = fields->filters();
    if (filters) static_cast<void>(aws::matches(*filters, {"NAME", "a Text", {{"key", "value"}}}));
    const auto value = fields->take_value();
    must(!value || value->bytes.size() <= kValueBytes, "a value is within the limit");
    must(!fields->take_value(), "a value is taken once");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    secrets::fuzz::run(std::as_bytes(std::span(data, size)));
    return 0;
}
