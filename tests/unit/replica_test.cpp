// SPDX-License-Identifier: Apache-2.0
// Promise: a hub answers from what OpenBao has, and its changes are there before they are answered;
// of two hubs that change one document, the slower begins anew; a change that was not written is
// not served.

#include "tests/unit/hub_replica.h"

namespace secrets::openbao {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("Replica: refreshes the run that another hub pushed", "[replica]") {
    HubReplica hub;
    hub.push_elsewhere("r", "one");
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    CHECK(hub.granted("r") == "A=one\n");
    hub.push_elsewhere("r", "two", 2);
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    CHECK(hub.granted("r") == "A=two\n");
    hub.bao.put("runs/r", std::nullopt);
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    CHECK_FALSE(hub.has_run("r"));
}

TEST_CASE("Replica: refreshes the stored secrets of an owner", "[replica]") {
    HubReplica hub;
    const store::Owner alice = store::Owner::user(hub.office.alice);
    hub.store_elsewhere(alice, {"X", "Y"});
    REQUIRE(hub.refresh(HubReplica::about(alice)).ok());
    CHECK(service::given(hub.office.ask(hub.office.alice, "X,Y")) == "X=X\nY=Y\n");
    hub.store_elsewhere(alice, {"Y"});
    REQUIRE(hub.refresh(HubReplica::about(alice)).ok());
    CHECK(hub.store->list(alice).size() == 1);
}

TEST_CASE("Replica: refreshes all runs, and drops those that OpenBao does not have", "[replica]") {
    HubReplica hub;
    service::DocumentKeys all;
    all.all_runs = true;
    for (const char* run : {"a", "b"}) hub.push_elsewhere(run, run);
    REQUIRE(hub.refresh(all).ok());
    CHECK(hub.granted("a") == "A=a\n");
    CHECK(hub.granted("b") == "A=b\n");
    hub.bao.put("runs/a", std::nullopt);
    REQUIRE(hub.refresh(all).ok());
    CHECK_FALSE(hub.has_run("a"));
    CHECK(hub.has_run("b"));
}

TEST_CASE("Replica: reads nothing again that is as new as the caller wants", "[replica]") {
    HubReplica hub;
    hub.push_elsewhere("r", "one");
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    hub.pass(seconds(5));
    REQUIRE(hub.refresh(HubReplica::about("r"), seconds(6)).ok());
    CHECK(hub.reads_of("runs/r") == 1);
    REQUIRE(hub.refresh(HubReplica::about("r"), seconds(4)).ok());
    CHECK(hub.reads_of("runs/r") == 2);
}

TEST_CASE("Replica: serves all callers that wait with one read", "[replica]") {
    HubReplica hub;
    hub.push_elsewhere("r", "one");
    hub.bao.hold_answers_to("runs/r");
    std::vector<std::shared_ptr<std::optional<Status>>> outcomes;
    outcomes.push_back(hub.start(hub.refreshing(HubReplica::about("r"))));
    REQUIRE(hub.turns_until([&] { return hub.reads_of("runs/r") == 1; }));
    for (int i = 0; i < 5; ++i) {
        outcomes.push_back(hub.start(hub.refreshing(HubReplica::about("r"))));
    }
    hub.turn(milliseconds(10));
    hub.bao.hold_answers_to("");
    for (const auto& outcome : outcomes) {
        REQUIRE(hub.turns_until([&] { return outcome->has_value(); }));
        CHECK((*outcome)->ok());
    }
    CHECK(hub.reads_of("runs/r") == 2);  // the first was sent before the others began to wait
}

TEST_CASE("Replica: writes a change by check-and-set before it is answered", "[replica]") {
    HubReplica hub;
    hub.bao.hold_answers_to("POST /v1/secret/data");
    const auto pushed = hub.start(hub.pushing("r", "one"));
    REQUIRE(hub.turns_until([&] { return hub.bao.was_asked_for("POST /v1/secret/data"); }));
    hub.turn(milliseconds(10));
    CHECK_FALSE(pushed->has_value());
    hub.bao.hold_answers_to("");
    REQUIRE(hub.turns_until([&] { return pushed->has_value(); }));
    CHECK((*pushed)->ok());
    REQUIRE(hub.push("r", "two").ok());
    const FakeOpenBao::Stored stored = hub.bao.at("runs/r");
    CHECK(stored.version == 2);
    REQUIRE(stored.document);
    const auto document = read_run(run_id("r"), boost::json::parse(*stored.document).as_object());
    REQUIRE(document.ok());
    CHECK(document->head.generation == 2);
    REQUIRE(document->secrets.size() == 1);
    CHECK(text_of(document->secrets[0].value.view().bytes()) == "two");
    CHECK(hub.granted("r") == "A=two\n");
}

TEST_CASE("Replica: writes nothing for a change that changes nothing", "[replica]") {
    HubReplica hub;
    hub.push_elsewhere("r", "one");
    REQUIRE(hub.result_of(hub.changing(HubReplica::about("r"), [] {})).ok());
    CHECK_FALSE(hub.bao.was_asked_for("POST /v1/secret/data"));
    CHECK(hub.granted("r") == "A=one\n");
}

TEST_CASE("Replica: destroys the document of a run that is completed", "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    REQUIRE(hub.complete("r").ok());
    CHECK_FALSE(hub.bao.at("runs/r").document);
    CHECK_FALSE(hub.has_run("r"));
    REQUIRE(hub.push("r", "again").ok());
    CHECK(hub.bao.at("runs/r").version == 2);
}

TEST_CASE("Replica: begins a change anew when another hub was faster", "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    hub.pushes = 0;
    hub.bao.before_write = [&] { hub.push_elsewhere("r", "other", 7); };
    const std::uint64_t events = audit::count_of(audit::Kind::push);
    REQUIRE(hub.push("r", "two").ok());
    CHECK(hub.pushes == 2);
    CHECK(audit::count_of(audit::Kind::push) == events + 1);
    CHECK(hub.office.info("r").head.generation == 8);
    CHECK(hub.granted("r") == "A=two\n");
    CHECK(hub.bao.at("runs/r").version == 3);
}

TEST_CASE("Replica: recognises its own write whose answer was lost", "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    hub.pushes = 0;
    hub.bao.loses_next_answer = true;
    const auto pushed = hub.start(hub.pushing("r", "two"));
    REQUIRE(hub.turns_until([&] { return pushed->has_value(); }));
    CHECK((*pushed)->ok());
    CHECK(hub.pushes == 1);
    CHECK(hub.bao.count_of("POST /v1/secret/data") == 3);
    CHECK(hub.bao.at("runs/r").version == 2);
    CHECK(hub.office.info("r").head.generation == 2);
}

/// The lines of an audit file, for as long as the object lives.
class AuditLines {
  public:
    AuditLines() { open(folder_.file("audit")); }
    ~AuditLines() { open(""); }
    AuditLines(const AuditLines&) = delete;
    AuditLines& operator=(const AuditLines&) = delete;
    bool has(std::string_view text) const {
        return store::content_of(folder_.file("audit")).find(text) != std::string::npos;
    }

  private:
    static void open(const std::string& file) {
        Config config;
        config.audit_file = file;
        config.log_level = "error";
        REQUIRE(audit::open(config).ok());
    }
    TemporaryFolder folder_;
};

asio::awaitable<Status> caught(asio::awaitable<Status> task) {
    try {
        co_return co_await std::move(task);
    } catch (const std::bad_alloc&) {
        co_return Status::failed("out of memory");
    }
}

constexpr const char* kUnknown = "cannot tell whether this happened: run r of ";
constexpr const char* kReverted = "reverted: run r of ";

TEST_CASE("Replica: looks up a write that got no answer, and answers what it finds", "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    const AuditLines lines;
    const bool is_made = GENERATE(true, false);
    CAPTURE(is_made);
    if (is_made) {
        hub.bao.loses_next_answer = true;
        hub.bao.before_write = [&] { hub.bao.hold_answers_to("POST /v1/secret/data"); };
    } else {
        hub.bao.hold_answers_to("POST /v1/secret/data");
    }
    const auto pushed = hub.start(hub.pushing("r", "two"));
    REQUIRE(hub.turns_until([&] { return hub.bao.count_of("POST /v1/secret/data") >= 2; }));
    hub.turn(milliseconds(10));
    hub.pass(milliseconds(8500));
    REQUIRE(hub.turns_until([&] { return pushed->has_value(); }));
    CHECK((*pushed)->ok() == is_made);
    CHECK_FALSE(lines.has(kUnknown));
    CHECK(lines.has(kReverted) != is_made);
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    CHECK(hub.granted("r") == (is_made ? "A=two\n" : "A=one\n"));
}

TEST_CASE("Replica: says that an outcome is unknown, and undoes nothing before it is",
          "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    const AuditLines lines;
    const bool is_made = GENERATE(true, false);
    CAPTURE(is_made);
    if (is_made) {
        hub.bao.loses_next_answer = true;
        hub.bao.before_write = [&] { hub.bao.hold_answers_to("runs/r"); };
    } else {
        hub.bao.hold_answers_to("POST /v1/secret/data");
    }
    const auto pushed = hub.start(hub.pushing("r", "two"));
    REQUIRE(hub.turns_until([&] { return hub.bao.count_of("POST /v1/secret/data") >= 2; }));
    hub.bao.hold_answers_to("runs/r");
    hub.turn(milliseconds(10));
    const std::uint64_t events = audit::count_of(audit::Kind::push);
    hub.pass(milliseconds(8500));
    hub.turn(milliseconds(10));
    hub.pass(milliseconds(2000));
    REQUIRE(hub.turns_until([&] { return pushed->has_value(); }));
    CHECK((*pushed)->code() == StatusCode::unavailable);
    CHECK(lines.has(kUnknown));
    CHECK_FALSE(lines.has(kReverted));
    CHECK(audit::count_of(audit::Kind::push) == events);
    if (!is_made) hub.bao.forget("runs/r");  // the held requests find another version
    hub.bao.hold_answers_to("");
    hub.pass(seconds(2));
    if (!is_made) hub.push_elsewhere("r", "one");
    REQUIRE(hub.refresh(HubReplica::about("r"), hours(1)).ok());
    CHECK(hub.granted("r") == (is_made ? "A=two\n" : "A=one\n"));
    CHECK(audit::count_of(audit::Kind::push) == events + (is_made ? 1 : 0));
    CHECK(lines.has(kReverted) != is_made);
}

TEST_CASE("Replica: forgets a change that an exception ended, and writes none of it", "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    const AuditLines lines;
    const auto half_done = [&] {
        (void)hub.office.push(hub.office.alice, "r", {}, list_of(user_secret("A", "half")));
        throw std::bad_alloc();
    };
    const Status ended = hub.result_of(caught(hub.changing(HubReplica::about("r"), half_done)));
    CHECK(ended.message() == "out of memory");
    CHECK(lines.has(kReverted));
    REQUIRE(hub.refresh(HubReplica::about("r"), hours(1)).ok());
    CHECK(hub.granted("r") == "A=one\n");
    REQUIRE(hub.result_of(hub.changing(HubReplica::about("r"), [] {})).ok());
    CHECK(hub.bao.at("runs/r").version == 1);
}

TEST_CASE("Replica: serves the earlier state again after a write that failed", "[replica]") {
    for (const unsigned status : {400U, 403U, 413U}) {
        CAPTURE(status);
        HubReplica hub;
        REQUIRE(hub.push("r", "one").ok());
        hub.bao.write_status = status;
        const std::uint64_t events = audit::count_of(audit::Kind::push);
        CHECK_FALSE(hub.push("r", "two").ok());
        CHECK(audit::count_of(audit::Kind::push) == events);
        CHECK(hub.bao.at("runs/r").version == 1);
        // However old the caller takes a copy to be: this one is void.
        REQUIRE(hub.refresh(HubReplica::about("r"), hours(1)).ok());
        CHECK(hub.granted("r") == "A=one\n");
        CHECK(hub.office.info("r").head.generation == 1);
        CHECK_FALSE(hub.push("new", "x").ok());
        REQUIRE(hub.refresh(HubReplica::about("new"), hours(1)).ok());
        CHECK_FALSE(hub.has_run("new"));
    }
}

TEST_CASE("Replica: fails at the caller's deadline, and serves others afterwards", "[replica]") {
    HubReplica hub(milliseconds(500));
    REQUIRE(hub.push("r", "one").ok());
    hub.bao.hold_answers_to("POST /v1/secret/data");
    const auto pushed = hub.start(hub.pushing("r", "two"));
    REQUIRE(hub.turns_until([&] { return hub.bao.count_of("POST /v1/secret/data") == 2; }));
    // The copy is as the change leaves it, which may not last.
    const auto refreshed = hub.start(hub.refreshing(HubReplica::about("r"), hours(1)));
    hub.turn(milliseconds(10));
    CHECK_FALSE(refreshed->has_value());
    hub.pass(milliseconds(600));
    REQUIRE(hub.turns_until([&] { return pushed->has_value() && refreshed->has_value(); }));
    CHECK_FALSE((*pushed)->ok());
    CHECK_FALSE((*refreshed)->ok());
    hub.bao.hold_answers_to("");
    hub.pass(seconds(2));  // a server that did not answer is not asked for a while
    hub.patience = seconds(10);
    CHECK(hub.refresh(HubReplica::about("r"), hours(1)).ok());
}

TEST_CASE("Replica: takes from a standby server nothing older than it knows", "[replica]") {
    HubReplica hub;
    hub.push_elsewhere("old", "one");
    REQUIRE(hub.push("r", "one").ok());
    REQUIRE(hub.push("r", "two").ok());
    hub.bao.health = 429;
    hub.pass(seconds(2));  // until the server's health is looked at again
    hub.bao.forget("runs/r");
    hub.push_elsewhere("r", "one");
    REQUIRE(hub.bao.at("runs/r").version == 1);
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    CHECK(hub.granted("r") == "A=two\n");
    REQUIRE(hub.refresh(HubReplica::about("old")).ok());
    CHECK(hub.granted("old") == "A=one\n");
}

TEST_CASE("Replica: drops nothing because a standby server has no document", "[replica]") {
    HubReplica hub;
    // The fd store gave this run to the restarted hub, which has read nothing of it yet.
    REQUIRE(
        hub.office.push(hub.office.alice, "restored", {}, list_of(user_secret("A", "one"))).ok());
    REQUIRE(hub.push("known", "one").ok());
    hub.bao.health = 429;
    hub.pass(seconds(2));  // until the server's health is looked at again
    CHECK_FALSE(hub.refresh(HubReplica::about("restored")).ok());
    CHECK(hub.has_run("restored"));
    hub.bao.put("runs/known", std::nullopt);
    CHECK_FALSE(hub.refresh(HubReplica::about("known")).ok());
    CHECK(hub.has_run("known"));
    // A run that this agent does not have is as good as not pushed yet.
    CHECK(hub.refresh(HubReplica::about("never")).ok());
    hub.bao.health = 200;
    hub.pass(seconds(2));
    REQUIRE(hub.refresh(HubReplica::about("restored")).ok());
    CHECK_FALSE(hub.has_run("restored"));
    REQUIRE(hub.refresh(HubReplica::about("known")).ok());
    CHECK_FALSE(hub.has_run("known"));
}

TEST_CASE("Replica: takes no 404 for the end of a run that KV v2 does not give for one",
          "[replica]") {
    HubReplica hub;
    service::DocumentKeys all;
    all.all_runs = true;
    const store::Owner alice = store::Owner::user(hub.office.alice);
    hub.store_elsewhere(alice, {"X"});
    REQUIRE(hub.push("r", "one").ok());
    REQUIRE(hub.refresh(HubReplica::about(alice)).ok());
    const auto strange =
        GENERATE(as<std::string>(), R"({"errors":["no handler for route \"secret/data\"."]})",
                 R"({"errors":["namespace not found"]})", "<html>404</html>", "{}",
                 R"({"data":{"data":null,"metadata":{"version":1}}})", "[]");
    const std::uint64_t reports = audit::count_of(audit::Kind::trouble);
    hub.bao.strange_answer = strange;
    CHECK_FALSE(hub.refresh(HubReplica::about("r")).ok());
    CHECK_FALSE(hub.refresh(HubReplica::about(alice)).ok());
    CHECK_FALSE(hub.refresh(all).ok());
    CHECK_FALSE(hub.complete("r").ok());
    CHECK(audit::count_of(audit::Kind::trouble) == reports + 1);
    CHECK(hub.store->list(alice).size() == 1);
    CHECK(hub.has_run("r"));
    hub.bao.strange_answer.clear();
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    CHECK(hub.granted("r") == "A=one\n");
}

TEST_CASE("Replica: logs in again at once unless OpenBao said that the credentials are wrong",
          "[replica]") {
    HubReplica hub;
    hub.push_elsewhere("r", "one");
    const std::pair<unsigned, std::string> passing[] = {
        {404, "<html>no such page</html>"},
        {400, "<html>bad request</html>"},
        {403, "<html>go away</html>"},
        {404, R"({"errors":["no handler for route \"auth/approle/login\"."]})"}};
    for (const auto& failure : passing) {
        hub.bao.login_failure = failure;
        CHECK_FALSE(hub.refresh(HubReplica::about("r")).ok());
    }
    const auto wrong = GENERATE(as<std::pair<unsigned, std::string>>(),
                                std::pair{400U, R"({"errors":["invalid role or secret ID"]})"},
                                std::pair{400U, R"({"errors":["invalid secret id"]})"},
                                std::pair{403U, R"({"errors":["permission denied"]})"});
    hub.bao.login_failure = wrong;
    CHECK_FALSE(hub.refresh(HubReplica::about("r")).ok());
    const std::size_t logins = hub.bao.count_of("auth/approle/login");
    CHECK(logins == std::size(passing) + 1);
    hub.bao.login_failure = {};
    CHECK_FALSE(hub.refresh(HubReplica::about("r")).ok());  // five denied ones lock the role out
    CHECK(hub.bao.count_of("auth/approle/login") == logins);
    hub.pass(std::chrono::minutes(5));
    CHECK(hub.refresh(HubReplica::about("r")).ok());
}

TEST_CASE("Replica: reports a document that is malformed, and keeps none of it", "[replica]") {
    HubReplica hub;
    hub.bao.put("runs/r", "{\"format\":1}");
    CHECK_FALSE(hub.refresh(HubReplica::about("r")).ok());
    CHECK_FALSE(hub.has_run("r"));
    hub.push_elsewhere("r", "one");
    CHECK(hub.refresh(HubReplica::about("r")).ok());
    CHECK(hub.granted("r") == "A=one\n");
}

TEST_CASE("Replica: ends requests in progress at stop()", "[replica]") {
    HubReplica hub;
    REQUIRE(hub.push("r", "one").ok());
    hub.bao.hold_answers_to("runs/r");
    const auto reads = hub.start(hub.refreshing(HubReplica::about("r")));
    const auto waits = hub.start(hub.refreshing(HubReplica::about("r")));
    hub.turn(milliseconds(20));
    hub.replica.stop();
    hub.kv.stop();
    REQUIRE(hub.turns_until([&] { return reads->has_value() && waits->has_value(); }));
    CHECK_FALSE((*reads)->ok());
    CHECK_FALSE((*waits)->ok());
}

}  // namespace
}  // namespace secrets::openbao
