// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace secrets::ctl::web {

/// Opens the user's browser, if this process runs on the user's own desktop: a display is there,
/// and the terminal is not one of ssh.
void open_browser(const std::string& url);

}  // namespace secrets::ctl::web
