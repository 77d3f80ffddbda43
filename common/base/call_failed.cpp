#include "common/base/call_failed.h"

#include <errno.h>
#include <string.h>

namespace secrets {

Error call_failed(const std::string& what) {
    const int why = errno;
    std::string sentence = what + " failed: " + strerror(why);
    if (why == EMFILE) sentence += "; raise the limit of open files (LimitNOFILE=)";
    return Error{std::move(sentence)};
}

}  // namespace secrets
