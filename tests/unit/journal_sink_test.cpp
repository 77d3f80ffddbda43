// SPDX-License-Identifier: Apache-2.0
// Promise: sending to the journal never waits. What it does not take at once is sent later, in
// order; what finds no room is dropped and counted, and an entry says where it is missing.

#include "agentd/audit/journal_sink.h"

#include <memory>

#include "tests/unit/catch.h"
#include "tests/unit/journal_socket.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::audit {
namespace {

using Clock = std::chrono::steady_clock;

/// A journal and its socket, which nobody reads until read() is called.
struct JournalFixture {
    JournalFixture()
        : journal(path, [](std::uint64_t count) { return "dropped " + std::to_string(count); }) {}

    void listen() { socket = std::make_unique<JournalSocket>(path); }
    void stop_listening() { socket.reset(); }

    /// All that arrives while it is read as fast as it can be.
    std::vector<std::string> read() {
        std::vector<std::string> all;
        while (true) {
            journal.drain();
            const auto some = socket->receive_all();
            all.insert(all.end(), some.begin(), some.end());
            if (some.empty() && !journal.waits()) return all;
        }
    }

    TemporaryFolder folder;
    std::string path = folder.file("socket");
    std::unique_ptr<JournalSocket> socket;
    JournalSink journal;
};

TEST_CASE("JournalSink: sends an entry at once when the journal accepts it") {
    JournalFixture fixture;
    fixture.listen();
    fixture.journal.send("one");
    CHECK(fixture.socket->receive() == "one");
    CHECK(!fixture.journal.waits());
}

TEST_CASE("JournalSink: queues entries while the journal stalls and sends them in order") {
    JournalFixture fixture;
    fixture.listen();
    const auto begin = Clock::now();
    for (int i = 0; i < 5000; ++i) fixture.journal.send(std::to_string(i));
    CHECK(Clock::now() - begin < std::chrono::seconds(5));
    CHECK(fixture.journal.waits());
    const auto all = fixture.read();
    REQUIRE(all.size() == 5000);
    for (int i = 0; i < 5000; ++i) REQUIRE(all[static_cast<std::size_t>(i)] == std::to_string(i));
    CHECK(fixture.journal.dropped() == 0);
}

TEST_CASE("JournalSink: drops entries beyond the maximum count and reports how many") {
    JournalFixture fixture;  // nobody listens
    const std::size_t sent = kMaxWaitingEntries + 100;
    for (std::size_t i = 0; i < sent; ++i) fixture.journal.send(std::to_string(i));
    CHECK(fixture.journal.dropped() == 100);
    fixture.listen();
    const auto all = fixture.read();
    REQUIRE(all.size() == kMaxWaitingEntries + 1);
    CHECK(all[kMaxWaitingEntries - 1] == std::to_string(kMaxWaitingEntries - 1));
    CHECK(all.back() == "dropped 100");
    fixture.journal.send("after");
    CHECK(fixture.socket->receive() == "after");
    CHECK(fixture.journal.dropped() == 100);
}

TEST_CASE("JournalSink: drops entries beyond the maximum number of queued bytes") {
    JournalFixture fixture;
    const std::string entry(64 * 1024, 'x');
    for (std::size_t i = 0; i < kMaxWaitingBytes / entry.size() + 3; ++i)
        fixture.journal.send(entry);
    CHECK(fixture.journal.dropped() == 3);
    fixture.listen();
    CHECK(fixture.read().size() == kMaxWaitingBytes / entry.size() + 1);
}

TEST_CASE("JournalSink: sends the report of dropped entries before the next new entry") {
    JournalFixture fixture;
    for (std::size_t i = 0; i < kMaxWaitingEntries + 7; ++i) fixture.journal.send("x");
    fixture.listen();
    std::size_t read = 0;
    while (read < kMaxWaitingEntries / 2 + 10) {
        fixture.journal.drain();
        read += fixture.socket->receive_all().size();
    }
    fixture.journal.send("after");
    const auto all = fixture.read();
    REQUIRE(all.size() >= 2);
    CHECK(all[all.size() - 2] == "dropped 7");
    CHECK(all.back() == "after");
}

TEST_CASE("JournalSink: queues entries while no journal listens and sends them to the next one") {
    JournalFixture fixture;
    fixture.journal.send("early");
    CHECK(fixture.journal.waits());
    fixture.listen();
    fixture.journal.send("later");
    CHECK(fixture.read() == std::vector<std::string>{"early", "later"});

    fixture.stop_listening();
    fixture.journal.send("meanwhile");
    CHECK(fixture.journal.waits());
    fixture.listen();
    CHECK(fixture.read() == std::vector<std::string>{"meanwhile"});

    // Restarted between two entries: the old socket is connected to nobody.
    fixture.stop_listening();
    fixture.listen();
    fixture.journal.send("again");
    CHECK(fixture.socket->receive() == "again");
}

TEST_CASE("JournalSink: drops an oversized entry without delaying the next") {
    JournalFixture fixture;
    fixture.journal.send(std::string(kMaxWaitingBytes + 1, 'x'));
    CHECK(fixture.journal.dropped() == 1);
    fixture.listen();
    fixture.journal.send("next");
    fixture.journal.send(std::string(64 * 1024 * 1024, 'x'));
    fixture.journal.send("last");
    CHECK(fixture.read() == std::vector<std::string>{"dropped 1", "next", "dropped 1", "last"});
    CHECK(fixture.journal.dropped() == 2);
}

TEST_CASE("JournalSink: waits no longer than its limit for a stalled journal at shutdown") {
    JournalFixture fixture;
    fixture.listen();
    while (!fixture.journal.waits()) fixture.journal.send("x");
    const auto begin = Clock::now();
    fixture.journal.drain_within(std::chrono::milliseconds(100));
    const auto took = Clock::now() - begin;
    CHECK(took >= std::chrono::milliseconds(100));
    CHECK(took < std::chrono::seconds(2));
    CHECK(fixture.journal.waits());
}

}  // namespace
}  // namespace secrets::audit
