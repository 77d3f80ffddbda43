// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/bracketed_paste.h"

namespace secrets::ctl {

bool is_paste_open(std::string_view text, bool was_open) {
    const std::size_t begin = text.rfind(kPasteBegin);
    const std::size_t end = text.rfind(kPasteEnd);
    if (begin == text.npos && end == text.npos) return was_open;
    if (begin == text.npos || end == text.npos) return begin != text.npos;
    return begin > end;
}

SecretText without_paste_brackets(std::string_view text) {
    static_assert(kPasteBegin.size() == kPasteEnd.size());
    SecretText bare(text.size());
    while (!text.empty()) {
        if (text.starts_with(kPasteBegin) || text.starts_with(kPasteEnd)) {
            text.remove_prefix(kPasteBegin.size());
            continue;
        }
        bare.append(text.substr(0, 1));
        text.remove_prefix(1);
    }
    return bare;
}

}  // namespace secrets::ctl
