// SPDX-License-Identifier: Apache-2.0
// Promise: munged is waited for as long as a request has time, and never by the event loop; an
// error of munged is not taken for one of the credential.

#include "agentd/auth/munge.h"

#include <munge.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/failing_new.h"
#include "tests/unit/office.h"

namespace {

/// What munged does.
std::atomic<bool> munged_hangs{false};
std::atomic<int> munged_calls{0};
std::atomic<munge_err_t> munged_error{EMUNGE_SUCCESS};

void wait_for_munged() {
    ++munged_calls;
    while (munged_hangs) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace

/// Replaces libmunge's: a payload is its own credential, made by uid 1001.
extern "C" munge_err_t munge_encode(char** credential, munge_ctx_t /*context*/, const void* payload,
                                    int length) {
    wait_for_munged();
    *credential = strndup(static_cast<const char*>(payload), static_cast<std::size_t>(length));
    return munged_error;
}

/// Replaces libmunge's, and like it returns the payload with any error.
extern "C" munge_err_t munge_decode(const char* credential, munge_ctx_t /*context*/, void** payload,
                                    int* length, uid_t* uid, gid_t* gid) {
    wait_for_munged();
    *payload = strdup(credential);
    *length = static_cast<int>(std::strlen(credential));
    *uid = 1001;
    *gid = 1001;
    return munged_error;
}

namespace secrets::auth {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture : EventLoop {
    Fixture() {
        service::keep_the_log_quiet();
        munged_hangs = false;
        munged_calls = 0;
        munged_error = EMUNGE_SUCCESS;
    }
    ~Fixture() { munged_hangs = false; }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    /// Returns the code of the error with which munged's error is reported.
    StatusCode code_of(munge_err_t error) {
        munged_error = error;
        return result_of(munge->decode("text")).status().code();
    }

    std::optional<Munge> munge{std::in_place};
};

TEST_CASE("Munge: returns what munged says of a credential", "[munge]") {
    Fixture fixture;
    const auto encoded = fixture.result_of(fixture.munge->encode("payload"));
    REQUIRE(encoded.ok());
    CHECK(*encoded == "payload");
    const auto decoded = fixture.result_of(fixture.munge->decode("payload"));
    REQUIRE(decoded.ok());
    CHECK(decoded->uid == Uid{1001});
    CHECK(decoded->payload == "payload");
}

TEST_CASE("Munge: tells errors of munged from those of the credential", "[munge]") {
    Fixture fixture;
    for (const munge_err_t error :
         {EMUNGE_SOCKET, EMUNGE_TIMEOUT, EMUNGE_SNAFU, EMUNGE_NO_MEMORY}) {
        CHECK(fixture.code_of(error) == StatusCode::unavailable);
    }
    for (const munge_err_t error :
         {EMUNGE_CRED_EXPIRED, EMUNGE_CRED_REWOUND, EMUNGE_CRED_REPLAYED, EMUNGE_CRED_INVALID,
          EMUNGE_CRED_UNAUTHORIZED, EMUNGE_BAD_CRED}) {
        CHECK(fixture.code_of(error) == StatusCode::invalid_argument);
    }
    CHECK_FALSE(fixture.result_of(fixture.munge->encode("payload")).ok());
}

TEST_CASE("Munge: waits four seconds for munged, while the loop goes on", "[munge]") {
    Fixture fixture;
    munged_hangs = true;
    const auto decoded = fixture.start(fixture.munge->decode("text"));
    REQUIRE(fixture.turns_until([] { return munged_calls == 1; }));
    fixture.pass(milliseconds(3900));
    fixture.turn(milliseconds(5));
    CHECK_FALSE(decoded->has_value());
    fixture.pass(milliseconds(200));
    REQUIRE(fixture.turns_until([&] { return decoded->has_value(); }));
    CHECK((*decoded)->status().code() == StatusCode::unavailable);
}

TEST_CASE("Munge: never asks munged for a caller that has given up", "[munge]") {
    Fixture fixture;
    munged_hangs = true;
    const auto first = fixture.start(fixture.munge->decode("text"));
    REQUIRE(fixture.turns_until([] { return munged_calls == 1; }));
    fixture.pass(seconds(2));
    const auto second = fixture.start(fixture.munge->encode("text"));
    fixture.turn(milliseconds(5));
    fixture.pass(seconds(2));
    REQUIRE(fixture.turns_until([&] { return first->has_value(); }));
    CHECK_FALSE(second->has_value());
    fixture.pass(seconds(2));
    REQUIRE(fixture.turns_until([&] { return second->has_value(); }));
    CHECK_FALSE((*second)->ok());
    munged_hangs = false;
    CHECK(fixture.result_of(fixture.munge->decode("text")).ok());
    CHECK(munged_calls.load() == 2);
}

TEST_CASE("Munge: asks munged in order, and never for a client that has gone", "[munge]") {
    Fixture fixture;
    munged_hangs = true;
    bool is_gone = false;
    const auto first = fixture.start(fixture.munge->decode("first"));
    REQUIRE(fixture.turns_until([] { return munged_calls == 1; }));
    const auto gone = fixture.start(fixture.munge->decode("gone", [&] { return is_gone; }));
    const auto last = fixture.start(fixture.munge->decode("last"));
    fixture.turn(milliseconds(5));
    is_gone = true;
    munged_hangs = false;
    REQUIRE(fixture.turns_until([&] { return last->has_value(); }));
    CHECK(first->value().ok());
    CHECK(gone->value().status().code() == StatusCode::unavailable);
    CHECK(last->value().ok());
    CHECK(munged_calls.load() == 2);
}

TEST_CASE("Munge: goes on after memory ran out for a call", "[munge]") {
    Fixture fixture;
    bool fails = true;
    // Called just before the call is handed to its thread.
    const auto is_gone = [&fails] {
        if (std::exchange(fails, false)) fail_next_allocation_of(1);
        return false;
    };
    const auto lost = fixture.start(fixture.munge->decode("lost", is_gone));
    fixture.turn(milliseconds(20));
    REQUIRE(allocation_has_failed());
    CHECK_FALSE(lost->has_value());
    CHECK(fixture.result_of(fixture.munge->decode("text")).ok());
    REQUIRE(fixture.turns_until([&lost] { return lost->has_value(); }));  // with the next call
}

TEST_CASE("Munge: waits for a call in progress before it ends", "[munge]") {
    Fixture fixture;
    munged_hangs = true;
    const auto decoded = fixture.start(fixture.munge->decode("text"));
    REQUIRE(fixture.turns_until([] { return munged_calls == 1; }));
    std::thread end_of_call([] {
        std::this_thread::sleep_for(milliseconds(20));
        munged_hangs = false;
    });
    fixture.munge.reset();
    CHECK_FALSE(munged_hangs.load());
    end_of_call.join();
    CHECK_FALSE(decoded->has_value());
}

}  // namespace
}  // namespace secrets::auth
