// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/exec_marker.h"

#include <algorithm>
#include <optional>

namespace secrets::ctl {
namespace {

MarkKind kind_of(const ExecVariable& given) {
    if (given.is_path) return MarkKind::path;
    return given.value.size() >= kStartBytes ? MarkKind::value : MarkKind::named;
}

/// Puts the variable's new value into the task's mark of it. The old value, if it is recognized
/// among other text, is from now on what only other variables may hold.
void renew(Marker& marker, std::size_t index, const ExecVariable& given,
           const ValueDigest& digest) {
    MarkedVariable& mark = marker.variables[index];
    MarkedVariable old = mark;
    mark.kind = kind_of(given);
    mark.digest = digest;
    if (old.kind != MarkKind::value) return;
    old.kind = MarkKind::content;
    marker.variables.push_back(std::move(old));
}

}  // namespace

void add_given(Marker& marker, std::span<const ExecVariable> given) {
    for (const ExecVariable& each : given) {
        const auto is_it = [&](const MarkedVariable& mark) {
            return !is_read(mark.kind) && mark.variable == each.variable;
        };
        auto& all = marker.variables;
        const auto found = std::find_if(all.begin(), all.end(), is_it);
        const bool was_given = found != all.end();
        const auto digest = digest_of(marker.key, std::as_bytes(std::span(each.value)));
        if (was_given && found->digest == digest) continue;
        if (was_given) renew(marker, static_cast<std::size_t>(found - all.begin()), each, digest);
        const auto text = each.is_path ? each.secret : std::as_bytes(std::span(each.value));
        // What the request of the job does not set must stay in the environment of an inner step.
        auto mark = content_mark(marker.key, each.variable, text, each.is_path || !was_given);
        if (!mark) continue;
        if (!was_given) mark->kind = MarkKind::held;
        all.push_back(std::move(*mark));
    }
}

}  // namespace secrets::ctl
