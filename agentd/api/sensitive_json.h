// SPDX-License-Identifier: Apache-2.0
#pragma once
// Shared code of the parsers of bodies that hold values. Values go from the text straight into
// buffers that wipe themselves; no document tree is built.

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "agentd/service/services.h"
#include "common/base/status.h"
#include "common/base/text_encoding.h"
#include "common/base/text_position.h"
#include "common/secure_memory/wipe.h"

namespace secrets::api {

/// The longest text of a field that is not a value.
inline constexpr std::size_t kLongestField = 256;

/// Base of the handlers that Boost.JSON's parser calls: the body's length is the limit, and the
/// bodies hold only objects and strings. `Handler` has unexpected(what, error), which says what is
/// expected at its position.
template <typename Handler>
class BodyHandler {
    using ErrorCode = boost::system::error_code;
    using Text = boost::json::string_view;

  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    std::string sentence;  ///< what is wrong
    StatusCode code = StatusCode::invalid_argument;

    bool on_document_begin(ErrorCode&) { return true; }
    bool on_document_end(ErrorCode&) { return true; }
    bool on_array_begin(ErrorCode& error) { return unexpected("a list", error); }
    bool on_array_end(std::size_t, ErrorCode&) { return true; }
    bool on_number_part(Text, ErrorCode& error) { return unexpected("a number", error); }
    bool on_int64(std::int64_t, Text, ErrorCode& error) { return unexpected("a number", error); }
    bool on_uint64(std::uint64_t, Text, ErrorCode& error) { return unexpected("a number", error); }
    bool on_double(double, Text, ErrorCode& error) { return unexpected("a number", error); }
    bool on_bool(bool, ErrorCode& error) { return unexpected("true or false", error); }
    bool on_null(ErrorCode& error) { return unexpected("null", error); }
    bool on_comment_part(Text, ErrorCode&) { return true; }
    bool on_comment(Text, ErrorCode&) { return true; }

  protected:
    bool fail(std::string what, ErrorCode& error) {
        sentence = std::move(what);
        error = boost::json::error::syntax;
        return false;
    }

  private:
    bool unexpected(const char* what, ErrorCode& error) {
        return static_cast<Handler*>(this)->unexpected(what, error);
    }
};

/// Collects a value that the parser passes in pieces. The buffer never grows: what does not fit is
/// counted.
class ValueCollector {
  public:
    explicit ValueCollector(std::size_t capacity) : buffer_(capacity) {}

    void add(boost::json::string_view part) {
        if (length_ + part.size() <= buffer_.size() && !part.empty()) {
            std::memcpy(buffer_.bytes().data() + length_, part.data(), part.size());
        }
        length_ += part.size();
    }
    bool overflowed() const { return length_ > buffer_.size(); }
    std::size_t length() const { return length_; }
    std::span<const std::byte> bytes() { return buffer_.bytes().first(length_); }
    void clear() {
        wipe(buffer_.bytes().first(std::min(length_, buffer_.size())));
        length_ = 0;
    }

  private:
    SecretBuffer buffer_;
    std::size_t length_ = 0;
};

/// Returns options for few levels, and for standard JSON only.
inline boost::json::parse_options strict_json() {
    boost::json::parse_options options;
    options.max_depth = 4;
    return options;
}

/// Parses all of the body but a byte order mark at its begin. The Status is the sentence that the
/// handler stored, or else the parser's message, and the position.
template <typename Parser>
Status parse_whole(Parser& parser, std::span<const std::byte> body) {
    boost::system::error_code error;
    const std::string_view text =
        without_byte_order_mark({reinterpret_cast<const char*>(body.data()), body.size()});
    if (const std::string_view encoding = utf16_name(text); !encoding.empty()) {
        return Status::invalid("the body is " + std::string(encoding) + " text; send it as UTF-8");
    }
    const std::size_t consumed = parser.write_some(false, text.data(), text.size(), error);
    if (!error && consumed < text.size()) error = boost::json::error::extra_data;
    if (!error) return Status();
    const auto& handler = parser.handler();
    const std::string& sentence = handler.sentence;
    return Status(handler.code,
                  (sentence.empty() ? "the JSON is malformed: " + error.message() : sentence) +
                      " (" + line_and_column(text, consumed) + " of the body)");
}

}  // namespace secrets::api
