// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/help.h"

#include <CLI/CLI.hpp>
#include <set>

namespace secrets::ctl {
namespace {

constexpr const char* kHead =
    "Usage: secretctl [--help|--version] [--socket PATH] [--json] COMMAND [ARG...]\n";

constexpr const char* kFoot =
    "Exit codes: 0 success; 1 refused, missing; 2 unusable; 3 no answer; 4 file left\n";

constexpr std::size_t kCommandWidth = 18;
constexpr std::size_t kRowWidth = 26;  ///< of what is left of a description, in a command's help

/// Returns the command and its arguments: "rename OLD NEW".
std::string synopsis(const CLI::App& command) {
    std::string text = command.get_name();
    for (const CLI::Option* option : own_options(command)) {
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

/// Returns "  LEFT", and in a column of its own, or on a line of its own, the description.
std::string row(const std::string& left, const std::string& description) {
    std::string text = "  " + left;
    if (text.size() >= kRowWidth) text += "\n" + std::string(kRowWidth, ' ');
    if (text.size() < kRowWidth) text.resize(kRowWidth, ' ');
    return text + description + "\n";
}

std::string names_of(const std::set<CLI::Option*>& options) {
    std::string text;
    for (const CLI::Option* option : options) text += " " + option->get_name();
    return text;
}

std::string row(const CLI::Option& option) {
    const bool takes_several = option.get_items_expected_max() > 1;
    if (option.get_positional()) {
        return row(option.get_name(true) + (takes_several ? " ..." : ""), option.get_description());
    }
    std::string left = option.get_name(false, true);
    if (!option.get_option_text().empty()) {
        return row(left + " " + option.get_option_text(), option.get_description());
    }
    if (takes_several) left += " ...";
    if (!option.get_needs().empty()) left += " Needs:" + names_of(option.get_needs());
    if (!option.get_excludes().empty()) left += " Excludes:" + names_of(option.get_excludes());
    return row(left, option.get_description());
}

std::string options_of(const CLI::App& command, bool positional, const char* heading) {
    std::string text;
    for (const CLI::Option* option : own_options(command)) {
        if (option->get_positional() == positional && !option->get_group().empty())
            text += row(*option);
    }
    return text.empty() ? text : std::string("\n") + heading + ":\n" + text;
}

std::string subcommands_of(const CLI::App& command) {
    std::string text;
    for (const CLI::App* each : command.get_subcommands([](const CLI::App*) { return true; }))
        text += row(each->get_name(), each->get_description());
    return text.empty() ? text : "\nCommands:\n" + text;
}

std::string usage_of(const CLI::App& command, const std::string& name) {
    std::string text =
        "Usage: " + name + " [OPTIONS]" + synopsis(command).substr(command.get_name().size());
    if (!command.get_subcommands([](const CLI::App*) { return true; }).empty())
        text += " SUBCOMMAND";
    return text + "\n";
}

}  // namespace

std::vector<const CLI::Option*> own_options(const CLI::App& command) {
    std::vector<const CLI::Option*> own;
    const CLI::App* parent = command.get_parent();
    for (const CLI::Option* option : command.get_options()) {
        const bool is_of_parent =
            parent != nullptr && parent->get_option_no_throw(option->get_name()) == option;
        if (!is_of_parent) own.push_back(option);
    }
    return own;
}

/// Writes the whole text itself: what CLI11 makes of an option, a heading or a footer differs
/// between its versions.
std::string Help::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const {
    if (app->get_parent() == nullptr) return kHead + commands_of(*app) + kFoot;
    return app->get_description() + "\n" + usage_of(*app, name) +
           options_of(*app, true, "Positionals") + options_of(*app, false, "Options") +
           subcommands_of(*app) + "\n" +
           (app->get_footer().empty() ? "" : app->get_footer() + "\n");
}

}  // namespace secrets::ctl
