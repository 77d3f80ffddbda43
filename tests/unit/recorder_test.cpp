// SPDX-License-Identifier: Apache-2.0
// Promise: what must be on the audit file is there before it happens, or does not happen; what
// happens all the same is complained about and counted. A stalled journal holds up nothing, and the
// event loop sends later what it did not take.

#include "agentd/audit/recorder.h"

#include <fcntl.h>

#include <boost/json.hpp>

#include "agentd/audit/flush_timer.h"
#include "tests/unit/catch.h"
#include "tests/unit/journal_socket.h"
#include "tests/unit/skip.h"
#include "tests/unit/small_disk.h"

namespace secrets::audit {
namespace {

namespace json = boost::json;

Event event_of(Kind kind, std::string sentence) {
    return {.kind = kind, .sentence = std::move(sentence)};
}

Event refusal_of(std::uint32_t uid, std::string reason) {
    Event event = event_of(Kind::refuse_push, "refused: " + reason);
    event.caller = Account{Uid{uid}, ""};
    event.reason = std::move(reason);
    return event;
}

Config to_journal(std::string audit_file = "") {
    Config config;
    config.log_target = LogTarget::journal;
    config.audit_file = std::move(audit_file);
    return config;
}

/// A recorder whose journal is a socket of the test's.
struct Logged {
    /// All that was sent and waits; the socket itself holds ten entries on some machines.
    std::vector<std::string> messages() {
        std::vector<std::string> messages;
        auto time = Recorder::Clock::now();
        while (true) {
            const auto entries = socket.receive_all();
            for (const std::string& entry : entries) messages.push_back(message_of(entry));
            if (entries.empty()) return messages;
            recorder.work(time += std::chrono::milliseconds(200));
        }
    }
    std::vector<std::string> on_file(const std::string& path) const {
        std::vector<std::string> messages;
        std::istringstream lines(content_of(path));
        for (std::string line; std::getline(lines, line);) {
            boost::system::error_code error;
            const json::value value = json::parse(line, error);
            messages.push_back(error ? "(torn)" : value.at("message").as_string().c_str());
        }
        return messages;
    }

    TemporaryFolder folder;
    JournalSocket socket{folder.file("socket")};
    Recorder recorder{folder.file("socket")};
};

TEST_CASE("Recorder: writes an event to the journal and to the audit file") {
    Logged logged;
    const std::string file = logged.folder.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    logged.recorder.record(event_of(Kind::wipe, "one"));
    CHECK(logged.messages() == std::vector<std::string>{"one"});
    CHECK(logged.on_file(file) == std::vector<std::string>{"one"});
    CHECK(logged.recorder.write_ahead(event_of(Kind::push, "two")).ok());
    CHECK(logged.messages().empty());
    CHECK(logged.on_file(file) == std::vector<std::string>{"one", "two"});
    logged.recorder.publish(event_of(Kind::push, "two"));
    CHECK(logged.messages() == std::vector<std::string>{"two"});
    CHECK(logged.on_file(file).size() == 2);
}

TEST_CASE("Recorder: applies the log level to the journal but not to the audit file") {
    Logged logged;
    Config config = to_journal(logged.folder.file("audit"));
    config.log_level = "warn";
    REQUIRE(logged.recorder.open(config).ok());
    logged.recorder.record(event_of(Kind::wipe, "info"));
    logged.recorder.record(event_of(Kind::reap, "warning"));
    logged.recorder.record(event_of(Kind::trouble, "error"));
    CHECK(logged.messages() == std::vector<std::string>{"warning", "error"});
    CHECK(logged.on_file(config.audit_file).size() == 3);
}

TEST_CASE("Recorder: fails write-ahead on a full disk and logs which entries the file lacks") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    const SmallDisk disk;
    Logged logged;
    const std::string file = disk.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    disk.fill();
    const std::string wrong = "cannot write the audit trail " + file + ": No space left on device";
    const Status failure = logged.recorder.write_ahead(event_of(Kind::push, "push"));
    REQUIRE_FALSE(failure.ok());
    CHECK(failure.message() == wrong);
    CHECK(logged.messages().empty());
    logged.recorder.record(event_of(Kind::wipe, "job 1 ended"));
    CHECK(logged.messages() ==
          std::vector<std::string>{"job 1 ended", wrong + "; missing entry: job 1 ended"});
    logged.recorder.record(refusal_of(1001, wrong));
    CHECK(logged.messages() == std::vector<std::string>{"refused: " + wrong});
    CHECK(logged.on_file(file).empty());

    disk.make_room();
    logged.recorder.record(event_of(Kind::wipe, "job 2 ended"));
    const std::string gap = "2 entries are missing in the audit trail " + file +
                            " before this line, while it could not be written; they are in the "
                            "log of that time";
    CHECK(logged.messages() == std::vector<std::string>{gap, "job 2 ended"});
    CHECK(logged.on_file(file) == std::vector<std::string>{gap, "job 2 ended"});
}

TEST_CASE("Recorder: limits the rate of denials in the journal and in the audit file") {
    Logged logged;
    const std::string file = logged.folder.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    for (int i = 0; i < 3400; ++i) logged.recorder.record(refusal_of(1001, "no"));
    logged.recorder.record(refusal_of(1002, "no"));
    CHECK(logged.messages().size() == kDenialBurst + 1);
    CHECK(logged.on_file(file).size() == kDenialBurst + 1);
    logged.recorder.work(Recorder::Clock::now() + kDenialWindow);
    const std::string summary =
        "... and 3300 more pushes of uid 1001 were refused in the last minute";
    CHECK(logged.messages() == std::vector<std::string>{summary});
    CHECK(logged.on_file(file).size() == kDenialBurst + 2);
    CHECK(logged.on_file(file).back() == summary);
}

TEST_CASE("Recorder: limits revocations for each node, and not for all together") {
    Logged logged;
    const std::string file = logged.folder.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    const auto revoke_on = [&](const std::string& node) {
        Event event = event_of(Kind::revoke, "revoked");
        event.caller = Account{std::nullopt, "node " + node};
        logged.recorder.record(event);
    };
    for (std::size_t i = 0; i < 3 * kDenialBurstOfAll; ++i) revoke_on(std::to_string(i));
    CHECK(logged.on_file(file).size() == 3 * kDenialBurstOfAll);
    for (int i = 0; i < 4096; ++i) revoke_on("n1");
    CHECK(logged.on_file(file).size() == 3 * kDenialBurstOfAll + kDenialBurst);
    logged.recorder.record(refusal_of(1001, "no"));
    CHECK(logged.on_file(file).back() == "refused: no");
    logged.recorder.work(Recorder::Clock::now() + kDenialWindow);
    CHECK(logged.on_file(file).back() ==
          "... and 3996 more grants of node n1 were revoked in the last minute");
    logged.recorder.sync();
}

TEST_CASE("Recorder: sums up counted denials before the agent's last entry") {
    Logged logged;
    const std::string file = logged.folder.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    for (int i = 0; i < 101; ++i) logged.recorder.record(refusal_of(1001, "no"));
    logged.recorder.record(event_of(Kind::stop, "ended"));
    const auto lines = logged.on_file(file);
    REQUIRE(lines.size() == kDenialBurst + 2);
    CHECK(lines[kDenialBurst].starts_with("... and 1 more pushes of uid 1001 were refused"));
    CHECK(lines.back() == "ended");
}

TEST_CASE("Recorder: reports counted denials when it finishes") {
    Logged logged;
    REQUIRE(logged.recorder.open(to_journal()).ok());
    for (int i = 0; i < 101; ++i) logged.recorder.record(refusal_of(1001, "no"));
    CHECK(logged.messages().size() == kDenialBurst);
    logged.recorder.finish();
    const auto told = logged.messages();
    REQUIRE(told.size() == 1);
    CHECK(told[0].starts_with("... and 1 more pushes of uid 1001 were refused in the last "));
}

TEST_CASE("Recorder: writes to a moved audit file until it reopens the path") {
    Logged logged;
    const std::string file = logged.folder.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    logged.recorder.record(event_of(Kind::wipe, "one"));
    REQUIRE(rename(file.c_str(), logged.folder.file("audit.1").c_str()) == 0);
    logged.recorder.record(event_of(Kind::wipe, "two"));
    CHECK(logged.recorder.reopen().ok());
    logged.recorder.record(event_of(Kind::wipe, "three"));
    CHECK(logged.on_file(logged.folder.file("audit.1")) == std::vector<std::string>{"one", "two"});
    CHECK(logged.on_file(file) == std::vector<std::string>{"three"});
}

TEST_CASE("Recorder: keeps its file and level when opening or reopening fails") {
    Logged logged;
    const std::string file = logged.folder.file("audit");
    REQUIRE(logged.recorder.open(to_journal(file)).ok());
    Config other = to_journal(logged.folder.file("none/audit"));
    other.log_level = "error";
    CHECK_FALSE(logged.recorder.open(other).ok());
    REQUIRE(rename(file.c_str(), logged.folder.file("audit.1").c_str()) == 0);
    REQUIRE(symlink("audit.1", file.c_str()) == 0);
    CHECK_FALSE(logged.recorder.reopen().ok());
    logged.recorder.record(event_of(Kind::wipe, "one"));
    CHECK(logged.messages() == std::vector<std::string>{"one"});
    CHECK(logged.on_file(logged.folder.file("audit.1")) == std::vector<std::string>{"one"});
}

TEST_CASE("Recorder: never blocks on a stalled journal and sends queued entries from the loop") {
    Logged logged;
    REQUIRE(logged.recorder.open(to_journal()).ok());
    boost::asio::io_context loop;
    FlushTimer drain(loop, logged.recorder);
    const auto begin = Recorder::Clock::now();
    for (int i = 0; i < 2000; ++i) logged.recorder.record(event_of(Kind::wipe, std::to_string(i)));
    CHECK(Recorder::Clock::now() - begin < std::chrono::seconds(5));
    CHECK(logged.recorder.next_work());
    std::vector<std::string> messages;
    while (messages.size() < 2000 && Recorder::Clock::now() - begin < std::chrono::seconds(60)) {
        for (const std::string& entry : logged.socket.receive_all()) {
            messages.push_back(message_of(entry));
        }
        loop.restart();
        loop.run_for(std::chrono::milliseconds(50));
    }
    REQUIRE(messages.size() == 2000);
    CHECK(messages.back() == "1999");
    CHECK(!logged.recorder.next_work());
    CHECK(logged.recorder.dropped() == 0);
    // Nothing is left to do: the loop ends by itself.
    loop.restart();
    loop.run();
}

TEST_CASE("FlushTimer: leaves the event loop when stopped") {
    Logged logged;
    REQUIRE(logged.recorder.open(to_journal()).ok());
    boost::asio::io_context loop;
    FlushTimer drain(loop, logged.recorder);
    const auto fill = [&] {
        for (int i = 0; i < 2000; ++i) logged.recorder.record(event_of(Kind::wipe, "x"));
    };
    SECTION("while entries are queued") {
        fill();
        drain.stop();
    }
    SECTION("before any entry is queued") {
        drain.stop();
        fill();
    }
    logged.socket.receive_all();  // room, which nobody uses any more
    loop.run();
    CHECK(!logged.socket.receive());
}

TEST_CASE("Recorder: reports the number of dropped entries in an entry of its own kind") {
    Logged logged;
    REQUIRE(logged.recorder.open(to_journal()).ok());
    while (logged.recorder.dropped() < 3) logged.recorder.record(event_of(Kind::wipe, "x"));
    std::string last;
    while (logged.recorder.next_work()) {
        for (const std::string& entry : logged.socket.receive_all()) last = entry;
        logged.recorder.work(Recorder::Clock::now() + std::chrono::seconds(1));
    }
    for (const std::string& entry : logged.socket.receive_all()) last = entry;
    auto fields = fields_of(last);
    CHECK(fields["MESSAGE"] == "dropped 3 log entries: the journal was too slow");
    CHECK(fields["MESSAGE_ID"] == info_of(Kind::dropped).message_id);
    CHECK(fields["SECRETS_COUNT"] == "3");
}

TEST_CASE("Recorder: writes to standard error before it is opened") {
    const TemporaryFolder folder;
    JournalSocket socket(folder.file("socket"));
    const int copy = dup(2);
    const UniqueFd file(open(folder.file("err").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    dup2(file.get(), 2);
    Recorder recorder(folder.file("socket"));
    recorder.record(event_of(Kind::start, "early"));
    dup2(copy, 2);
    close(copy);
    CHECK(content_of(folder.file("err")).ends_with(" info: early\n"));
    CHECK(!socket.receive());
}

}  // namespace
}  // namespace secrets::audit
