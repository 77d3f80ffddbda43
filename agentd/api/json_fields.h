// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads bodies that hold no values: plain objects of numbers and texts.

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets::api {

/// Parses a body of at most `depth` levels, which must be an object. Rejects a field that appears
/// twice in one object.
StatusOr<boost::json::value> parse_object(std::span<const std::byte> body, std::size_t depth);

/// Reads the fields of an object, and stores what is wrong with the first invalid one.
class JsonFields {
  public:
    explicit JsonFields(const boost::json::object& object) : object_(object) {}

    std::uint32_t number(std::string_view name, std::uint64_t most);
    std::string text(std::string_view name, std::size_t most);
    /// Returns what is wrong; an error, too, if the object has a field that was not read.
    Status wrong() const;

  private:
    void fail(std::string_view name, const std::string& expected);

    const boost::json::object& object_;
    std::size_t taken_ = 0;
    Status wrong_;
};

}  // namespace secrets::api
