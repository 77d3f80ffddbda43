// SPDX-License-Identifier: Apache-2.0
// Promise: what users can cause as often as they like never uses up the audit file's disk: a
// reserve is left for grants and wipes. What the file lacks is counted, and said in it afterwards.

#include "agentd/audit/audit_file_writer.h"

#include <boost/json.hpp>

#include "tests/unit/catch.h"
#include "tests/unit/skip.h"
#include "tests/unit/small_disk.h"

namespace secrets::audit {
namespace {

namespace json = boost::json;

/// An audit file on a disk of its own, with the log of its events.
struct OnSmallDisk {
    OnSmallDisk() {
        auto opened = AuditFile::open(path);
        REQUIRE(opened.ok());
        writer.use(std::move(opened).value());
    }
    Status write(Kind kind, const std::string& sentence) {
        return writer.write({.kind = kind, .sentence = sentence});
    }
    /// Writes such events until the space is low; returns how many were taken.
    std::size_t write_until_low(Kind kind) {
        std::size_t count = 0;
        while (count < 10000 && writer.state()->word() == "writable") {
            CHECK(write(kind, std::string(100, 'x')).ok());
            ++count;
        }
        return count;
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> lines;
        std::istringstream text(content_of(path));
        for (std::string line; std::getline(text, line);) {
            boost::system::error_code error;
            const json::value value = json::parse(line, error);
            lines.push_back(error ? "(torn)" : value.at("message").as_string().c_str());
        }
        return lines;
    }

    SmallDisk disk{"256k"};
    std::string path = disk.file("audit");
    std::vector<std::string> log;
    AuditFileWriter writer{[this](const Event& event) { log.push_back(event.sentence); }};
};

TEST_CASE("AuditFileWriter: keeps a reserve of its disk for grants whatever is refused") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    OnSmallDisk on;
    const Kind kind = GENERATE(Kind::refuse_message, Kind::revoke);
    const std::size_t written = on.write_until_low(kind);
    CHECK(written > 100);
    CHECK(on.writer.sync().ok());
    for (int i = 0; i < 10000; ++i) CHECK(on.write(kind, "more").ok());
    CHECK(on.lines().size() == written);
    REQUIRE(on.log.size() == 1);
    CHECK(on.log[0].starts_with("the audit trail " + on.path + " is low on space: only "));
    const AuditFileState state = *on.writer.state();
    CHECK(state.word() == "low");
    CHECK(state.missing == 10000);
    CHECK(state.free_bytes >= reserve_of(256 * 1024) - 4096);
    CHECK(state.trouble.ends_with(
        "denials are not written, and pushes and changes of secrets are refused"));

    // Far more than an attack lasts: a grant's line has about 300 bytes.
    for (int i = 0; i < 150; ++i) CHECK(on.write(Kind::grant, std::string(200, 'g')).ok());
    CHECK(on.write(Kind::complete, "completed").ok());
    CHECK(on.write(Kind::wipe, "wiped").ok());
    CHECK(on.lines().size() == written + 152);
}

TEST_CASE("AuditFileWriter: refuses changes when only the reserve is left") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    OnSmallDisk on;
    CHECK(on.write_until_low(Kind::push) > 100);
    for (const Kind kind : {Kind::push, Kind::set_secret, Kind::rename_secret}) {
        const Status refusal = on.write(kind, "change");
        CHECK(refusal.code() == StatusCode::unavailable);
        CHECK(
            refusal.message().starts_with("cannot write the audit trail " + on.path + ": only 6"));
        CHECK(refusal.message().ends_with(
            " KiB of its file system are free, which are kept for grants and wipes"));
    }
    CHECK(on.write(Kind::remove_secret, "removed").ok());
    CHECK(on.write(Kind::grant, "granted").ok());
    CHECK(on.writer.state()->word() == "low");
}

TEST_CASE("AuditFileWriter: says how many denials it lacks when there is space again") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    OnSmallDisk on;
    on.disk.fill();
    CHECK(on.write(Kind::refuse_push, "no").ok());
    CHECK(on.write(Kind::refuse_push, "no").ok());
    CHECK(on.lines().empty());
    on.disk.make_room();
    const Kind next = GENERATE(Kind::refuse_push, Kind::grant);
    CHECK(on.write(next, "next").ok());
    const auto lines = on.lines();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].starts_with("2 entries are missing in the audit trail " + on.path));
    CHECK(lines[1] == "next");
    CHECK(on.writer.state()->word() == "writable");
    CHECK(on.writer.state()->missing == 0);
    CHECK(on.log.back() == lines[0]);
}

TEST_CASE("AuditFileWriter: tells that it fails, and tries again by itself") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    OnSmallDisk on;
    on.disk.fill();
    const Status failure = on.write(Kind::grant, "granted");
    REQUIRE_FALSE(failure.ok());
    CHECK(on.writer.state()->word() == "failing");
    CHECK(on.writer.state()->trouble ==
          failure.message() + "; pushes, changes of secrets, grants and completions are refused");
    REQUIRE(on.writer.next_attempt());
    on.writer.retry(*on.writer.next_attempt());
    CHECK(on.writer.state()->word() == "failing");

    REQUIRE(on.writer.sync().ok());  // of what was written before
    CHECK(on.writer.state()->word() == "failing");
    REQUIRE(on.writer.next_attempt());

    on.writer.count_missing();
    REQUIRE(on.writer.reopen().ok());
    REQUIRE(on.writer.next_attempt());  // a reload does not end the attempts
    on.writer.retry(*on.writer.next_attempt());
    CHECK(on.writer.state()->word() == "failing");

    on.disk.make_room();
    on.writer.retry(*on.writer.next_attempt() - std::chrono::seconds(1));  // not yet due
    CHECK(on.lines().empty());
    on.writer.retry(*on.writer.next_attempt());
    CHECK(on.writer.state()->word() == "writable");
    CHECK(!on.writer.next_attempt());
    REQUIRE(on.lines().size() == 1);
    CHECK(on.lines()[0].starts_with("1 entry is missing in the audit trail " + on.path));
    CHECK(on.log == on.lines());
}

}  // namespace
}  // namespace secrets::audit
