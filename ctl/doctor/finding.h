// SPDX-License-Identifier: Apache-2.0
#pragma once
// The result of a check of the installation.

#include <string>
#include <utility>

namespace secrets::ctl::doctor {

enum class State { ok, warn, fail, skipped };

struct Finding {
    State state = State::ok;
    std::string sentence;    ///< the observed state and its position
    std::string what_to_do;  ///< for warn and fail, if the check's general advice does not fit
};

inline Finding ok(std::string sentence) {
    return {State::ok, std::move(sentence), {}};
}
inline Finding warn(std::string sentence, std::string what_to_do = {}) {
    return {State::warn, std::move(sentence), std::move(what_to_do)};
}
inline Finding fail(std::string sentence, std::string what_to_do = {}) {
    return {State::fail, std::move(sentence), std::move(what_to_do)};
}
inline Finding skipped(std::string why) {
    return {State::skipped, std::move(why), {}};
}

}  // namespace secrets::ctl::doctor
