// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a check of the installation found.

#include <string>
#include <utility>

namespace secrets::ctl::doctor {

enum class State { ok, warn, fail, skipped };

struct Finding {
    State state = State::ok;
    std::string sentence;    ///< what is seen, where
    std::string what_to_do;  ///< for warn and fail, where the check's own words do not fit
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
