// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/munge_credential.h"

#include <munge.h>
#include <openssl/evp.h>
#include <signal.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "common/base/text_encoding.h"
#include "common/ipc/hub_request.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

using Context = std::unique_ptr<munge_ctx, decltype(&munge_ctx_destroy)>;
using Text = std::unique_ptr<char, decltype(&std::free)>;

std::string sha256_digits(SecretView body) {
    std::array<unsigned char, 32> digest{};
    const auto bytes = body.bytes();
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) !=
        1) {
        throw std::bad_alloc();
    }
    return to_hex(std::as_bytes(std::span(digest)));
}

}  // namespace

std::string munge_credential(const std::string& hub, std::string_view method,
                             const Request& request) {
    // libmunge raises SIGPIPE if munged ends during a request.
    ::signal(SIGPIPE, SIG_IGN);
    const std::string payload =
        print_hub_request({hub, std::string(method), request.target, sha256_digits(request.body)});
    const Context context(munge_ctx_create(), &munge_ctx_destroy);
    if (!context) throw std::bad_alloc();
    char* credential = nullptr;
    const munge_err_t error =
        munge_encode(&credential, context.get(), payload.data(), static_cast<int>(payload.size()));
    const Text owned(credential, &std::free);
    if (error == EMUNGE_SUCCESS) return credential;
    const char* detail = munge_ctx_strerror(context.get());
    throw CommandError(ExitCode::unreachable,
                       "the hub " + hub +
                           " wants to know by munge who you are, and munged on this host does not "
                           "say it: " +
                           (detail != nullptr ? detail : munge_strerror(error)) +
                           "; is munged running?");
}

}  // namespace secrets::ctl
