// SPDX-License-Identifier: Apache-2.0
// Promise: every request to the control socket that is not of its table is refused with the right
// status and a sentence, before its body is read where that can be known; and no answer has a
// value.

#include "agentd/api/router.h"

#include <boost/json.hpp>

#include "agentd/api/handlers.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::api {
namespace {

using service::kRoot;
using service::Office;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kMarker = "MARKER-OF-A-VALUE";

/// A control server without a socket.
struct Api {
    explicit Api(const Config& config = Office::large(), std::size_t vault_bytes = 64UL << 20)
        : office(config, vault_bytes) {}

    /// A request whose head is `head` and whose body, if one is read, is `body`.
    HttpResponse ask(const RequestHead& head, std::string_view body) {
        auto found = routes.find(head);
        body_was_read = std::holds_alternative<Router::Handler>(found);
        if (!body_was_read) return std::get<HttpResponse>(std::move(found));
        return std::get<Router::Handler>(found)(std::as_bytes(std::span(body)));
    }
    HttpResponse ask(Uid caller, std::string_view method, std::string_view target) {
        return ask(RequestHead{caller, method, target, "", std::nullopt, false}, "");
    }
    HttpResponse push(Uid caller, std::string_view target, std::string_view body) {
        return ask(RequestHead{caller, "PUT", target, kJson, body.size(), !body.empty()}, body);
    }

    Office office;
    Router routes{office.services, route_table()};
    bool body_was_read = false;
};

boost::json::object object_of(const HttpResponse& answer) {
    return boost::json::parse(answer.body).as_object();
}

std::string detail_of(const HttpResponse& answer) {
    const auto object = object_of(answer);
    return std::string(object.at("detail").as_string());
}

/// Checks that `answer` is problem JSON as RFC 9457 has it.
void check_problem(const HttpResponse& answer, unsigned status, std::string_view title,
                   std::string_view detail) {
    CHECK(answer.status == status);
    CHECK(answer.content_type == "application/problem+json");
    const auto object = object_of(answer);
    CHECK(object.size() == 4);
    CHECK(object.at("type").as_string() == "about:blank");
    CHECK(object.at("title").as_string() == title);
    CHECK(object.at("status").as_int64() == status);
    CHECK(std::string(object.at("detail").as_string()) == detail);
}

TEST_CASE("Router: serves exactly the paths and methods of its table") {
    struct Row {
        const char* method;
        const char* target;
        unsigned status;
        const char* allow;
    };
    for (const Row& row : {
             Row{"PUT", "/v1/runs/new", 201, ""},
             Row{"PUT", "/v1/runs/r", 200, ""},
             Row{"GET", "/v1/runs/r", 200, ""},
             Row{"GET", "/v1/runs/none", 404, ""},
             Row{"DELETE", "/v1/runs/r", 204, ""},
             Row{"DELETE", "/v1/runs/none", 204, ""},
             Row{"GET", "/v1/runs", 200, ""},
             Row{"GET", "/v1/runs?", 200, ""},
             Row{"GET", "/v1/check?ask=none", 200, ""},
             Row{"GET", "/v1/status", 200, ""},
             Row{"GET", "/v1/openapi.json", 200, ""},
             Row{"POST", "/v1/runs/r", 405, "PUT, GET, DELETE"},
             Row{"HEAD", "/v1/runs/r", 405, "PUT, GET, DELETE"},
             Row{"get", "/v1/runs/r", 405, "PUT, GET, DELETE"},
             Row{"PATCH", "/v1/runs/", 405, "PUT, GET, DELETE"},
             Row{"PUT", "/v1/runs", 405, "GET"},
             Row{"DELETE", "/v1/runs", 405, "GET"},
             Row{"POST", "/v1/check?ask=A", 405, "GET"},
             Row{"DELETE", "/v1/status", 405, "GET"},
             Row{"OPTIONS", "/v1/status", 405, "GET"},
             Row{"GET", "/", 404, ""},
             Row{"GET", "", 404, ""},
             Row{"OPTIONS", "*", 404, ""},
             Row{"GET", "/v1", 404, ""},
             Row{"GET", "/v1/", 404, ""},
             Row{"GET", "/v1/run", 404, ""},
             Row{"GET", "/v1/status/", 404, ""},
             Row{"GET", "/V1/status", 404, ""},
             Row{"GET", "//v1/status", 404, ""},
             Row{"GET", "/v2/runs", 404, ""},
             Row{"PUT", "/v1/runs/r/secrets", 404, ""},
             Row{"GET", "/v1/runs/r/", 404, ""},
             Row{"GET", "/v1/runs/../status", 404, ""},
             Row{"GET", "/v1/secrets", 503, ""},  // this agent has no store
             Row{"POST", "/v1/secrets/A", 405, "GET, PUT, PATCH, DELETE"},
             Row{"PUT", "/v1/workspaces/w/secrets", 405, "GET"},
             Row{"GET", "/v1/workspaces", 200, ""},
             Row{"GET", "/v1/workspaces/w", 404, ""},
             Row{"GET", "/v1/workspaces//secrets", 400, ""},
         }) {
        CAPTURE(row.method, row.target);
        Api api;
        REQUIRE(api.push(api.office.alice, "/v1/runs/r", "{}").status == 201);
        const auto answer = api.ask(
            RequestHead{api.office.alice, row.method, row.target,
                        std::string_view(row.method) == "PUT" ? kJson : "",
                        std::string_view(row.method) == "PUT" ? std::optional(2) : std::nullopt,
                        std::string_view(row.method) == "PUT"},
            "{}");
        CHECK(answer.status == row.status);
        CHECK(answer.allow == row.allow);
        if (row.status == 204) CHECK(answer.body.empty());
        if (row.status == 200 || row.status == 201) {
            CHECK(answer.content_type == kJson);
            CHECK(answer.body.ends_with("}\n"));
        }
        if (row.status >= 400) CHECK(object_of(answer).at("status").as_int64() == row.status);
    }
}

TEST_CASE("Router: returns errors as problem JSON with a message") {
    Api api;
    const Uid alice = api.office.alice;
    check_problem(api.ask(alice, "GET", "/v1/runs/none"), 404, "Not Found",
                  "run none is not known");
    check_problem(api.ask(alice, "GET", "/v1/nothing?x=y"), 404, "Not Found",
                  "there is no path '/v1/nothing'");
    check_problem(api.ask(alice, "POST", "/v1/runs"), 405, "Method Not Allowed",
                  "this path does not allow 'POST'; expected one of: GET");
    check_problem(api.ask(alice, "GET", "/v1/check"), 400, "Bad Request",
                  "the query parameter 'ask' is missing");
    check_problem(api.push(alice, "/v1/runs/r", "{\"owner\":\"bob\"}"), 403, "Forbidden",
                  "alice may not push runs for bob (see platforms in the agent's configuration)");
    check_problem(problem(431, "long"), 431, "Request Header Fields Too Large", "long");
    check_problem(problem(500, "\"quoted\"\n"), 500, "Internal Server Error", "\"quoted\"\n");
}

TEST_CASE("Router: maps each reason of a denied push to its status") {
    Config config = Office::small();
    config.limits.runs_per_owner = 1;
    config.limits.run_bytes = Limits().run_bytes;
    config.limits.value_bytes = Limits().value_bytes;
    Api api(config, 1024UL * 1024);
    const Uid alice = api.office.alice;
    const auto push = [&](Uid caller, std::string_view run, std::string_view body) {
        return api.push(caller, "/v1/runs/" + std::string(run), body);
    };
    REQUIRE(push(alice, "r", R"({"user":{"A":"a"}})").status == 201);
    const std::string before = api.office.state();
    check_problem(
        push(alice, "r", R"({"ttl":"soon"})"), 400, "Bad Request",
        "\"ttl\": invalid duration 'soon'; expected a number and s, m, h or d, as in 12h");
    check_problem(push(alice, "r", "{"), 400, "Bad Request",
                  "the JSON is malformed: incomplete JSON (line 1, column 2 of the body)");
    check_problem(push(alice, "r", ""), 400, "Bad Request",
                  "the JSON is malformed: incomplete JSON (line 1, column 1 of the body)");
    check_problem(push(kRoot, "r", R"({"owner":"bob"})"), 409, "Conflict",
                  "run r belongs to alice; complete it before it is pushed for another user");
    check_problem(push(alice, "r", R"({"user":{"A-B":"","A_B":""}})"), 409, "Conflict",
                  "user secret 'A_B' would become the variable A_B, as another secret of this "
                  "scope does; rename one");
    check_problem(push(alice, "s", "{}"), 429, "Too Many Requests",
                  "alice owns 1 runs already; complete some first");
    std::string secrets;
    for (int n = 0; n < 15; ++n) {
        secrets += (n > 0 ? ",\"S" : "\"S") + std::to_string(n) + "\":\"" +
                   std::string(64UL * 1024, 'v') + "\"";
    }
    const std::string large = "{\"user\":{" + secrets + "}}";
    const std::string larger = "{\"user\":{" + secrets + "},\"workspace\":{" + secrets + "}}";
    check_problem(push(alice, "r", larger), 413, "Content Too Large",
                  "the run's values have 1966080 bytes in total; the limit is 1048576");
    CHECK(api.office.state() == before);
    REQUIRE(push(alice, "r", large).status == 200);
    check_problem(push(api.office.bob, "t", large), 503, "Service Unavailable",
                  "the agent's memory for secrets is full (1048576 bytes; limits.total_bytes in "
                  "its configuration)");
}

TEST_CASE("Router: returns Retry-After only when a retry alone may help") {
    Config config = Office::small();
    config.limits.run_bytes = Limits().run_bytes;
    config.limits.value_bytes = Limits().value_bytes;
    Api api(config, 1024UL * 1024);
    std::string secrets;
    for (int n = 0; n < 15; ++n) {
        secrets += (n > 0 ? ",\"S" : "\"S") + std::to_string(n) + "\":\"" +
                   std::string(64UL * 1024, 'v') + "\"";
    }
    const std::string large = "{\"user\":{" + secrets + "}}";
    REQUIRE(api.push(api.office.alice, "/v1/runs/r", large).status == 201);
    const auto full = api.push(api.office.bob, "/v1/runs/t", large);
    CHECK(full.status == 503);
    CHECK(full.retry_after == std::chrono::seconds(10));
    REQUIRE(api.push(api.office.alice, "/v1/runs/s", "{}").status == 201);
    const auto too_many = api.push(api.office.alice, "/v1/runs/t", "{}");
    CHECK(too_many.status == 429);
    CHECK_FALSE(too_many.retry_after);
    const auto no_store = api.ask(api.office.alice, "GET", "/v1/secrets");
    CHECK(no_store.status == 503);
    CHECK_FALSE(no_store.retry_after);
}

TEST_CASE("Router: rejects an invalid request head before reading the body") {
    Api api;
    const Uid alice = api.office.alice;
    REQUIRE(api.push(alice, "/v1/runs/of-alice", "{}").status == 201);
    // A value's byte may take two in JSON; names come on top.
    const std::uint64_t most = 2 * Office::large().limits.run_bytes + 256 * 1024;
    const auto head = [&](std::string_view method, std::string_view target, std::string_view type,
                          std::optional<std::uint64_t> length, bool has_body) {
        auto answer = api.ask(RequestHead{alice, method, target, type, length, has_body}, "{}");
        CHECK_FALSE((answer.status >= 400 && api.body_was_read));
        return answer;
    };
    check_problem(head("PUT", "/v1/runs/r", kJson, std::nullopt, true), 411, "Length Required",
                  "the request needs a Content-Length (no chunked encoding)");
    check_problem(head("PUT", "/v1/runs/r", kJson, std::nullopt, false), 411, "Length Required",
                  "the request needs a Content-Length (no chunked encoding)");
    check_problem(head("PUT", "/v1/runs/r", kJson, most + 1, true), 413, "Content Too Large",
                  "the body has " + std::to_string(most + 1) + " bytes; at most " +
                      std::to_string(most) + " are accepted (limits in the agent's configuration)");
    CHECK(head("PUT", "/v1/runs/r", kJson, most, true).status == 201);
    check_problem(head("GET", "/v1/runs/r", kJson, 2, true), 400, "Bad Request",
                  "a GET of this path accepts no body");
    check_problem(head("DELETE", "/v1/runs/r", "", std::nullopt, true), 400, "Bad Request",
                  "a DELETE of this path accepts no body");
    CHECK(head("GET", "/v1/runs/r", "", 0, false).status == 200);
    // Who may not is told that first, whatever else is wrong.
    const auto refused = api.ask(
        RequestHead{api.office.bob, "PUT", "/v1/runs/of-alice", "text/plain", std::nullopt, true},
        "");
    check_problem(refused, 403, "Forbidden", "run of-alice belongs to another user, not to bob");
    CHECK_FALSE(api.body_was_read);
}

TEST_CASE("Router: accepts any spelling of the JSON Content-Type and rejects other types") {
    Api api;
    const auto status = [&](std::string_view type) {
        return api.ask(RequestHead{api.office.alice, "PUT", "/v1/runs/r", type, 2, true}, "{}")
            .status;
    };
    CHECK(status(kJson) == 201);
    for (const char* type : {"application/json;charset=utf-8", "application/json; charset=utf-8",
                             "Application/JSON", "application/json ; a=b", "application/json;"}) {
        CAPTURE(type);
        CHECK(status(type) == 200);
    }
    for (const char* type : {"", ";", "text/plain", "application/jso", "application/json5", "json",
                             "application/x-www-form-urlencoded", "text/json",
                             "text/plain; application/json", "application/json, text/plain"}) {
        CAPTURE(type);
        CHECK(status(type) == 415);
        CHECK_FALSE(api.body_was_read);
    }
}

TEST_CASE("Router: percent-decodes a run id and rejects an invalid one") {
    Api api;
    const Uid alice = api.office.alice;
    CHECK(api.push(alice, "/v1/runs/a%2Db%2e1", "{}").status == 201);
    CHECK(api.office.vault.find_run(run_id("a-b.1")) != nullptr);
    const auto refusal = [&](std::string_view target) {
        const auto answer = api.ask(alice, "GET", target);
        CHECK(answer.status == 400);
        return detail_of(answer);
    };
    CHECK(refusal("/v1/runs/") == "a run id is missing");
    CHECK(refusal("/v1/runs/..") == "the run id '..' must begin with a letter or a digit");
    CHECK(refusal("/v1/runs/a%2Fb") ==
          "the run id 'a/b' contains '/'; only letters, digits, '.', '_' and '-' are allowed");
    CHECK(refusal("/v1/runs/a%00b").starts_with("the run id 'a?b' contains '?'"));
    for (const char* target : {"/v1/runs/a%", "/v1/runs/a%2", "/v1/runs/a%zz", "/v1/runs/a%2x",
                               "/v1/runs/a%-1", "/v1/runs/a%+1", "/v1/runs/a%%41"}) {
        CAPTURE(target);
        CHECK(refusal(target).find("contains '%'") != std::string::npos);
    }
    CHECK(refusal("/v1/runs/" + std::string(65, 'r')) ==
          "a run id has 65 characters; at most 64 are allowed");
}

TEST_CASE("Router: accepts only the query parameter of the path and only once") {
    Api api;
    const auto status = [&](std::string_view target) {
        return api.ask(api.office.alice, "GET", target).status;
    };
    const auto refusal = [&](std::string_view target) {
        const auto answer = api.ask(api.office.alice, "GET", target);
        CHECK(answer.status == 400);
        return detail_of(answer);
    };
    CHECK(refusal("/v1/runs?owner=alice") == "unknown query parameter 'owner'");
    CHECK(refusal("/v1/status?ask=A") == "unknown query parameter 'ask'");
    CHECK(refusal("/v1/check?ask=A&x=1") == "unknown query parameter 'x'");
    CHECK(refusal("/v1/check?Ask=A") == "unknown query parameter 'Ask'");
    CHECK(refusal("/v1/check?&ask=A") == "unknown query parameter ''");
    CHECK(refusal("/v1/check?=A") == "unknown query parameter ''");
    CHECK(refusal("/v1/check?ask=A&ask=A") == "duplicate query parameter 'ask'");
    CHECK(refusal("/v1/check?ask=%4") == "the query parameter 'ask' is malformed");
    CHECK(refusal("/v1/check?") == "the query parameter 'ask' is missing");
    CHECK(refusal("/v1/check?ask") == "the secret spec at character 1: no secret is named");
    CHECK(refusal("/v1/check?ask=") == "the secret spec at character 1: no secret is named");
    CHECK(refusal("/v1/check?ask=A+B").starts_with("the secret spec at character 1: "));
    CHECK(status("/v1/check?ask=A%3DB%2Crun:r") == 200);
    CHECK(status("/v1/check?ask=A=B,run:r?") == 200);
}

TEST_CASE("Router: returns the documented fields and never a value") {
    Api api;
    Office& office = api.office;
    const auto pushed = api.push(office.tower, "/v1/runs/demo-1",
                                 R"({"owner":"alice","ttl":"12h","user":{"A":"MARKER-OF-A-VALUE"},)"
                                 R"("workspace":{"B":{"base64":"TUFSS0VSLU9GLUEtVkFMVUU="}}})");
    CHECK(pushed.body ==
          R"({"run":"demo-1","owner":"alice","generation":1,"created":"1970-01-12T13:46:40Z",)"
          R"("expires":"1970-01-13T01:46:40Z","platform":"tower",)"
          R"("secrets":[{"name":"A","scope":"user","bytes":17},)"
          R"({"name":"B","scope":"workspace","bytes":17}],"holds":[]})"
          "\n");
    CHECK(given(office.ask(office.alice, "run:demo-1,B", 0, JobId{12})) == "B=MARKER-OF-A-VALUE\n");
    const auto read = api.ask(office.alice, "GET", "/v1/runs/demo-1");
    CHECK(read.body.ends_with("\"holds\":[{\"job\":12,\"since\":\"1970-01-12T13:46:40Z\"}]}\n"));
    const auto list = api.ask(kRoot, "GET", "/v1/runs");
    CHECK(list.body == R"({"runs":[{"run":"demo-1","owner":"alice","generation":1,)"
                       R"("created":"1970-01-12T13:46:40Z","expires":"1970-01-13T01:46:40Z",)"
                       R"("platform":"tower","secrets":2,"holds":1}]})"
                       "\n");
    CHECK(api.ask(office.bob, "GET", "/v1/runs").body == "{\"runs\":[]}\n");
    const auto check = api.ask(office.alice, "GET", "/v1/check?ask=run:demo-1,A=X,C?,D");
    CHECK(
        check.body ==
        R"({"ask":"run:demo-1,A=X,C?,D","ok":false,"items":[)"
        R"({"name":"A","variable":"X","form":"env","optional":false,"found":true,"scope":"run","bytes":17},)"
        R"({"name":"C","variable":"C","form":"env","optional":true,"found":false,)"
        R"("reason":"secret C is not among the secrets of run demo-1"},)"
        R"({"name":"D","variable":"D","form":"env","optional":false,"found":false,)"
        R"("reason":"secret D is not among the secrets of run demo-1"}]})"
        "\n");
    CHECK(object_of(api.ask(office.bob, "GET", "/v1/check?ask=run:demo-1")).at("reason") ==
          "run demo-1 belongs to another user, not to bob");
    const auto status = object_of(api.ask(office.bob, "GET", "/v1/status"));
    CHECK(status.at("version") == SLURM_SECRETS_VERSION);
    CHECK(status.at("memory") == memory_kind_word(office.vault.memory()));
    CHECK(status.at("uptime_seconds") == 0);
    CHECK(status.at("runs") == 1);
    CHECK(status.at("holds") == 1);
    CHECK(status.at("slabs") == 1);
    CHECK(status.at("slab_bytes") == 1048576);
    CHECK(status.at("secret_bytes").as_int64() > 34);
    for (const auto* answer : {&pushed, &read, &list, &check}) {
        CHECK(answer->body.find(kMarker) == std::string::npos);
        CHECK(answer->body.find("TUFSS0VS") == std::string::npos);
    }
}

}  // namespace
}  // namespace secrets::api
