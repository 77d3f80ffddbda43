// SPDX-License-Identifier: Apache-2.0
// Promise: an event says the same in the journal and in the audit file, and arrives whole whatever
// is in its sentence.

#include "agentd/audit/event_encoder.h"

#include <boost/json.hpp>

#include "tests/unit/catch.h"
#include "tests/unit/journal_socket.h"

namespace secrets::audit {
namespace {

const Time kTime{std::chrono::microseconds(1'700'000'000'000'042)};

Event full_event() {
    Event event{.kind = Kind::deny_grant, .sentence = "job 7 was refused"};
    event.job = JobId{7};
    event.step = StepId{0xfffffffb};
    event.run = "demo-1";
    event.names = {"A", "B"};
    event.owner = Account{Uid{1001}, "alice"};
    event.caller = Account{Uid{0}, "root"};
    event.reason = "because";
    event.records = 1;
    event.bytes = 215;
    event.count = 3;
    return event;
}

TEST_CASE("Event encoder: writes every known field to a journal entry") {
    CHECK(journal_entry(full_event(), kTime) ==
          "SECRETS_TIME=2023-11-14T22:13:20.000042Z\nSECRETS_ACTION=refuse\nPRIORITY=4\n"
          "SYSLOG_IDENTIFIER=slurm-secretsd\nMESSAGE=job 7 was refused\n"
          "MESSAGE_ID=e366aa178095499d88a3bf3a9d6b5bab\nSLURM_JOB_ID=7\nSLURM_STEP_ID=batch\n"
          "SECRETS_RUN=demo-1\nSECRETS_NAMES=A,B\nSECRETS_OWNER=alice\nSECRETS_OWNER_UID=1001\n"
          "SECRETS_CALLER=root\nSECRETS_CALLER_UID=0\nSECRETS_REASON=because\nSECRETS_RECORDS=1\n"
          "SECRETS_BYTES=215\nSECRETS_COUNT=3\n");
}

TEST_CASE("Event encoder: omits fields that do not apply") {
    const Event event{.kind = Kind::start, .sentence = "ready"};
    CHECK(journal_entry(event, kTime) ==
          "SECRETS_TIME=2023-11-14T22:13:20.000042Z\nSECRETS_ACTION=start\nPRIORITY=6\n"
          "SYSLOG_IDENTIFIER=slurm-secretsd\nMESSAGE=ready\n"
          "MESSAGE_ID=732b1c707d304763ac8f3e17737337f9\n");
    CHECK(audit_file_line(event, kTime) ==
          "{\"time\":\"2023-11-14T22:13:20.000042Z\",\"action\":\"start\",\"level\":\"info\","
          "\"message\":\"ready\",\"message_id\":\"732b1c707d304763ac8f3e17737337f9\"}\n");
}

TEST_CASE("Event encoder: writes only the first names of a denial") {
    Event event = full_event();
    event.names.assign(1000, "A");
    CHECK(fields_of(journal_entry(event, kTime)).at("SECRETS_NAMES") == "A,A,A,A,A,A,A,A,A,A");
    CHECK(audit_file_line(event, kTime).size() < 500);
    event.kind = Kind::push;
    CHECK(fields_of(journal_entry(event, kTime)).at("SECRETS_NAMES").size() == 1999);
}

TEST_CASE("Event encoder: writes only the uid of an account without a name") {
    Event event{.kind = Kind::grant, .sentence = "x"};
    event.owner = Account{Uid{1001}, ""};
    const auto fields = fields_of(journal_entry(event, kTime));
    CHECK(fields.count("SECRETS_OWNER") == 0);
    CHECK(fields.at("SECRETS_OWNER_UID") == "1001");
}

TEST_CASE("Event encoder: encodes newlines in binary form so that no field can be forged") {
    Event event{.kind = Kind::trouble, .sentence = "one\nPRIORITY=0\n"};
    const std::string entry = journal_entry(event, kTime);
    CHECK(entry.find(std::string("MESSAGE\n\x0f\0\0\0\0\0\0\0one\nPRIORITY=0\n\nMESSAGE_ID=",
                                 43)) != std::string::npos);
    const auto fields = fields_of(entry);
    CHECK(fields.at("MESSAGE") == event.sentence);
    CHECK(fields.at("PRIORITY") == "3");
    const std::string line = audit_file_line(event, kTime);
    CHECK(line.find('\n') == line.size() - 1);
}

TEST_CASE("Event encoder: writes an audit line as JSON with the same fields") {
    const std::string line = audit_file_line(full_event(), kTime);
    CHECK(line.find('\n') == line.size() - 1);
    const auto object = boost::json::parse(line).as_object();
    CHECK(boost::json::serialize(object) ==
          "{\"time\":\"2023-11-14T22:13:20.000042Z\",\"action\":\"refuse\",\"level\":\"warning\","
          "\"message\":\"job 7 was refused\","
          "\"message_id\":\"e366aa178095499d88a3bf3a9d6b5bab\",\"job\":7,\"step\":\"batch\","
          "\"run\":\"demo-1\",\"names\":[\"A\",\"B\"],\"owner\":\"alice\",\"owner_uid\":1001,"
          "\"caller\":\"root\",\"caller_uid\":0,\"reason\":\"because\",\"records\":1,"
          "\"bytes\":215,\"count\":3}");
}

}  // namespace
}  // namespace secrets::audit
