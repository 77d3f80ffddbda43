// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/help.h"

#include <CLI/CLI.hpp>

namespace secrets::ctl {
namespace {

constexpr const char* kHead = "Usage: secretctl [--socket PATH] [--json] COMMAND [ARGUMENT...]\n";

constexpr const char* kFoot =
    "COMMAND --help; --version. Begin with: secretctl set A; sbatch --secret=A job.sh\n"
    "Exit codes: 0 success; 1 refused, missing; 2 unusable; 3 no answer; 4 file left\n";

constexpr std::size_t kCommandWidth = 18;

/// Returns the command and its arguments: "rename OLD NEW".
std::string synopsis(const CLI::App& command) {
    std::string text = command.get_name();
    for (const CLI::Option* option : command.get_options()) {
        if (!option->get_positional()) continue;
        std::string word = option->get_name(true);
        if (option->get_items_expected_max() > 1) word += "...";
        text += option->get_required() ? " " + word : " [" + word + "]";
    }
    return text;
}

std::string commands_of(const CLI::App& app) {
    std::string text;
    std::string group;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (command->get_group().empty()) continue;  // for other programs, not for users
        if (command->get_group() != group) {
            group = command->get_group();
            text += group + ":\n";
        }
        std::string left = synopsis(*command);
        left.resize(std::max(left.size() + 1, kCommandWidth), ' ');
        text += "  " + left + command->get_description() + "\n";
    }
    return text;
}

}  // namespace

std::string Help::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const {
    if (app->get_parent() != nullptr) return CLI::Formatter::make_help(app, name, mode);
    return kHead + commands_of(*app) + kFoot;
}

}  // namespace secrets::ctl
