// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/grant_body.h"

#include <boost/json.hpp>

#include "agentd/api/json_fields.h"
#include "agentd/base/json_members.h"
#include "common/base/limits.h"

namespace secrets::api {
namespace {

namespace json = boost::json;

/// The daemon's own entity tags are shorter.
constexpr std::size_t kMaxTagBytes = 128;

/// Returns an upper limit of what a grant takes in a report. JSON may write a byte as six.
std::size_t reported_size(const vault::CachedGrant& grant) {
    return 6 * grant.ask.size() + 128 + kMaxTagBytes;
}

}  // namespace

std::string print_grant(const NodeGrantRequest& request) {
    return json::serialize(json::object{{"job", request.grant.job.value},
                                        {"step", request.grant.step.value},
                                        {"uid", request.grant.uid.value},
                                        {"node", request.node},
                                        {"ask", request.grant.ask},
                                        {"wait_ms", request.grant.wait_milliseconds},
                                        {"patience_ms", request.patience.count()}});
}

StatusOr<NodeGrantRequest> parse_grant(std::span<const std::byte> body) {
    const auto value = parse_object(body, 2);
    if (!value) return value.status();
    JsonFields fields(value->get_object());
    NodeGrantRequest request;
    request.grant.job.value = fields.number("job", UINT32_MAX);
    request.grant.step.value = fields.number("step", UINT32_MAX);
    request.grant.uid.value = fields.number("uid", UINT32_MAX);
    request.grant.wait_milliseconds = fields.number("wait_ms", kMaxWaitMilliseconds);
    request.patience =
        std::chrono::milliseconds(fields.number("patience_ms", kMaxPatience.count()));
    request.grant.ask = fields.text("ask", kMaxSpecBytes);
    request.node = fields.text("node", kMaxNodeNameBytes);
    if (Status wrong = fields.wrong(); !wrong.ok()) return wrong;
    return request;
}

bool is_grant_denied(unsigned status, std::span<const std::byte> body) {
    if (status < 400 || status >= 500) return false;
    const json::value value = parse_json(body);
    return text_or_empty(value.if_object(), "type") == kGrantDenied;
}

std::vector<std::span<const vault::CachedGrant>> report_parts(
    std::span<const vault::CachedGrant> held) {
    std::vector<std::span<const vault::CachedGrant>> parts;
    std::size_t begin = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < held.size(); ++i) {
        const std::size_t more = reported_size(held[i]);
        if (bytes + more > kMaxReportBytes || i - begin == kMaxReportedGrants) {
            parts.push_back(held.subspan(begin, i - begin));
            begin = i;
            bytes = 0;
        }
        bytes += more;
    }
    parts.push_back(held.subspan(begin));
    return parts;
}

std::string print_report(std::span<const vault::CachedGrant> held) {
    json::array list;
    for (const vault::CachedGrant& grant : held) {
        list.push_back({{"job", grant.job.value},
                        {"uid", static_cast<std::uint32_t>(grant.owner.value)},
                        {"ask", grant.ask},
                        {"tag", grant.tag}});
    }
    return json::serialize(json::object{{"holds", std::move(list)}});
}

StatusOr<std::vector<vault::CachedGrant>> parse_report(std::span<const std::byte> body) {
    const auto value = parse_object(body, 4);
    if (!value) return value.status();
    const json::object& object = value->get_object();
    const json::array* list = find_array(&object, "holds");
    if (object.size() != 1 || list == nullptr) {
        return Status::invalid("the body must have \"holds\", a list, as its only field");
    }
    if (list->size() > kMaxReportedGrants) {
        return Status::invalid("\"holds\" has " + std::to_string(list->size()) +
                               " elements; at most " + std::to_string(kMaxReportedGrants) +
                               " are accepted");
    }
    std::vector<vault::CachedGrant> held;
    for (const json::value& each : *list) {
        if (!each.is_object()) return Status::invalid("\"holds\" must be a list of objects");
        JsonFields fields(each.get_object());
        vault::CachedGrant grant;
        grant.job.value = fields.number("job", UINT32_MAX);
        grant.owner.value = fields.number("uid", UINT32_MAX);
        grant.ask = fields.text("ask", kMaxSpecBytes);
        grant.tag = fields.text("tag", kMaxTagBytes);
        if (Status wrong = fields.wrong(); !wrong.ok()) return wrong;
        held.push_back(std::move(grant));
    }
    return held;
}

std::string revoked_json(const std::vector<std::size_t>& positions) {
    return json::serialize(json::object{{"revoked", json::value_from(positions)}}) + "\n";
}

StatusOr<std::vector<std::size_t>> parse_revoked(std::span<const std::byte> body,
                                                 std::size_t count) {
    const json::value value = parse_json(body);
    const json::array* revoked = find_array(value.if_object(), "revoked");
    if (revoked == nullptr) return Status::invalid("the hub's answer is malformed");
    std::vector<std::size_t> positions;
    for (const json::value& position : *revoked) {
        const std::int64_t* number = position.if_int64();
        if (number == nullptr || *number < 0) continue;
        if (static_cast<std::size_t>(*number) < count) {
            positions.push_back(static_cast<std::size_t>(*number));
        }
    }
    return positions;
}

}  // namespace secrets::api
