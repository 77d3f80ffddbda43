// SPDX-License-Identifier: Apache-2.0
#include "spank/het_groups.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "spank/command_line.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

std::optional<unsigned> parse_group(std::string_view text) {
    unsigned group = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), group);
    if (error != std::errc() || end != text.data() + text.size() || group >= kMaxHetGroups)
        return std::nullopt;
    return group;
}

}  // namespace

std::string group_variable(unsigned group) {
    return kGroupPrefix + std::to_string(group);
}

std::vector<unsigned> groups_of(std::span<const std::string_view> options, unsigned component) {
    std::string_view rest = option_value(options, "--het-group");
    if (rest.empty()) rest = option_value(options, "--pack-group");  // before Slurm 20.02
    std::vector<unsigned> groups;
    while (!rest.empty()) {
        const std::string_view part = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(part.size() + 1, rest.size()));
        const auto dash = part.find('-');
        const auto first = parse_group(part.substr(0, dash));
        const auto last = dash == part.npos ? first : parse_group(part.substr(dash + 1));
        if (!first || !last) continue;  // Slurm reports it
        for (unsigned group = *first; group <= *last; ++group) groups.push_back(group);
    }
    if (groups.empty()) groups.push_back(component);
    return groups;
}

Options options_in(std::span<const std::string_view> arguments) {
    Options options;
    for (std::size_t at = 0; at < arguments.size(); ++at) {
        // One argument or two: `--secret=A` or `--secret A`.
        const bool is_pair = arguments[at] == "--secret" && at + 1 < arguments.size();
        const std::string items(option_value(arguments.subspan(at, is_pair ? 2 : 1), "--secret"));
        if (!items.empty()) options.items += (options.items.empty() ? "" : ",") + items;
    }
    options.run = option_value(arguments, "--secrets-run");
    options.workspace = option_value(arguments, "--workspace");
    options.none = option_value(arguments, "--secrets") == "none";
    return options;
}

}  // namespace secrets::spank
