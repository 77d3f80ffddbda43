// SPDX-License-Identifier: Apache-2.0
#pragma once
// The text of --help. The help of secretctl itself fits a screen of 24 lines.

#include <CLI/App.hpp>
#include <CLI/Formatter.hpp>
#include <string>
#include <vector>

namespace secrets::ctl {

/// Returns the options and arguments that a command has itself. CLI11's get_options() adds those of
/// its parents in version 2.7.
std::vector<const CLI::Option*> own_options(const CLI::App& command);

class Help : public CLI::Formatter {
  public:
    std::string make_help(const CLI::App* app, std::string name,
                          CLI::AppFormatMode mode) const override;
};

}  // namespace secrets::ctl
