// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/munge.h"

#include <arpa/inet.h>
#include <munge.h>

#include <boost/asio/post.hpp>
#include <cstdlib>
#include <exception>
#include <new>
#include <thread>

#include "agentd/audit/audit_log.h"
#include "agentd/base/without_memory.h"
#include "agentd/net/deadline_operation.h"
#include "common/auth/munge_credential.h"

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
    auto credential = make_munge_credential(payload);
    if (credential) return credential;
    return Status::failed("cannot create a MUNGE credential: " + credential.status().message());
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

/// A question for munged, for as long as its caller waits for the answer.
template <typename Answer>
struct Question {
    explicit Question(std::string asked) : text(std::move(asked)) {}
    void cancel() { is_given_up = true; }

    std::string text;
    std::optional<Answer> answer{};
    std::exception_ptr thrown{};
    bool is_given_up = false;
};

/// Posts a handler from a thread that has nobody to report to: if memory ran out, tries again.
template <typename Handler>
void post_from_thread(const asio::any_io_executor& loop, const Handler& handler) {
    constexpr auto kPause = std::chrono::milliseconds(20);
    while (true) {
        try {
            asio::post(loop, handler);
            return;
        } catch (const std::bad_alloc&) {
            std::this_thread::sleep_for(kPause);
        }
    }
}

}  // namespace

Munge::~Munge() {
    queue_->thread.join();
}

/// Makes the next call that somebody waits for. A thread that hangs in a call makes no other; the
/// callers' deadlines pass meanwhile. If memory runs out, the calls stay in the queue.
void Munge::call_next(const std::shared_ptr<Queue>& queue, const asio::any_io_executor& loop) {
    while (!queue->is_calling && !queue->calls.empty()) {
        const std::shared_ptr<Call> call = queue->calls.front();
        if (!call->is_wanted()) {
            queue->calls.pop_front();
            call->end();
            continue;
        }
        const std::weak_ptr<Queue> later = queue;
        const auto end = [call, later, loop] {
            call->end();
            const auto same = later.lock();
            if (!same) return;
            same->is_calling = false;
            call_next_if_memory_allows(same, loop);
        };
        asio::post(queue->thread, [call, end, loop] {
            call->make();
            post_from_thread(loop, end);
        });
        queue->calls.pop_front();
        queue->is_calling = true;
    }
}

/// Makes the next call as call_next() does. Without memory it is made when the next one comes.
void Munge::call_next_if_memory_allows(const std::shared_ptr<Queue>& queue,
                                       const asio::any_io_executor& loop) {
    if_memory_allows([&] { call_next(queue, loop); });
}

/// Calls munged in the thread. Returns nothing if munged did not answer in time.
template <typename Answer>
asio::awaitable<std::optional<Answer>> Munge::ask(std::string text,
                                                  Answer (*function)(const std::string&),
                                                  std::function<bool()> is_gone) {
    const auto question = std::make_shared<Question<Answer>>(std::move(text));
    const asio::any_io_executor loop = co_await asio::this_coro::executor;
    const auto queue = queue_;
    // `done` keeps the question alive.
    const auto begin = [queue, loop, function, is_gone](Question<Answer>& begun, auto done) {
        const auto call = std::make_shared<Call>();
        call->is_wanted = [&begun, is_gone] {
            return !begun.is_given_up && !(is_gone && is_gone());
        };
        call->make = [&begun, function] {
            try {
                begun.answer = function(begun.text);
            } catch (...) {
                begun.thrown = std::current_exception();
            }
        };
        call->end = [done = std::move(done)] { done(ErrorCode()); };
        queue->calls.push_back(call);
        call_next_if_memory_allows(queue, loop);  // else the deadline ends the wait for the call
    };
    const auto until = std::chrono::steady_clock::now() + kPatience;
    const ErrorCode error = co_await net::with_deadline(until, question, begin);
    if (error) co_return std::nullopt;
    if (question->thrown) std::rethrow_exception(question->thrown);
    co_return std::move(question->answer);
}

asio::awaitable<StatusOr<std::string>> Munge::encode(std::string payload) {
    auto made = co_await ask(std::move(payload), &encode_now, nullptr);
    if (!made) made = Status::failed(std::string("cannot create a MUNGE credential: ") + kTooSlow);
    trouble_ = made->status().message();
    co_return std::move(*made);
}

asio::awaitable<StatusOr<Credential>> Munge::decode(std::string credential,
                                                    std::function<bool()> is_gone) {
    auto decoded = co_await ask(std::move(credential), &decode_now, std::move(is_gone));
    if (!decoded) decoded = Status::unavailable(kTooSlow);
    const Status& status = decoded->status();
    trouble_ = status.code() == StatusCode::unavailable ? status.message() : "";
    away_.note(trouble_);
    co_return std::move(*decoded);
}

}  // namespace secrets::auth
