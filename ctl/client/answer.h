// SPDX-License-Identifier: Apache-2.0
#pragma once
// Functions that read the agent's answers.

#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <string>
#include <string_view>

#include "ctl/client/client.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

/// Return `text` fit for a terminal: `?` replaces control characters, which could steer it.
std::string printable(std::string_view text);
std::string printable(const boost::json::string& text);

/// Throws CommandError with the agent's own sentence unless the answer is a success. The code is
/// `unreachable` if no hub answers the agent, `unavailable` if the agent cannot tell now, else
/// `refused`.
void check_success(const Answer& answer, ExitCode unavailable = ExitCode::refused);

/// Returns the JSON object of a successful answer. Throws CommandError if the answer is not a
/// success or not an object.
boost::json::object read_object(const Answer& answer);

/// Returns a member, or null if there is none.
const boost::json::value* find_member(const boost::json::object& object, std::string_view name);

/// Return members of an answer. A missing text or number is read as `-`, so that the answer of an
/// agent of another version still gets its table.
std::string text_of(const boost::json::object& object, std::string_view name);
bool is_true(const boost::json::object& object, std::string_view name);
const boost::json::array& array_of(const boost::json::object& object, std::string_view name);

/// Returns an element of such an array as an object.
const boost::json::object& as_object(const boost::json::value& value);

}  // namespace secrets::ctl
