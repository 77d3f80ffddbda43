// SPDX-License-Identifier: Apache-2.0
#pragma once
// The body of a request of AWS's API: one JSON object. SecretString and SecretBinary go from the
// text straight into buffers that wipe themselves; all other fields become JSON values. Fields that
// nobody asks for are ignored, as AWS ignores them: SDKs send more with each release.

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/aws/secret_filters.h"
#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

/// The value of a request: what SecretString or SecretBinary has.
struct RequestValue {
    SecretBuffer bytes;
    bool is_binary = false;
};

/// Reads the fields of one request. A field that is null is absent. After the first invalid field
/// wrong() says what is invalid, with the code invalid_argument (InvalidParameter) unless noted.
class RequestFields {
  public:
    /// Parses the body of a request; an empty one has no fields. `value_bytes`: the longest value.
    /// The Status says what is malformed (SerializationException): the body is no JSON object, or a
    /// value is no text.
    static StatusOr<RequestFields> parse(std::span<const std::byte> body, std::size_t value_bytes);

    /// Returns the text of a field; nothing if it is absent, or not `least` to `most` bytes long.
    std::optional<std::string> text(std::string_view name, std::size_t least, std::size_t most);
    /// The same of a field without which the request makes no sense.
    std::string needed_text(std::string_view name, std::size_t least, std::size_t most);
    /// Returns nothing if the field is absent.
    std::optional<bool> flag(std::string_view name);
    std::optional<std::int64_t> number(std::string_view name);
    std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t most);
    /// Reads `Tags`: at most 50, of keys that differ.
    std::optional<std::vector<Tag>> tags();
    /// Reads `Filters`. A key that AWS does not know has the code failed_precondition
    /// (ValidationException).
    std::optional<std::vector<Filter>> filters();
    /// Returns the value and takes it out of the fields; nothing if the request has none. A request
    /// must not have both forms.
    std::optional<RequestValue> take_value();

    Status wrong() const { return wrong_; }

  private:
    explicit RequestFields(boost::json::object fields) : fields_(std::move(fields)) {}
    const boost::json::value* find(std::string_view name) const;
    void fail(Status wrong);

    boost::json::object fields_;
    std::optional<SecretBuffer> string_;
    std::optional<SecretBuffer> binary_;
    Status wrong_;
};

}  // namespace secrets::aws
