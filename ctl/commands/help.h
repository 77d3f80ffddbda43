// SPDX-License-Identifier: Apache-2.0
#pragma once
// The text of --help. The help of secretctl itself fits a screen of 24 lines.

#include <CLI/Formatter.hpp>
#include <string>

namespace secrets::ctl {

class Help : public CLI::Formatter {
  public:
    std::string make_help(const CLI::App* app, std::string name,
                          CLI::AppFormatMode mode) const override;
};

}  // namespace secrets::ctl
