// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/grant_body.h"

#include <boost/json.hpp>
#include <set>

#include "agentd/api/sensitive_json.h"
#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::api {
namespace {

namespace json = boost::json;

/// The longest wait for a response that a node may announce.
constexpr std::uint64_t kMaxPatience = 60 * 1000;

/// The daemon's own entity tags are shorter.
constexpr std::size_t kMaxTagBytes = 128;

/// Reads the fields of an object, and stores what is wrong with the first invalid one.
class Fields {
  public:
    explicit Fields(const json::object& object) : object_(object) {}

    std::uint32_t number(std::string_view name, std::uint64_t most) {
        ++taken_;
        const json::value* value = object_.if_contains(name);
        std::uint64_t number = most + 1;
        if (value != nullptr && value->is_int64() && value->get_int64() >= 0) {
            number = static_cast<std::uint64_t>(value->get_int64());
        }
        if (number > most) fail(name, "a whole number from 0 to " + std::to_string(most));
        return static_cast<std::uint32_t>(number);
    }
    std::string text(std::string_view name, std::size_t most) {
        ++taken_;
        const json::value* value = object_.if_contains(name);
        if (value != nullptr && value->is_string() && value->get_string().size() <= most) {
            return std::string(value->get_string());
        }
        fail(name, "a string of at most " + std::to_string(most) + " bytes");
        return "";
    }
    Status wrong() const {
        if (!wrong_.ok() || taken_ == object_.size()) return wrong_;
        return Status::invalid("the body has an unknown field");
    }

  private:
    void fail(std::string_view name, const std::string& expected) {
        if (wrong_.ok())
            wrong_ = Status::invalid("\"" + std::string(name) + "\" must be " + expected);
    }

    const json::object& object_;
    std::size_t taken_ = 0;
    Status wrong_;
};

/// Finds a field that appears twice in one object: the document parser uses only one of the two.
class RepeatedField : public BodyHandler<RepeatedField> {
    friend BodyHandler<RepeatedField>;

  public:
    bool on_object_begin(json::error_code&) {
        open_.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t, json::error_code&) {
        open_.pop_back();
        return true;
    }
    bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
        key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(json::string_view part, std::size_t, json::error_code& error) {
        key_.append(part.data(), part.size());
        const std::string key = std::exchange(key_, {});
        if (open_.back().insert(key).second) return true;
        return fail("duplicate field " + quoted(key), error);
    }
    bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
    bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }

  private:
    bool unexpected(const char*, json::error_code&) { return true; }  // reported by the reader

    std::vector<std::set<std::string>> open_;
    std::string key_;
};

StatusOr<json::value> parse_object(std::span<const std::byte> body, std::size_t depth) {
    json::error_code error;
    json::parse_options options;
    options.max_depth = depth;
    json::basic_parser<RepeatedField> fields(options);
    if (const Status wrong = parse_whole(fields, body); !wrong.ok()) return wrong;
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    json::value value = json::parse(text, error, {}, options);
    if (error) return Status::invalid("the JSON is malformed: " + error.message());
    if (!value.is_object()) return Status::invalid("the body must be a JSON object");
    return value;
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
    Fields fields(value->get_object());
    NodeGrantRequest request;
    request.grant.job.value = fields.number("job", UINT32_MAX);
    request.grant.step.value = fields.number("step", UINT32_MAX);
    request.grant.uid.value = fields.number("uid", UINT32_MAX);
    request.grant.wait_milliseconds = fields.number("wait_ms", kMaxWaitMilliseconds);
    request.patience = std::chrono::milliseconds(fields.number("patience_ms", kMaxPatience));
    request.grant.ask = fields.text("ask", kMaxSpecBytes);
    request.node = fields.text("node", kMaxNodeNameBytes);
    if (Status wrong = fields.wrong(); !wrong.ok()) return wrong;
    return request;
}

std::string print_report(const std::vector<vault::CachedGrant>& held) {
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
    const json::value* list = object.if_contains("holds");
    if (object.size() != 1 || list == nullptr || !list->is_array()) {
        return Status::invalid("the body must have \"holds\", a list, as its only field");
    }
    std::vector<vault::CachedGrant> held;
    for (const json::value& each : list->get_array()) {
        if (!each.is_object()) return Status::invalid("\"holds\" must be a list of objects");
        Fields fields(each.get_object());
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
    json::error_code error;
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    const json::value value = json::parse(text, error);
    const json::object* object = error ? nullptr : value.if_object();
    const json::value* revoked = object == nullptr ? nullptr : object->if_contains("revoked");
    if (revoked == nullptr || !revoked->is_array())
        return Status::invalid("the hub's answer is malformed");
    std::vector<std::size_t> positions;
    for (const json::value& position : revoked->get_array()) {
        const std::int64_t* number = position.if_int64();
        if (number == nullptr || *number < 0) continue;
        if (static_cast<std::size_t>(*number) < count) {
            positions.push_back(static_cast<std::size_t>(*number));
        }
    }
    return positions;
}

}  // namespace secrets::api
