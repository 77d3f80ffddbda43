// SPDX-License-Identifier: Apache-2.0
#include "common/base/errno_status.h"

#include <errno.h>
#include <string.h>

namespace secrets {

Status errno_status(const std::string& what, StatusCode code) {
    const int why = errno;
    std::string sentence = what + " failed: " + strerror(why);
    if (why == EMFILE) sentence += "; raise the limit of open files (LimitNOFILE=)";
    return {code, std::move(sentence)};
}

}  // namespace secrets
