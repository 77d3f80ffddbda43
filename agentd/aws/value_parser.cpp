// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/value_parser.h"

#include <algorithm>
#include <boost/json/value_stack.hpp>
#include <string>
#include <utility>

#include "agentd/api/sensitive_json.h"
#include "agentd/base/base64.h"

namespace secrets::aws {
namespace {

namespace json = boost::json;
using ErrorCode = boost::system::error_code;
using json::string_view;

constexpr std::size_t kDepth = 8;
constexpr string_view kString = "SecretString";
constexpr string_view kBinary = "SecretBinary";

/// Handler for Boost.JSON's parser: builds JSON values on a stack. The texts of the two fields that
/// hold a value go into a ValueCollector, and a null onto the stack.
class RequestHandler {
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    explicit RequestHandler(std::size_t value_bytes)
        : value_bytes_(value_bytes), text_((value_bytes + 2) / 3 * 4) {
        stack_.reset();
    }

    std::string sentence;  ///< what is wrong
    StatusCode code = StatusCode::invalid_argument;

    ParsedRequest take() {
        result_.fields = stack_.release().as_object();
        return std::move(result_);
    }

    bool on_document_begin(ErrorCode&) { return true; }
    bool on_document_end(ErrorCode&) { return true; }
    bool on_object_begin(ErrorCode& error) {
        if (is_value()) return no_string(error);
        ++depth_;
        return true;
    }
    bool on_object_end(std::size_t size, ErrorCode&) {
        stack_.push_object(size);
        --depth_;
        return true;
    }
    bool on_array_begin(ErrorCode& error) {
        if (!may_stand(error)) return false;
        ++depth_;
        return true;
    }
    bool on_array_end(std::size_t size, ErrorCode&) {
        stack_.push_array(size);
        --depth_;
        return true;
    }
    bool on_key_part(string_view part, std::size_t, ErrorCode&) {
        stack_.push_chars(part);
        if (depth_ == 1) key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t, ErrorCode&) {
        stack_.push_key(part);
        if (depth_ > 1) return true;
        key_.append(part.data(), part.size());
        field_ = std::exchange(key_, {});
        return true;
    }
    bool on_string_part(string_view part, std::size_t, ErrorCode&) {
        if (is_value()) {
            text_.add(part);
        } else {
            stack_.push_chars(part);
        }
        return true;
    }
    bool on_string(string_view part, std::size_t, ErrorCode& error) {
        if (depth_ == 0) return no_object(error);
        if (!is_value()) {
            stack_.push_string(part);
            return true;
        }
        text_.add(part);
        take_value();
        text_.clear();
        stack_.push_null();
        return true;
    }
    bool on_number_part(string_view, ErrorCode&) { return true; }
    bool on_int64(std::int64_t number, string_view, ErrorCode& error) {
        if (!may_stand(error)) return false;
        stack_.push_int64(number);
        return true;
    }
    bool on_uint64(std::uint64_t number, string_view, ErrorCode& error) {
        if (!may_stand(error)) return false;
        stack_.push_uint64(number);
        return true;
    }
    bool on_double(double number, string_view, ErrorCode& error) {
        if (!may_stand(error)) return false;
        stack_.push_double(number);
        return true;
    }
    bool on_bool(bool is, ErrorCode& error) {
        if (!may_stand(error)) return false;
        stack_.push_bool(is);
        return true;
    }
    bool on_null(ErrorCode& error) {
        if (depth_ == 0) return no_object(error);
        stack_.push_null();
        return true;
    }
    bool on_comment_part(string_view, ErrorCode&) { return true; }
    bool on_comment(string_view, ErrorCode&) { return true; }

  private:
    /// Whether the parser is at the text of SecretString or SecretBinary.
    bool is_value() const { return is_field(kString) || is_field(kBinary); }
    bool is_field(string_view name) const { return string_view(field_) == name; }

    /// Whether a list, a number or a Boolean may stand at the parser's place.
    bool may_stand(ErrorCode& error) {
        if (depth_ == 0) return no_object(error);
        return is_value() ? no_string(error) : true;
    }
    bool no_object(ErrorCode& error) { return fail("the body is not a JSON object", error); }
    bool no_string(ErrorCode& error) { return fail(field_ + " is not a string", error); }
    bool fail(std::string what, ErrorCode& error) {
        sentence = std::move(what);
        error = json::error::syntax;
        return false;
    }

    void take_value() {
        if (is_field(kString)) {
            result_.string = plain();
        } else {
            result_.binary = decoded();
        }
    }
    std::optional<SecretBuffer> plain() {
        if (text_.length() > value_bytes_) return wrong_length();
        SecretBuffer bytes(text_.length());
        const auto text = text_.bytes();
        std::copy(text.begin(), text.end(), bytes.bytes().begin());
        return bytes;
    }
    std::optional<SecretBuffer> decoded() {
        if (text_.overflowed()) return wrong_length();
        auto bytes = decode_base64(text_.bytes());
        if (!bytes) {
            result_.wrong_value = Status::invalid("SecretBinary is not valid base64: " +
                                                  why_not_base64(text_.bytes()));
            return std::nullopt;
        }
        if (bytes->size() > value_bytes_) return wrong_length();
        return bytes;
    }
    std::nullopt_t wrong_length() {
        result_.wrong_value = Status::invalid(field_ + " is too long: at most " +
                                              std::to_string(value_bytes_) + " bytes are accepted");
        return std::nullopt;
    }

    std::size_t value_bytes_;
    api::ValueCollector text_;
    json::value_stack stack_;
    ParsedRequest result_;
    std::size_t depth_ = 0;  ///< of the objects and lists that have begun and not ended
    std::string key_;        ///< of the outermost object, as far as it was read
    std::string field_;      ///< the last one of these
};

}  // namespace

StatusOr<ParsedRequest> parse_with_value(std::span<const std::byte> body, std::size_t value_bytes) {
    if (body.empty()) return ParsedRequest();
    json::parse_options options;
    options.max_depth = kDepth;
    json::basic_parser<RequestHandler> parser(options, value_bytes);
    if (Status wrong = api::parse_whole(parser, body); !wrong.ok()) return wrong;
    return parser.handler().take();
}

}  // namespace secrets::aws
