#include "agentd/auth/munge.h"

#include <arpa/inet.h>
#include <munge.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <cstdlib>

#include "agentd/audit/audit_log.h"

namespace secrets::auth {
namespace {

namespace asio = boost::asio;
using Context = std::unique_ptr<munge_ctx, decltype(&munge_ctx_destroy)>;
using Text = std::unique_ptr<char, decltype(&std::free)>;

/// Whether the failure says nothing of a credential, but that munged could not be asked.
bool is_away(munge_err_t error) {
    return error == EMUNGE_SOCKET || error == EMUNGE_TIMEOUT || error == EMUNGE_SNAFU ||
           error == EMUNGE_NO_MEMORY;
}

std::string what_is_wrong(munge_err_t error, munge_ctx_t context) {
    switch (error) {
        case EMUNGE_CRED_EXPIRED:
            return "it has expired; are the clocks of both hosts right?";
        case EMUNGE_CRED_REWOUND:
            return "it was made in the future; are the clocks of both hosts right?";
        case EMUNGE_CRED_REPLAYED:
            return "it was used before";
        case EMUNGE_CRED_INVALID:
            return "it was made with another munge key, or was damaged";
        case EMUNGE_CRED_UNAUTHORIZED:
            return "it was made for another user";
        default: {
            const char* detail = munge_ctx_strerror(context);
            return detail != nullptr ? detail : munge_strerror(error);
        }
    }
}

StatusOr<std::string> encode_now(const std::string& payload) {
    const Context context(munge_ctx_create(), &munge_ctx_destroy);
    if (!context) return Status::failed("munge: there is no memory");
    char* credential = nullptr;
    const munge_err_t error =
        munge_encode(&credential, context.get(), payload.data(), static_cast<int>(payload.size()));
    const Text owned(credential, &std::free);
    if (error != EMUNGE_SUCCESS) {
        return Status::failed("munged on this host gives no credential: " +
                              what_is_wrong(error, context.get()));
    }
    return std::string(credential);
}

StatusOr<Credential> decode_now(const std::string& credential) {
    const Context context(munge_ctx_create(), &munge_ctx_destroy);
    if (!context) return Status::unavailable("munge: there is no memory");
    void* payload = nullptr;
    int length = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    const munge_err_t error =
        munge_decode(credential.c_str(), context.get(), &payload, &length, &uid, &gid);
    // munge_decode() hands out the payload of an expired or replayed credential, too.
    const Text owned(static_cast<char*>(payload), &std::free);
    if (error != EMUNGE_SUCCESS) {
        return Status(is_away(error) ? StatusCode::unavailable : StatusCode::invalid_argument,
                      what_is_wrong(error, context.get()));
    }
    in_addr address{};
    char text[INET_ADDRSTRLEN] = "";
    if (munge_ctx_get(context.get(), MUNGE_OPT_ADDR4, &address) == EMUNGE_SUCCESS) {
        inet_ntop(AF_INET, &address, text, sizeof(text));
    }
    return Credential{Uid{uid}, text,
                      length > 0 ? std::string(owned.get(), static_cast<std::size_t>(length)) : ""};
}

}  // namespace

Munge::Munge() {
    std::signal(SIGPIPE, SIG_IGN);  // libmunge raises it where munged ends while it is being asked
}

Munge::~Munge() {
    thread_.join();
}

asio::awaitable<StatusOr<std::string>> Munge::encode(std::string payload) {
    // What co_spawn() hands over must be one that can be made without a value.
    const auto work =
        [](std::string text) -> asio::awaitable<std::optional<StatusOr<std::string>>> {
        co_return encode_now(text);
    };
    auto task = work(std::move(payload));
    auto made = co_await asio::co_spawn(thread_, std::move(task), asio::use_awaitable);
    co_return std::move(*made);
}

asio::awaitable<StatusOr<Credential>> Munge::decode(std::string credential) {
    const auto work = [](std::string text) -> asio::awaitable<std::optional<StatusOr<Credential>>> {
        co_return decode_now(text);
    };
    auto task = work(std::move(credential));
    auto decoded = co_await asio::co_spawn(thread_, std::move(task), asio::use_awaitable);
    const Status& status = decoded->status();
    away_.note(status.code() == StatusCode::unavailable ? status.message() : "");
    co_return std::move(*decoded);
}

}  // namespace secrets::auth
