// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/munge.h"

#include <arpa/inet.h>
#include <munge.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>

#include "agentd/audit/audit_log.h"
#include "agentd/net/deadline_operation.h"

namespace secrets::auth {
namespace {

namespace asio = boost::asio;
using Context = std::unique_ptr<munge_ctx, decltype(&munge_ctx_destroy)>;
using Text = std::unique_ptr<char, decltype(&std::free)>;

/// Time for one answer of munged, which takes a millisecond: less than any request has.
constexpr auto kPatience = std::chrono::seconds(4);

const char* const kTooSlow = "munged did not answer in time";

/// Returns whether munged could not be reached, so that the error says nothing of a credential.
bool is_away(munge_err_t error) {
    return error == EMUNGE_SOCKET || error == EMUNGE_TIMEOUT || error == EMUNGE_SNAFU ||
           error == EMUNGE_NO_MEMORY;
}

std::string what_is_wrong(munge_err_t error, munge_ctx_t context) {
    switch (error) {
        case EMUNGE_CRED_EXPIRED:
            return "it has expired; check the clocks of both hosts";
        case EMUNGE_CRED_REWOUND:
            return "it was made in the future; check the clocks of both hosts";
        case EMUNGE_CRED_REPLAYED:
            return "it was used before";
        case EMUNGE_CRED_INVALID:
            return "it was made with another munge key, or is damaged";
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
    if (!context) return Status::failed("munge: out of memory");
    char* credential = nullptr;
    const munge_err_t error =
        munge_encode(&credential, context.get(), payload.data(), static_cast<int>(payload.size()));
    const Text owned(credential, &std::free);
    if (error != EMUNGE_SUCCESS) {
        return Status::failed("cannot create a MUNGE credential: " +
                              what_is_wrong(error, context.get()));
    }
    return std::string(credential);
}

StatusOr<Credential> decode_now(const std::string& credential) {
    const Context context(munge_ctx_create(), &munge_ctx_destroy);
    if (!context) return Status::unavailable("munge: out of memory");
    void* payload = nullptr;
    int length = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    const munge_err_t error =
        munge_decode(credential.c_str(), context.get(), &payload, &length, &uid, &gid);
    // munge_decode() also returns the payload of an expired or replayed credential.
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

/// A call of munged in the thread, for as long as its caller waits for the answer.
template <typename Answer>
struct Query {
    explicit Query(std::string asked) : text(std::move(asked)) {}
    void cancel() { is_given_up = true; }

    std::string text;
    std::optional<Answer> answer{};
    std::exception_ptr thrown{};
    std::atomic<bool> is_given_up{false};
};

/// Calls munged in the thread. Returns nothing if munged did not answer in time.
template <typename Answer>
asio::awaitable<std::optional<Answer>> ask(asio::thread_pool& thread, std::string text,
                                           Answer (*function)(const std::string&)) {
    const auto query = std::make_shared<Query<Answer>>(std::move(text));
    const auto loop = co_await asio::this_coro::executor;
    const auto begin = [&thread, loop, function](Query<Answer>& begun, auto done) {
        asio::post(thread, [&begun, loop, function, done = std::move(done)]() mutable {
            try {
                if (!begun.is_given_up) begun.answer = function(begun.text);
            } catch (...) {
                begun.thrown = std::current_exception();
            }
            asio::post(loop, [done = std::move(done)] { done(ErrorCode()); });
        });
    };
    const auto until = std::chrono::steady_clock::now() + kPatience;
    const ErrorCode error = co_await net::with_deadline(until, query, begin);
    if (error) co_return std::nullopt;
    if (query->thrown) std::rethrow_exception(query->thrown);
    co_return std::move(query->answer);
}

}  // namespace

Munge::Munge() {
    std::signal(SIGPIPE, SIG_IGN);  // libmunge raises it if munged ends during a call
}

Munge::~Munge() {
    thread_.join();
}

asio::awaitable<StatusOr<std::string>> Munge::encode(std::string payload) {
    auto made = co_await ask(thread_, std::move(payload), &encode_now);
    if (!made) {
        co_return Status::failed(std::string("cannot create a MUNGE credential: ") + kTooSlow);
    }
    co_return std::move(*made);
}

asio::awaitable<StatusOr<Credential>> Munge::decode(std::string credential) {
    auto decoded = co_await ask(thread_, std::move(credential), &decode_now);
    if (!decoded) decoded = Status::unavailable(kTooSlow);
    const Status& status = decoded->status();
    away_.note(status.code() == StatusCode::unavailable ? status.message() : "");
    co_return std::move(*decoded);
}

}  // namespace secrets::auth
