// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/check_body.h"

#include <boost/json.hpp>

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::api {
namespace {

namespace json = boost::json;

/// Returns the object that a body is; nothing if the body is not an object.
std::optional<json::object> object_in(std::span<const std::byte> body) {
    json::parse_options options;
    options.max_depth = 2;
    json::error_code error;
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    json::value value = json::parse(text, error, {}, options);
    if (error || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

/// Returns a field's text; nothing if there is none, or the text is too long.
std::optional<std::string> text_in(const json::object& object, std::string_view name,
                                   std::size_t most) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_string() || value->get_string().size() > most) {
        return std::nullopt;
    }
    return std::string(value->get_string());
}

}  // namespace

StatusOr<SubmitCheckRequest> parse_check(std::span<const std::byte> body) {
    const auto object = object_in(body);
    if (!object) return Status::invalid("the body must be a JSON object");
    const json::value* uid = object->if_contains("uid");
    if (uid == nullptr || !uid->is_int64() || uid->get_int64() < 0 ||
        uid->get_int64() > UINT32_MAX) {
        return Status::invalid("\"uid\" must be the number of a user");
    }
    const auto spec = text_in(*object, "ask", kMaxSpecBytes);
    if (!spec) {
        return Status::invalid("\"ask\" must be a string of at most " +
                               std::to_string(kMaxSpecBytes) + " bytes");
    }
    const auto node = text_in(*object, "node", kMaxNodeNameBytes);
    if (!node) {
        return Status::invalid("\"node\" must be a string of at most " +
                               std::to_string(kMaxNodeNameBytes) + " bytes");
    }
    if (object->size() > 3) return Status::invalid("the body has an unknown field");
    return SubmitCheckRequest{Uid{static_cast<uid_t>(uid->get_int64())}, *spec, *node};
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
    const auto object = object_in(body);
    if (!object) return "";
    return printable(text_in(*object, "sentence", kMaxSentenceBytes).value_or(""));
}

}  // namespace secrets::api
