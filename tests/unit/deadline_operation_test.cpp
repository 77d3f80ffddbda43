// SPDX-License-Identifier: Apache-2.0
// Promise: an operation or its deadline ends the wait for it, whichever comes first, and the other
// finds nothing that is gone.

#include "agentd/net/deadline_operation.h"

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <set>
#include <thread>
#include <utility>

#include "agentd/net/https_connection.h"
#include "tests/unit/catch.h"

namespace {

constexpr std::string_view kHangingHost = "hangs.test";
std::atomic<bool> lookups_hang{false};

}  // namespace

/// Replaces the C library's for what is linked into this program: one name is looked up for as long
/// as the test wants.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                           addrinfo** found) {
    if (host != nullptr && host == kHangingHost) {
        while (lookups_hang) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return EAI_NONAME;
    }
    static const auto real =
        reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
    return real(host, service, hints, found);
}

namespace secrets::net {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// An operation that the test ends, and that notes a cancel() that comes after it is gone.
struct Operation {
    Operation() { gone.erase(this); }
    ~Operation() { gone.insert(this); }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

    void cancel() {
        if (gone.contains(this)) {
            ++cancelled_when_gone;
        } else {
            ++cancelled;
        }
    }

    std::function<void(const ErrorCode&)> done;
    int cancelled = 0;
    static inline std::set<const void*> gone;
    static inline int cancelled_when_gone = 0;
};

/// A coroutine that waits for an operation in its frame, and for nothing else.
struct Wait {
    explicit Wait(milliseconds patience) {
        Operation::cancelled_when_gone = 0;
        asio::co_spawn(loop, wait(Clock::now() + patience), asio::detached);
        loop.poll();
        loop.restart();
        REQUIRE(operation.lock() != nullptr);
    }
    asio::awaitable<void> wait(Clock::time_point deadline) {
        const auto own = std::make_shared<Operation>();
        operation = own;
        const auto start = [](Operation& begun, auto done) { begun.done = std::move(done); };
        outcome = co_await with_deadline(deadline, own, start);
    }
    /// Ends the operation in the loop's next turn; as any, it forgets its handler before.
    void end_operation(const ErrorCode& error) {
        asio::post(loop, [this, error] {
            const auto done = std::exchange(operation.lock()->done, nullptr);
            done(error);
        });
    }

    asio::io_context loop;
    std::weak_ptr<Operation> operation;
    std::optional<ErrorCode> outcome;
};

TEST_CASE("with_deadline: returns the outcome of an operation that ends in time") {
    for (const ErrorCode& error : {ErrorCode(), ErrorCode(asio::error::host_not_found)}) {
        Wait waiting{std::chrono::hours(1)};
        waiting.end_operation(error);
        waiting.loop.run();  // the timer of an hour does not hold it
        CHECK(waiting.outcome == error);
        CHECK(waiting.operation.expired());
    }
}

TEST_CASE("with_deadline: goes on at the deadline, whenever the operation ends") {
    Wait waiting{milliseconds(20)};
    const auto operation = waiting.operation.lock();
    const auto done = std::exchange(operation->done, nullptr);
    waiting.loop.run();
    CHECK(waiting.outcome == ErrorCode(asio::error::timed_out));
    CHECK(operation->cancelled == 1);
    done(asio::error::operation_aborted);  // late, to a coroutine that is gone
    waiting.loop.restart();
    waiting.loop.run();
    CHECK(waiting.outcome == ErrorCode(asio::error::timed_out));
}

TEST_CASE("with_deadline: survives a failure and the deadline in the same turn of the loop") {
    Wait waiting{milliseconds(20)};
    waiting.end_operation(asio::error::host_not_found);
    std::this_thread::sleep_for(milliseconds(30));  // as a loop that is held up
    waiting.loop.run();
    CHECK(waiting.outcome == ErrorCode(asio::error::host_not_found));
    CHECK(waiting.operation.expired());
    CHECK(Operation::cancelled_when_gone == 0);
}

TEST_CASE("HttpsConnection: keeps its deadline while a name lookup hangs") {
    asio::io_context loop;
    asio::ssl::context context(asio::ssl::context::tls_client);
    HttpsConnection connection(loop, context);
    const HttpsUrl url{"https://hangs.test", std::string(kHangingHost), 443};
    lookups_hang = true;
    const auto begin = Clock::now();
    std::optional<Status> outcome;
    const auto open = [&]() -> asio::awaitable<void> {
        TlsSession none(nullptr, &SSL_SESSION_free);
        outcome = co_await connection.open(url, std::move(none), begin + milliseconds(50));
    };
    asio::co_spawn(loop, open(), asio::detached);
    while (!outcome && Clock::now() < begin + std::chrono::seconds(2)) {
        loop.run_one_for(milliseconds(10));
    }
    lookups_hang = false;
    REQUIRE(outcome.has_value());
    REQUIRE_FALSE(outcome->ok());
    CHECK((*outcome).message() ==
          "cannot resolve its host name: the resolver does not answer in time");
    loop.restart();
    loop.run();  // the lookup ends, and nobody waits for it
}

}  // namespace
}  // namespace secrets::net
