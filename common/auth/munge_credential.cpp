// SPDX-License-Identifier: Apache-2.0
#include "common/auth/munge_credential.h"

#include <munge.h>

#include <cstdlib>
#include <memory>
#include <new>

namespace secrets {
namespace {

using Context = std::unique_ptr<munge_ctx, decltype(&munge_ctx_destroy)>;
using Text = std::unique_ptr<char, decltype(&std::free)>;

}  // namespace

StatusOr<std::string> make_munge_credential(const std::string& payload) {
    const Context context(munge_ctx_create(), &munge_ctx_destroy);
    if (!context) throw std::bad_alloc();
    char* credential = nullptr;
    const munge_err_t error =
        munge_encode(&credential, context.get(), payload.data(), static_cast<int>(payload.size()));
    const Text owned(credential, &std::free);
    if (error == EMUNGE_SUCCESS) return std::string(credential);
    const char* detail = munge_ctx_strerror(context.get());
    return Status::failed(detail != nullptr ? detail : munge_strerror(error));
}

}  // namespace secrets
