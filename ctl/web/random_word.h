// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace secrets::ctl::web {

/// Returns 256 random bits as hexadecimal digits. Throws CommandError if the kernel gives none.
std::string random_word();

}  // namespace secrets::ctl::web
