// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/answer.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "common/base/text_as.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr std::string_view kNothing = "-";

/// The statuses with which an agent reports that it cannot tell now (503, Service Unavailable), and
/// a node's that no hub answers (504, Gateway Timeout).
constexpr unsigned kUnavailable = 503;
constexpr unsigned kNoHubAnswers = 504;

CommandError not_understood(const std::string& why) {
    return CommandError(ExitCode::unreachable,
                        "cannot read the agent's response: " + why +
                            "; do secretctl and slurm-secretsd have the same version?");
}

}  // namespace

std::string printable(std::string_view text) {
    std::string shown(text);
    for (char& c : shown) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return shown;
}

std::string printable(const boost::json::string& text) {
    return printable(text_as<std::string_view>(text));
}

void check_success(const Answer& answer, ExitCode unavailable) {
    if (answer.status >= 200 && answer.status < 300) return;
    std::string sentence =
        "the agent responded with HTTP status " + std::to_string(answer.status) + " and no reason";
    boost::system::error_code error;
    const boost::json::value problem = boost::json::parse(answer.body, error);
    if (!error && problem.is_object() && problem.get_object().contains("detail")) {
        sentence = text_of(problem.get_object(), "detail");
    }
    ExitCode code = ExitCode::refused;
    if (answer.status == kNoHubAnswers) code = ExitCode::unreachable;
    if (answer.status == kUnavailable) code = unavailable;
    throw CommandError(code, sentence);
}

boost::json::object read_object(const Answer& answer) {
    check_success(answer);
    boost::system::error_code error;
    boost::json::value value = boost::json::parse(answer.body, error);
    if (error) throw not_understood("it is not JSON");
    if (!value.is_object()) throw not_understood("it is not a JSON object");
    return std::move(value.get_object());
}

const boost::json::value* find_member(const boost::json::object& object, std::string_view name) {
    return object.if_contains(text_as<boost::json::string_view>(name));
}

std::string text_of(const boost::json::object& object, std::string_view name) {
    const boost::json::value* value = find_member(object, name);
    if (value == nullptr || value->is_null()) return std::string(kNothing);
    if (const auto* text = value->if_string()) return printable(*text);
    return boost::json::serialize(*value);
}

bool is_true(const boost::json::object& object, std::string_view name) {
    const boost::json::value* value = find_member(object, name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

const boost::json::array& array_of(const boost::json::object& object, std::string_view name) {
    const boost::json::value* value = find_member(object, name);
    if (value == nullptr || !value->is_array()) {
        throw not_understood("it has no list '" + std::string(name) + "'");
    }
    return value->get_array();
}

const boost::json::object& as_object(const boost::json::value& value) {
    if (!value.is_object())
        throw not_understood("a list contains an element that is not an object");
    return value.get_object();
}

}  // namespace secrets::ctl
