// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/random_word.h"

#include <sys/random.h>

#include <array>

#include "common/base/text_encoding.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl::web {

std::string random_word() {
    std::array<std::byte, 32> bytes{};
    if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        throw CommandError(ExitCode::bad_input,
                           "cannot make a random key: getrandom() gives no bytes; try again");
    }
    return to_hex(bytes);
}

}  // namespace secrets::ctl::web
