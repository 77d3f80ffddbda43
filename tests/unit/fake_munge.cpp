// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_munge.h"

#include <arpa/inet.h>
#include <munge.h>

#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace secrets {

FakeMunge& fake_munge() {
    static FakeMunge munge;
    return munge;
}

}  // namespace secrets

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name,cert-dcl50-cpp)
extern "C" munge_err_t munge_encode(char** credential, munge_ctx_t, const void* payload,
                                    int length) {
    if (secrets::fake_munge().is_away) return EMUNGE_SOCKET;
    ++secrets::fake_munge().made;
    std::string text = secrets::kFakeCredential;
    // A header field is one line.
    for (const char each :
         std::string_view(static_cast<const char*>(payload), static_cast<std::size_t>(length))) {
        text += each == '\n' ? '|' : each;
    }
    *credential = strdup(text.c_str());
    return EMUNGE_SUCCESS;
}

extern "C" munge_err_t munge_decode(const char* credential, munge_ctx_t, void** payload,
                                    int* length, uid_t* uid, gid_t*) {
    if (secrets::fake_munge().is_away) return EMUNGE_SOCKET;
    const std::string_view text = credential;
    const std::string_view prefix = secrets::kFakeCredential;
    if (!text.starts_with(prefix)) return EMUNGE_CRED_INVALID;
    char* const copy = strdup(std::string(text.substr(prefix.size())).c_str());
    for (char* each = copy; *each != '\0'; ++each) {
        if (*each == '|') *each = '\n';
    }
    *payload = copy;
    *length = static_cast<int>(std::strlen(copy));
    *uid = secrets::fake_munge().uid;
    return EMUNGE_SUCCESS;
}

extern "C" munge_err_t munge_ctx_get(munge_ctx_t, int option, ...) {
    std::va_list arguments;
    va_start(arguments, option);
    if (option == MUNGE_OPT_ADDR4) {
        va_arg(arguments, in_addr*)->s_addr = htonl(INADDR_LOOPBACK);
    }
    va_end(arguments);
    return EMUNGE_SUCCESS;
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name,cert-dcl50-cpp)
