// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/nearest.h"

#include <algorithm>

namespace secrets::ctl {

std::size_t typing_distance(std::string_view from, std::string_view to) {
    // rows[i][j]: from the first i letters to the first j
    std::vector<std::vector<std::size_t>> rows(from.size() + 1,
                                               std::vector<std::size_t>(to.size() + 1));
    for (std::size_t i = 0; i <= from.size(); ++i) {
        for (std::size_t j = 0; j <= to.size(); ++j) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            const std::size_t changed = rows[i - 1][j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
            rows[i][j] = std::min({changed, rows[i - 1][j] + 1, rows[i][j - 1] + 1});
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
                rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
            }
        }
    }
    return rows[from.size()][to.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& words) {
    constexpr std::size_t kLongestWord = 32;
    if (word.empty() || word.size() > kLongestWord) return {};
    std::string best;
    std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string& each : words) {
        if (word.size() >= 3 && each.starts_with(word)) return each;
        const std::size_t distance = typing_distance(word, each);
        if (distance < least) {
            least = distance;
            best = each;
        }
    }
    return best;
}

}  // namespace secrets::ctl
