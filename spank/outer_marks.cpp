// SPDX-License-Identifier: Apache-2.0
#include "spank/outer_marks.h"

#include "common/base/names.h"

namespace secrets::spank {

std::string print_outer_marks(const std::vector<OuterMark>& marks) {
    std::string text;
    for (const OuterMark& mark : marks) {
        text += (text.empty() ? "" : ",") + mark.variable + static_cast<char>(mark.kind) +
                (mark.is_removed ? "!" : "");
    }
    return text;
}

std::vector<OuterMark> parse_outer_marks(std::string_view text) {
    std::vector<OuterMark> marks;
    while (!text.empty()) {
        std::string_view part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        OuterMark mark;
        if (part.ends_with('!')) {
            mark.is_removed = true;
            part.remove_suffix(1);
        }
        const auto at = part.find_first_of("=:@");
        if (at == part.npos || at + 1 != part.size()) continue;
        mark.kind = static_cast<MarkKind>(part[at]);
        mark.variable = part.substr(0, at);
        if (check_variable_name(mark.variable).ok()) marks.push_back(std::move(mark));
    }
    return marks;
}

}  // namespace secrets::spank
