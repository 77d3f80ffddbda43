// SPDX-License-Identifier: Apache-2.0
#pragma once
// The files of the folder page/, which the build makes part of the program.

#include <span>
#include <string_view>

namespace secrets::ctl::web {

struct Asset {
    std::string_view name;  ///< of the file: "app.css"
    std::string_view content_type;
    std::string_view content;
};

std::span<const Asset> assets();

/// Returns null if there is no file of that name.
const Asset* find_asset(std::string_view name);

}  // namespace secrets::ctl::web
