// SPDX-License-Identifier: Apache-2.0
// Promise: where there is an audit file, what a request changes is written there before, or is not
// changed; what was written and could not be done is taken back there.

#include <boost/json.hpp>

#include "agentd/audit/recorder.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/skip.h"
#include "tests/unit/small_disk.h"

namespace secrets::service {
namespace {

/// All events go to this file while it is there.
class AuditFile {
  public:
    explicit AuditFile(std::string path) : path_(std::move(path)) {
        keep_the_log_quiet();
        // Ends the limits that denials of tests before have reached.
        audit::recorder().work(audit::Recorder::Clock::now() + std::chrono::minutes(2));
        Config config;
        config.log_level = "error";
        config.audit_file = path_;
        if (!audit::open(config).ok()) std::abort();
    }
    AuditFile(const AuditFile&) = delete;
    AuditFile& operator=(const AuditFile&) = delete;
    ~AuditFile() {
        Config config;
        config.log_level = "error";
        REQUIRE(audit::open(config).ok());
    }

    /// The actions in their order, and what the last one says.
    std::string actions() {
        std::string actions;
        std::istringstream lines(content_of(path_));
        for (std::string line; std::getline(lines, line);) {
            last_ = boost::json::parse(line).as_object();
            actions += (actions.empty() ? "" : " ") + text("action");
        }
        return actions;
    }
    bool has(const char* field) const { return last_.contains(field); }
    std::string text(const char* field) const { return std::string(last_.at(field).as_string()); }

  private:
    std::string path_;
    boost::json::object last_;
};

TEST_CASE("Services: deny a request and change nothing when its audit entry cannot be written") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    const SmallDisk disk;
    Office office;
    REQUIRE(refusal_of(office.push(kRoot, "r", "alice", list_of(user_secret("A", "x")))) ==
            "(granted)");
    REQUIRE(given(office.ask(office.alice, "run:r,A")) == "A=x\n");
    disk.fill();
    const AuditFile file(disk.file("audit"));
    const std::string before = office.state();
    const std::string wrong =
        "cannot write the audit trail " + disk.file("audit") + ": No space left on device";

    const auto pushed = office.push(kRoot, "r", "alice", list_of(user_secret("A", "y")));
    CHECK(refusal_of(pushed) == wrong);
    CHECK(status_of(pushed).code() == StatusCode::unavailable);
    CHECK(refusal_of(office.push(kRoot, "new", "alice", {})) == wrong);
    CHECK(refusal_of(office.services.runs.complete_run(kRoot, run_id("r"))) == wrong);
    CHECK(refusal_of(office.ask(office.alice, "run:r,A", 0, JobId{2})) == wrong);
    CHECK(refusal_of(office.push(office.bob, "r", {}, {})) ==
          "run r belongs to another user, not to bob");
    CHECK(office.state() == before);

    CHECK(office.services.grants.wipe(JobId{1}) == "job 1 ended: its hold with 1 grant was wiped");
    office.time += std::chrono::hours(100);
    CHECK(!office.services.expiry.expire());
    CHECK(office.vault.inventory().slabs == 0);
}

TEST_CASE("RunService: records an undo when a recorded push finds no memory") {
    const TemporaryFolder folder;
    AuditFile file(folder.file("audit"));
    Office office(Office::large(), 1024 * 1024);
    std::vector<vault::NewSecret> secrets;
    for (int i = 0; i < 16; ++i) {
        secrets.push_back(user_secret("A" + std::to_string(i), std::string(64 * 1024, 'x')));
    }
    const std::string sentence = refusal_of(office.push(kRoot, "r", "alice", std::move(secrets)));
    CHECK(sentence.starts_with("the agent's memory for secrets is full"));
    CHECK(file.actions() == "push undo refuse");
    CHECK(file.text("reason") == sentence);
    CHECK(office.vault.inventory().runs == 0);
}

TEST_CASE("GrantService: records an undo when a recorded grant finds no memory") {
    const TemporaryFolder folder;
    Office office(Office::large(), 1024 * 1024);
    std::vector<vault::NewSecret> secrets = list_of(user_secret("A", "x"));
    for (int i = 0; i < 15; ++i) {
        secrets.push_back(user_secret("B" + std::to_string(i), std::string(65 * 1000, 'x')));
    }
    REQUIRE(refusal_of(office.push(kRoot, "r", "alice", std::move(secrets))) == "(granted)");
    // The rest of the slab is filled with runs, so that no hold finds room.
    for (std::size_t size = 60'000; size > 0; size /= 2) {
        while (refusal_of(office.push(kRoot, "f" + std::to_string(office.vault.runs().size()),
                                      "bob", list_of(user_secret("F", std::string(size, 'x'))))) ==
               "(granted)") {
        }
    }
    AuditFile file(folder.file("audit"));
    const std::string sentence = refusal_of(office.ask(office.alice, "run:r,A"));
    CHECK(sentence.starts_with("the agent's memory for secrets is full"));
    CHECK(file.actions() == "ask undo refuse");
    CHECK(file.text("reason") == sentence);
    CHECK(office.vault.holds().empty());
}

TEST_CASE("Services: record who and what and why in audit entries") {
    const TemporaryFolder folder;
    AuditFile file(folder.file("audit"));
    Office office;
    REQUIRE(office.push(office.tower, "r", "alice", list_of(user_secret("A", "x"))).ok());
    CHECK(file.actions() == "push");
    CHECK(file.text("message") == "run r of alice was pushed by www-data with A");
    REQUIRE(office
                .push(office.tower, "r", "alice",
                      list_of(user_secret("B", "x"), workspace_secret("B", "y")))
                .ok());
    CHECK(file.actions() == "push push");
    CHECK(file.text("message") ==
          "run r of alice was pushed again by www-data (generation 2) with B");
    office.ask(office.alice, "run:r,B=C", 0, JobId{7});
    CHECK(file.actions() == "push push ask");
    CHECK(file.text("message") == "job 7 step 0 of uid " + std::to_string(office.alice.value) +
                                      " was granted B (as C) of run r");
    office.ask(office.alice, "run:r,NOPE", 0, JobId{8});
    CHECK(file.actions() == "push push ask refuse");
    CHECK(file.text("message") == "job 8 step 0 of uid " + std::to_string(office.alice.value) +
                                      " was refused its secrets: secret NOPE is not among the "
                                      "secrets of run r");
    CHECK(file.text("run") == "r");
    REQUIRE_FALSE(
        office.services.runs
            .reject_unreadable_push(office.bob, run_id("x"),
                                    {StatusCode::invalid_argument, "the JSON is malformed"})
            .ok());
    CHECK(file.actions() == "push push ask refuse refuse");
    CHECK(file.text("message") == "bob was refused the push of run x: the JSON is malformed");
    REQUIRE_FALSE(office.services.runs.complete_run(office.bob, run_id("r")).ok());
    CHECK(file.actions() == "push push ask refuse refuse refuse");
    CHECK(file.text("message") ==
          "bob was refused the completion of run r: run r belongs to "
          "another user, not to bob");
    office.services.grants.wipe(JobId{7});
    CHECK(file.actions() == "push push ask refuse refuse refuse wipe");
    CHECK(file.text("message").starts_with("job 7 ended: its hold with 1 grant was wiped (uid "));
    CHECK(file.text("run") == "r");
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r")).ok());
    CHECK(file.actions() == "push push ask refuse refuse refuse wipe complete wipe");
    CHECK(file.text("message").starts_with("run r of alice was wiped: B ("));
}

TEST_CASE("NodeGrantService: names in the event of a revocation the host that is not that node") {
    const TemporaryFolder folder;
    AuditFile file(folder.file("audit"));
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    const std::string node = "n1";
    const std::string address = "10.0.0.9";
    const std::vector<vault::CachedGrant> held{{JobId{7}, office.alice, "run:r", "", "\"other\""}};
    const auto report = [&](bool is_there) {
        ReportProgress progress;
        REQUIRE(office.services.node_grants.process_report({node, address, held, is_there, true},
                                                           progress));
        CHECK(progress.revoked.size() == 1);
    };
    for (int i = 0; i < 3; ++i) report(false);
    CHECK(file.actions() == "push revoke");
    CHECK(file.text("caller") == "host 10.0.0.9");
    CHECK(file.text("message") ==
          "the grant of job 7 on node n1, as host 10.0.0.9 says, of run r was revoked: its secrets "
          "have changed");
    report(true);
    CHECK(file.actions() == "push revoke revoke");
    CHECK(file.text("caller") == "node n1");
    CHECK(file.text("message") ==
          "the grant of job 7 on node n1 of run r was revoked: its secrets have changed");
}

TEST_CASE("GrantService: names in the event of a wiped hold the one run of its grants") {
    const TemporaryFolder folder;
    AuditFile file(folder.file("audit"));
    Office office;
    for (const char* run : {"r", "s"}) {
        REQUIRE(office.push(office.alice, run, {}, list_of(user_secret("A", "a"))).ok());
    }
    const auto run_in_event = [&](std::initializer_list<const char*> specs) {
        for (const char* spec : specs) office.ask(office.alice, spec, 0, JobId{7});
        office.services.grants.wipe(JobId{7});
        CHECK(file.actions().ends_with(" wipe"));
        return file.has("run") ? file.text("run") : "";
    };
    CHECK(run_in_event({"run:r"}) == "r");
    CHECK(run_in_event({"run:r", "run:r,A"}) == "r");
    CHECK(run_in_event({"run:r", "run:s"}).empty());
}

}  // namespace
}  // namespace secrets::service
