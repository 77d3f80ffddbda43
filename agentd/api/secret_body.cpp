// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/secret_body.h"

#include <string>
#include <utility>

#include "agentd/api/sensitive_json.h"
#include "agentd/base/base64.h"
#include "common/base/names.h"

namespace secrets::api {
namespace {

namespace json = boost::json;
using json::string_view;

/// Handler for Boost.JSON's parser: reads an object with texts, of which one, `value`, may be an
/// object {"base64": text} instead.
class FieldsHandler : public BodyHandler<FieldsHandler> {
    friend BodyHandler<FieldsHandler>;

  public:
    /// `second_field`: the name of the field that is not a value; `value_bytes`: the longest value,
    /// 0 if no value may appear.
    FieldsHandler(std::string second_field, std::size_t value_bytes)
        : second_(std::move(second_field)),
          value_bytes_(value_bytes),
          text_(std::max((value_bytes + 2) / 3 * 4, kLongestField)) {}

    std::optional<SecretBuffer> value;
    std::optional<std::string> second;

    bool on_object_begin(boost::system::error_code& error) {
        if (depth_ == 0 || (depth_ == 1 && key_ == "value" && value_bytes_ > 0)) {
            ++depth_;
            return true;
        }
        return unexpected("an object", error);
    }
    bool on_object_end(std::size_t, boost::system::error_code& error) {
        if (--depth_ == 1 && !value) return fail("\"value\": \"base64\" is missing", error);
        return true;
    }
    bool on_key_part(string_view part, std::size_t, boost::system::error_code& error) {
        if (key_part_.size() + part.size() > kLongestField)
            return fail("a name is too long", error);
        key_part_.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t size, boost::system::error_code& error) {
        if (!on_key_part(part, size, error)) return false;
        std::string key = std::exchange(key_part_, {});
        if (depth_ == 2) {
            if (key == "base64" && !value) return true;
            return fail("\"value\": unknown or duplicate field " + in_quotes(key) +
                            "; expected only \"base64\"",
                        error);
        }
        key_ = std::move(key);
        if (key_ == "value" && value_bytes_ > 0) {
            return value ? fail("duplicate field \"value\"", error) : true;
        }
        if (key_ == second_) {
            return second ? fail("duplicate field \"" + second_ + "\"", error) : true;
        }
        return fail("unknown field " + in_quotes(key_) + "; expected " +
                        (value_bytes_ > 0 ? "one of: value, " : "only ") + second_,
                    error);
    }

    bool on_string_part(string_view part, std::size_t, boost::system::error_code&) {
        text_.add(part);
        return true;
    }
    bool on_string(string_view part, std::size_t, boost::system::error_code& error) {
        text_.add(part);
        const bool taken = take(error);
        text_.clear();
        return taken;
    }

  private:
    bool unexpected(const std::string& found, boost::system::error_code& error) {
        if (depth_ == 0) return fail("expected an object, not " + found, error);
        if (depth_ == 1 && key_ == "value" && value_bytes_ > 0) {
            return fail("\"value\": expected a string or {\"base64\": \"...\"}, not " + found,
                        error);
        }
        return fail("\"" + (depth_ == 2 ? std::string("base64") : key_) +
                        "\": expected a string, not " + found,
                    error);
    }

    bool take(boost::system::error_code& error) {
        if (depth_ == 0) return unexpected("a string", error);
        if (depth_ == 2) return take_encoded(error);
        if (key_ == "value" && value_bytes_ > 0) return take_plain(error);
        if (text_.overflowed() || text_.length() > kLongestField) {
            return fail("\"" + key_ + "\" is too long", error);
        }
        const auto bytes = text_.bytes();
        second.emplace(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return true;
    }
    bool take_plain(boost::system::error_code& error) {
        if (text_.length() > value_bytes_) return too_long(error);
        value.emplace(text_.length());
        if (value->size() > 0) {
            std::memcpy(value->bytes().data(), text_.bytes().data(), value->size());
        }
        return true;
    }
    bool take_encoded(boost::system::error_code& error) {
        if (text_.overflowed()) return too_long(error);
        value = decode_base64(text_.bytes());
        if (!value) {
            return fail(
                "\"value\": \"base64\" is not valid base64: " + why_not_base64(text_.bytes()),
                error);
        }
        if (value->size() > value_bytes_) return too_long(error);
        return true;
    }
    bool too_long(boost::system::error_code& error) {
        code = StatusCode::too_large;
        return fail("the value is too long; at most " + std::to_string(value_bytes_) +
                        " bytes are accepted",
                    error);
    }

    std::string second_;
    std::size_t value_bytes_;
    ValueCollector text_;
    int depth_ = 0;
    std::string key_part_;
    std::string key_;
};

}  // namespace

StatusOr<service::PutSecretRequest> parse_put_secret(std::span<const std::byte> body,
                                                     std::size_t value_bytes) {
    json::basic_parser<FieldsHandler> parser(strict_json(), "ttl", value_bytes);
    if (const Status wrong = parse_whole(parser, body); !wrong.ok()) return wrong;
    FieldsHandler& fields = parser.handler();
    if (!fields.value) return Status::invalid("\"value\" is missing");
    return service::PutSecretRequest{std::move(*fields.value), std::move(fields.second)};
}

StatusOr<std::string> parse_rename(std::span<const std::byte> body) {
    json::basic_parser<FieldsHandler> parser(strict_json(), "name", std::size_t{0});
    if (const Status wrong = parse_whole(parser, body); !wrong.ok()) return wrong;
    if (!parser.handler().second)
        return Status::invalid("\"name\" is missing: the secret's new name");
    return std::move(*parser.handler().second);
}

}  // namespace secrets::api
