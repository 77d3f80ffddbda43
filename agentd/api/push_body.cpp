// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/push_body.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "agentd/api/sensitive_json.h"
#include "agentd/base/base64.h"
#include "common/base/names.h"

namespace secrets::api {
namespace {

namespace json = boost::json;
using json::string_view;

/// Handler for Boost.JSON's parser: walks a small automaton, fills the request, and stores the
/// sentence if something is wrong.
class PushHandler : public BodyHandler<PushHandler> {
    friend BodyHandler<PushHandler>;

  public:
    explicit PushHandler(std::size_t value_bytes)
        : value_bytes_(value_bytes), value_(std::max((value_bytes + 2) / 3 * 4, kLongestField)) {}

    service::PushRequest request;

    bool on_object_begin(boost::system::error_code& error) {
        switch (path_) {
            case JsonPath::outside:
                path_ = JsonPath::top;
                return true;
            case JsonPath::top_value:
                if (key_ != "workspace" && key_ != "user") return unexpected("an object", error);
                scope_ = key_ == "user" ? vault::Scope::user : vault::Scope::workspace;
                path_ = JsonPath::scope;
                return true;
            case JsonPath::secret_value:
                name_ = key_;
                has_base64_ = false;
                path_ = JsonPath::encoded;
                return true;
            default:
                return unexpected("an object", error);
        }
    }

    bool on_object_end(std::size_t, boost::system::error_code& error) {
        if (path_ == JsonPath::encoded) {
            if (!has_base64_) return fail(path_of_secret() + ": \"base64\" is missing", error);
            path_ = JsonPath::scope;
        } else {
            path_ = path_ == JsonPath::scope ? JsonPath::top : JsonPath::outside;
        }
        return true;
    }

    bool on_key_part(string_view part, std::size_t, boost::system::error_code& error) {
        // Stops collecting a name that is longer than any field's.
        if (key_part_.size() + part.size() > 1024) return fail("a name is too long", error);
        key_part_.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t size, boost::system::error_code& error) {
        if (!on_key_part(part, size, error)) return false;
        key_ = std::exchange(key_part_, {});
        switch (path_) {
            case JsonPath::top:
                path_ = JsonPath::top_value;
                return known_field(error);
            case JsonPath::scope:
                path_ = JsonPath::secret_value;
                if (names_.emplace(scope_, key_).second) return true;
                return fail(path_of_scope() + ": duplicate name " + in_quotes(key_), error);
            default:
                path_ = JsonPath::encoded_value;
                if (key_ == "base64" && !has_base64_) return true;
                return fail(path_of_secret() + ": unknown or duplicate field " + in_quotes(key_) +
                                "; expected only \"base64\"",
                            error);
        }
    }

    bool on_int64(std::int64_t number, string_view, boost::system::error_code& error) {
        if (path_ != JsonPath::top_value || key_ != "until_job")
            return unexpected("a number", error);
        if (number < 1 || number > UINT32_MAX) return unexpected("a number", error);
        request.until_job = JobId{static_cast<std::uint32_t>(number)};
        path_ = JsonPath::top;
        return true;
    }

    bool on_string_part(string_view part, std::size_t, boost::system::error_code&) {
        value_.add(part);
        return true;
    }
    bool on_string(string_view part, std::size_t, boost::system::error_code& error) {
        value_.add(part);
        const bool taken = take_string(error);
        value_.clear();
        return taken;
    }

  private:
    enum class JsonPath { outside, top, top_value, scope, secret_value, encoded, encoded_value };

    std::string path_of_scope() const {
        return std::string("\"") + vault::scope_word(scope_) + "\"";
    }
    std::string path_of_secret() const { return path_of_scope() + ", " + in_quotes(name_); }

    static const char* expected_in(std::string_view field) {
        if (field == "until_job") return "the id of a job, a number from 1 to 4294967295";
        return field == "owner" || field == "ttl" ? "a string" : "an object";
    }

    bool unexpected(const std::string& found, boost::system::error_code& error) {
        switch (path_) {
            case JsonPath::top_value:
                return fail(
                    "\"" + key_ + "\": expected " + expected_in(key_) + ", not " +
                        (key_ == "until_job" && found == "a number" ? "another number" : found),
                    error);
            case JsonPath::secret_value:
                return fail(path_of_scope() + ", " + in_quotes(key_) +
                                ": expected a string or {\"base64\": \"...\"}, not " + found,
                            error);
            case JsonPath::encoded_value:
                return fail(path_of_secret() + ", \"base64\": expected a string, not " + found,
                            error);
            default:
                return fail("expected an object, not " + found, error);
        }
    }

    bool known_field(boost::system::error_code& error) {
        for (const char* field : {"owner", "ttl", "until_job", "workspace", "user"}) {
            if (key_ != field) continue;
            if (fields_.insert(key_).second) return true;
            return fail("duplicate field \"" + key_ + "\"", error);
        }
        return fail("unknown field " + in_quotes(key_) +
                        "; expected one of: owner, ttl, until_job, workspace, user",
                    error);
    }

    bool take_string(boost::system::error_code& error) {
        switch (path_) {
            case JsonPath::top_value:
                if (key_ != "owner" && key_ != "ttl") return unexpected("a string", error);
                return take_field(error);
            case JsonPath::secret_value:
                name_ = key_;
                return take_value(error);
            case JsonPath::encoded_value:
                return take_encoded(error);
            default:
                return unexpected("a string", error);
        }
    }

    bool take_field(boost::system::error_code& error) {
        if (value_.overflowed() || value_.length() > kLongestField) {
            return fail("\"" + key_ + "\" is too long", error);
        }
        const auto bytes = value_.bytes();
        std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        (key_ == "owner" ? request.owner : request.ttl) = std::move(text);
        path_ = JsonPath::top;
        return true;
    }

    bool take_value(boost::system::error_code& error) {
        if (value_.length() > value_bytes_) return too_long(error);
        SecretBuffer value(value_.length());
        if (value.size() > 0)
            std::memcpy(value.bytes().data(), value_.bytes().data(), value.size());
        request.secrets.push_back({scope_, name_, std::move(value)});
        path_ = JsonPath::scope;
        return true;
    }

    bool take_encoded(boost::system::error_code& error) {
        if (value_.overflowed()) return too_long(error);
        auto value = decode_base64(value_.bytes());
        if (!value) {
            return fail(path_of_secret() +
                            ": \"base64\" is not valid base64: " + why_not_base64(value_.bytes()),
                        error);
        }
        if (value->size() > value_bytes_) return too_long(error);
        request.secrets.push_back({scope_, name_, std::move(*value)});
        has_base64_ = true;
        path_ = JsonPath::encoded;
        return true;
    }

    bool too_long(boost::system::error_code& error) {
        code = StatusCode::too_large;
        return fail(path_of_secret() + ": the value is too long; at most " +
                        std::to_string(value_bytes_) + " bytes are accepted",
                    error);
    }

    std::size_t value_bytes_;
    ValueCollector value_;
    JsonPath path_ = JsonPath::outside;
    vault::Scope scope_ = vault::Scope::user;
    std::string key_part_;
    std::string key_;
    std::string name_;
    bool has_base64_ = false;
    std::set<std::string> fields_;
    std::set<std::pair<vault::Scope, std::string>> names_;
};

}  // namespace

StatusOr<service::PushRequest> parse_push(std::span<const std::byte> body,
                                          std::size_t value_bytes) {
    json::basic_parser<PushHandler> parser(strict_json(), value_bytes);
    if (const Status wrong = parse_whole(parser, body); !wrong.ok()) return wrong;
    return std::move(parser.handler().request);
}

}  // namespace secrets::api
