// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/check_body.h"

#include <boost/json.hpp>

#include "agentd/api/json_fields.h"
#include "agentd/base/json_members.h"
#include "common/base/limits.h"
#include "common/base/names.h"
#include "common/base/text_as.h"

namespace secrets::api {

namespace json = boost::json;

StatusOr<SubmitCheckRequest> parse_check(std::span<const std::byte> body) {
    const auto value = parse_object(body, 2);
    if (!value) return value.status();
    JsonFields fields(value->get_object());
    SubmitCheckRequest request;
    request.uid.value = fields.number("uid", UINT32_MAX);
    request.spec = fields.text("ask", kMaxSpecBytes);
    request.node = fields.text("node", kMaxNodeNameBytes);
    if (Status wrong = fields.wrong(); !wrong.ok()) return wrong;
    return request;
}

std::string print_check(const SubmitCheckRequest& check) {
    return json::serialize(
        json::object{{"uid", check.uid.value}, {"ask", check.spec}, {"node", check.node}});
}

std::string verdict_json(const Status& refusal) {
    json::object object{{"ok", refusal.ok()}};
    if (!refusal.ok()) object["sentence"] = refusal.message();
    return json::serialize(object) + "\n";
}

std::string sentence_in_verdict(std::span<const std::byte> body) {
    const json::value value = parse_json(body);
    const json::string* sentence = find_text(value.if_object(), "sentence");
    if (sentence == nullptr || sentence->size() > kMaxSentenceBytes) return "";
    return printable_ascii(text_as<std::string_view>(*sentence));
}

}  // namespace secrets::api
