// SPDX-License-Identifier: Apache-2.0
#include "spank/given_marker.h"

#include <algorithm>

#include "spank/value_finder.h"

namespace secrets::spank {
namespace {

MarkKind kind_of(const GivenVariable& given, const std::vector<OuterMark>& outer) {
    if (given.is_path) return MarkKind::path;
    if (given.value.size() < kStartBytes) return MarkKind::named;
    const auto same = std::find_if(outer.begin(), outer.end(), [&](const OuterMark& mark) {
        return mark.variable == given.variable;
    });
    return same != outer.end() && same->kind == MarkKind::named ? MarkKind::named : MarkKind::value;
}

std::optional<MarkedVariable> content_of(const SipKey& key, const GivenVariable& given) {
    const SecretView& secret = given.is_path ? given.content : given.value;
    return content_mark(key, given.variable, secret.bytes(), given.is_path);
}

bool is_known_outside(std::string_view variable, const std::vector<OuterMark>& outer) {
    return std::any_of(outer.begin(), outer.end(),
                       [&](const OuterMark& mark) { return mark.variable == variable; });
}

}  // namespace

Marker marker_of(std::span<const GivenVariable> given, std::string spec,
                 const char* const* environment, const std::vector<OuterMark>& outer) {
    Marker marker;
    marker.spec = std::move(spec);
    const bool is_random = make_random(marker.key);
    for (const GivenVariable& each : given) {
        marker.variables.push_back({std::string(each.variable),
                                    is_random ? kind_of(each, outer) : MarkKind::named,
                                    digest_of(marker.key, each.value.bytes())});
    }
    for (std::size_t index = 0; index < given.size(); ++index) {
        if (marker.variables[index].kind == MarkKind::named) continue;
        if (auto content = content_of(marker.key, given[index]))
            marker.variables.push_back(std::move(*content));
    }
    const ValueFinder finder(marker);
    std::vector<std::size_t> coincidences;
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view entry(*environment);
        const auto equals = std::min(entry.find('='), entry.size());
        const std::string_view name = entry.substr(0, equals);
        finder.each_within(entry.substr(std::min(equals + 1, entry.size())),
                           [&](std::size_t index) {
                               const std::string& variable = marker.variables[index].variable;
                               if (variable != name && !is_known_outside(variable, outer))
                                   coincidences.push_back(index);
                               return true;
                           });
    }
    for (const std::size_t index : coincidences) marker.variables[index].kind = MarkKind::named;
    const auto contents = marker.variables.begin() + static_cast<std::ptrdiff_t>(given.size());
    marker.variables.erase(
        std::remove_if(contents, marker.variables.end(),
                       [](const MarkedVariable& mark) { return mark.kind == MarkKind::named; }),
        marker.variables.end());
    return marker;
}

}  // namespace secrets::spank
