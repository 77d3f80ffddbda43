// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading the agent's answers.

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "ctl/client/client.h"

namespace secrets::ctl {

/// `text` fit for a terminal: control characters, which could steer it, become `?`.
std::string printable(std::string_view text);

/// Throws CommandError, with the agent's own sentence, unless the answer is a success: refused, or
/// unreachable where it is that no hub answers the agent.
void check_success(const Answer& answer);

/// The object that a successful answer is. Throws CommandError when it is none.
boost::json::object read_object(const Answer& answer);

/// Members of an answer. `-` stands for a text or number that is not there, so that an agent of
/// another version still gets its table.
std::string text_of(const boost::json::object& object, std::string_view name);
bool is_true(const boost::json::object& object, std::string_view name);
const boost::json::array& array_of(const boost::json::object& object, std::string_view name);

/// An element of such an array.
const boost::json::object& as_object(const boost::json::value& value);

}  // namespace secrets::ctl
