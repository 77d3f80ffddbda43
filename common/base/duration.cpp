// SPDX-License-Identifier: Apache-2.0
#include "common/base/duration.h"

#include <array>
#include <charconv>

#include "common/base/names.h"

namespace secrets {
namespace {

struct Unit {
    char letter;
    long long seconds;
};
constexpr auto kUnits = std::to_array<Unit>({{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}});
constexpr long long kLongest = 10LL * 365 * 86400;

}  // namespace

StatusOr<std::chrono::seconds> parse_duration(std::string_view text) {
    const Status wrong = Status::invalid("invalid duration " + in_quotes(text) +
                                         "; expected a number and s, m, h or d, as in 12h");
    if (text.size() < 2) return wrong;
    long long count = 0;
    const char* end = text.data() + text.size() - 1;
    const auto [stopped, error] = std::from_chars(text.data(), end, count);
    if (error != std::errc() || stopped != end || count < 0) return wrong;
    for (const Unit& unit : kUnits) {
        if (text.back() != unit.letter) continue;
        if (count == 0)
            return Status::failed("duration " + in_quotes(text) +
                                  " is too short; the minimum is 1s");
        if (count > kLongest / unit.seconds)
            return Status::failed("duration " + in_quotes(text) +
                                  " is too long; the maximum is 3650d");
        return std::chrono::seconds(count * unit.seconds);
    }
    return wrong;
}

std::string print_duration(std::chrono::seconds duration) {
    for (const Unit& unit : kUnits) {
        if (duration.count() % unit.seconds == 0) {
            return std::to_string(duration.count() / unit.seconds) + unit.letter;
        }
    }
    return std::to_string(duration.count()) + "s";
}

}  // namespace secrets
