// SPDX-License-Identifier: Apache-2.0
// Promise: the page's code can ask for the rows of one table only, and the preview of an import
// has no value.

#include <boost/json/parse.hpp>
#include <map>
#include <set>
#include <string>

#include "ctl/web/import_routes.h"
#include "ctl/web/routes.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::ctl::web {
namespace {

namespace json = boost::json;

const ApiRoute* route_of(std::string method, std::string target) {
    return find_route({std::move(method), std::move(target)});
}

/// Returns the path of the request's row; empty if there is none.
std::string_view row_of(std::string method, std::string target) {
    const ApiRoute* route = route_of(std::move(method), std::move(target));
    return route == nullptr ? "" : route->path;
}

struct Row {
    std::string method;
    std::string target;
    std::string path;  ///< of the row
    std::size_t longest_body;
};

/// The longest bodies that set and that rename a secret.
constexpr std::size_t kValue = 6 * 64UL * 1024 + 4 * 1024;
constexpr std::size_t kName = 4 * 1024;

const std::vector<Row>& rows() {
    static const std::vector<Row> kRows{
        {"GET", "/v1/secrets", "/v1/secrets", 0},
        {"PUT", "/v1/secrets/A", "/v1/secrets/{}", kValue},
        {"PATCH", "/v1/secrets/A", "/v1/secrets/{}", kName},
        {"DELETE", "/v1/secrets/A", "/v1/secrets/{}", 0},
        {"GET", "/v1/workspaces", "/v1/workspaces", 0},
        {"GET", "/v1/workspaces/lab/secrets", "/v1/workspaces/{}/secrets", 0},
        {"PUT", "/v1/workspaces/lab/secrets/A", "/v1/workspaces/{}/secrets/{}", kValue},
        {"PATCH", "/v1/workspaces/lab/secrets/A", "/v1/workspaces/{}/secrets/{}", kName},
        {"DELETE", "/v1/workspaces/lab/secrets/A", "/v1/workspaces/{}/secrets/{}", 0},
        {"GET", "/v1/runs", "/v1/runs", 0},
        {"GET", "/v1/runs/r-1", "/v1/runs/{}", 0},
        {"DELETE", "/v1/runs/r-1", "/v1/runs/{}", 0},
        {"GET", "/v1/events", "/v1/events", 0},
        {"POST", "/import", "/import", kLongestImport},
        {"PUT", "/import/A", "/import/{}", kLongestImport},
        {"PUT", "/import/lab/A", "/import/{}/{}", kLongestImport},
    };
    return kRows;
}

TEST_CASE("Web routes: find each row of the table") {
    for (const Row& row : rows()) {
        CAPTURE(row.method, row.target);
        const ApiRoute* route = route_of(row.method, row.target);
        REQUIRE(route != nullptr);
        CHECK(route->method == row.method);
        CHECK(route->path == row.path);
        CHECK(route->longest_body == row.longest_body);
        CHECK(route->is_polled == (row.path == "/v1/events"));
        CHECK(route_of(row.method, row.target + "?") == route);
    }
}

TEST_CASE("Web routes: find no row by another method") {
    std::map<std::string, std::set<std::string>> allowed;
    for (const Row& row : rows()) allowed[row.target].insert(row.method);
    for (const auto& [target, methods] : allowed) {
        for (const char* method : {"GET", "PUT", "PATCH", "DELETE", "POST", "HEAD", "OPTIONS",
                                   "TRACE", "CONNECT", "get", "", "GE", "GETS"}) {
            CAPTURE(method, target);
            CHECK((route_of(method, target) != nullptr) == methods.contains(method));
        }
    }
}

TEST_CASE("Web routes: find no row by a path that has a part more, less, empty or different") {
    for (const Row& row : rows()) {
        CAPTURE(row.method, row.target);
        CHECK(row_of(row.method, row.target + "/").empty());
        CHECK(row_of(row.method, "/" + row.target).empty());
        CHECK(row_of(row.method, row.target.substr(1)).empty());
        CHECK(row_of(row.method, "x" + row.target).empty());
        CHECK(row_of(row.method, row.target + "/B/C/D").empty());
        CHECK(row_of(row.method, "/api" + row.target).empty());
        CHECK(row_of(row.method, "/v2" + row.target.substr(3)).empty());
        CHECK(row_of(row.method, row.target + "/?limit=1").empty());
        // Any of its slashes twice: an empty part.
        for (std::size_t at = row.target.find('/'); at != std::string::npos;
             at = row.target.find('/', at + 1)) {
            std::string doubled = row.target;
            doubled.insert(at, "/");
            CHECK(row_of(row.method, doubled).empty());
        }
    }
    for (const char* target : {"",
                               "/",
                               "//",
                               "?",
                               "/v1",
                               "/v1/",
                               "/v1/secrets/",
                               "/v1/secrets/A",
                               "/v1/secrets/A/B",
                               "/v1/secret",
                               "/v1/secretss",
                               "/V1/secrets",
                               "/v1/Secrets",
                               "/v1/workspaces/",
                               "/v1/workspaces/lab",
                               "/v1/workspaces/lab/secrets/A",
                               "/v1/workspaces//secrets",
                               "/v1/workspaces/lab/members",
                               "/v1/runs/",
                               "/v1/runs/r/secrets",
                               "/v1/runs//",
                               "/v1/status",
                               "/v1/check",
                               "/v1/log",
                               "/import",
                               "/import/A",
                               "/v1%2Fsecrets",
                               "/{}",
                               "/v1/{}/x"}) {
        CAPTURE(target);
        CHECK(row_of("GET", target).empty());
    }
    CHECK(row_of("PUT", "/v1/secrets").empty());
    CHECK(row_of("PUT", "/v1/secrets/").empty());
    CHECK(row_of("PUT", "/v1/runs/r").empty());
    CHECK(row_of("DELETE", "/v1/secrets").empty());
    CHECK(row_of("PUT", "/import").empty());
    CHECK(row_of("PUT", "/import/").empty());
    CHECK(row_of("PUT", "/import//A").empty());
    CHECK(row_of("PUT", "/import/lab/").empty());
    CHECK(row_of("PUT", "/import/lab/A/B").empty());
}

TEST_CASE("Web routes: find a row whatever a part of its path is") {
    for (const char* part : {"%2F", "..", "%00", "{}", "a=b", "secrets", "%zz"}) {
        CAPTURE(part);
        CHECK(row_of("DELETE", "/v1/secrets/" + std::string(part)) == "/v1/secrets/{}");
    }
}

TEST_CASE("Web routes: find no row by a query with an unknown parameter") {
    CHECK(row_of("GET", "/v1/runs?limit=50&cursor=r") == "/v1/runs");
    CHECK(row_of("GET", "/v1/runs?cursor=r") == "/v1/runs");
    CHECK(row_of("GET", "/v1/runs?limit") == "/v1/runs");
    CHECK(row_of("GET", "/v1/events?after=1.7") == "/v1/events");
    CHECK(row_of("POST", "/import?source=.env") == "/import");
    CHECK(row_of("PUT", "/import/A?source=.env&expires=30d") == "/import/{}");
    CHECK(row_of("PUT", "/import/lab/A?expires=30d") == "/import/{}/{}");
    for (const char* target : {"/v1/runs?owner=bob",
                               "/v1/runs?limit=1&owner=bob",
                               "/v1/runs?owner=bob&limit=1",
                               "/v1/runs?Limit=1",
                               "/v1/runs?limi=1",
                               "/v1/runs?limits=1",
                               "/v1/runs?imit=1",
                               "/v1/runs?%6Cimit=1",
                               "/v1/runs?=1",
                               "/v1/runs?&limit=1",
                               "/v1/runs?limit=1&&cursor=r",
                               "/v1/runs??limit=1",
                               "/v1/secrets?limit=1",
                               "/v1/secrets?value",
                               "/v1/events?cursor=1",
                               "/v1/secrets?&",
                               "/v1/secrets?=x",
                               "/v1/runs?limit=%zz",
                               "/v1/runs?cursor=%",
                               "/v1/runs/r?limit=1",
                               "/v1/workspaces?after=1"}) {
        CAPTURE(target);
        CHECK(row_of("GET", target).empty());
    }
    CHECK(row_of("POST", "/import?expires=30d").empty());
    CHECK(row_of("PUT", "/v1/secrets/A?expires=30d").empty());
    CHECK(row_of("PUT", "/import/A?workspace=lab").empty());
}

TEST_CASE("Web routes: decode a parameter of a query") {
    const auto value = [](std::string_view target) { return parameter(target, "source"); };
    CHECK(value("/import?source=.env") == ".env");
    CHECK(value("?source=.env") == ".env");
    CHECK(value("/import?expires=30d&source=.env") == ".env");
    CHECK(value("/import?source=my%20file%26%3D%3F%25.env") == "my file&=?%.env");
    CHECK(value("/import?source=%c3%A4") == "\xc3\xa4");
    CHECK(value("/import?source=a%00b") == std::string("a\0b", 3));
    CHECK(value("/import?source=a=b?c") == "a=b?c");
    CHECK(value("/import?source=") == "");
    CHECK(value("/import?source") == "");
    CHECK(value("/import?source&expires=30d") == "");
    CHECK(value("/import?source=a&source=b") == "b");
}

TEST_CASE("Web routes: return nothing for a parameter that is absent or malformed") {
    for (const char* target : {"",
                               "?",
                               "/",
                               "/import",
                               "/import?",
                               "/import?&",
                               "/import?expires=30d",
                               "/source=a",
                               "/import?sources=a",
                               "/import?ource=a",
                               "/import?Source=a",
                               "/import?%73ource=a",
                               "/import?=source",
                               "/import?expires=source",
                               "/import?source=%",
                               "/import?source=%4",
                               "/import?source=a%zz",
                               "/import?source=%2",
                               "/import?source=%2x",
                               "/import?source=%x2",
                               "/import?source=%-1",
                               "/import?source=%+1",
                               "/import?source=% 1",
                               "/import?source=%%41",
                               "/import?source=%4&expires=1",
                               "/import?source=%0x41"}) {
        CAPTURE(target);
        CHECK_FALSE(parameter(target, "source"));
    }
}

constexpr std::string_view kValueInText = "MARKER-OF-A-VALUE";

/// Asks about the text of an import, at an agent that does not run.
struct Import {
    TemporaryFolder folder;
    Client agent{folder.file("control.sock"), std::chrono::seconds(5)};

    SiteAnswer ask(const std::string& method, const std::string& target,
                   std::string_view text) const {
        const ApiRequest request{method, target};
        const ApiRoute* route = find_route(request);
        REQUIRE(route != nullptr);
        SiteAnswer answer =
            web::answer(*route, agent, request, SecretView(std::as_bytes(std::span(text))));
        CHECK(answer.body.find(kValueInText) == std::string::npos);
        CHECK(answer.cookie.empty());
        return answer;
    }

    json::object preview(std::string_view text, const std::string& query = "") const {
        const SiteAnswer answer = ask("POST", "/import" + query, text);
        CHECK(answer.status == 200);
        CHECK(answer.content_type == "application/json");
        return json::parse(answer.body).as_object();
    }

    /// Returns the sentence of a refusal, in which no option of a command may be.
    std::string refusal(unsigned status, const std::string& method, const std::string& target,
                        std::string_view text) const {
        const SiteAnswer answer = ask(method, target, text);
        CHECK(answer.status == status);
        CHECK(answer.content_type == "application/problem+json");
        const json::object object = json::parse(answer.body).as_object();
        CHECK(object.at("status").as_int64() == status);
        std::string detail = object.at("detail").as_string().c_str();
        CHECK(detail.find("--") == std::string::npos);
        return detail;
    }
    std::string refusal(std::string_view text, const std::string& query = "?source=FILE") const {
        return refusal(400, "POST", "/import" + query, text);
    }
};

TEST_CASE("Web import: previews names, sizes and places, but no value") {
    const Import import;
    CHECK(import.preview("# mine\nA=MARKER-OF-A-VALUE\n\nexport B='MARKER-OF-A-VALUE two'\n",
                         "?source=.env") ==
          json::parse(R"({"secrets":[{"name":"A","bytes":17,"place":"line 2 of .env"},)"
                      R"({"name":"B","bytes":21,"place":"line 4 of .env"}],"notes":[]})"));
    CHECK(import.preview(R"([{"name":"A","value":"MARKER-OF-A-VALUE"}])", "?source=store.json") ==
          json::parse(R"({"secrets":[{"name":"A","bytes":17,"place":"entry 1 of store.json"}],)"
                      R"("notes":[]})"));
}

TEST_CASE("Web import: previews what may have been meant otherwise, but no value") {
    const Import import;
    CHECK(import.preview("A=\"MARKER-OF-A-VALUE\\n\"\nEMPTY=\nNONE=''\n", "?source=.env") ==
          json::parse(R"({"secrets":[{"name":"A","bytes":18,"place":"line 1 of .env"}],"notes":[)"
                      R"("line 1 of .env has \\n, \\r or \\t in double quotes, which were read )"
                      R"(as a newline, a return or a tab",)"
                      R"(".env has no value for EMPTY, NONE, and nothing is set for them"]})"));
}

TEST_CASE("Web import: names the text as its parameter does, and fit for a terminal") {
    const Import import;
    const auto place = [&](const std::string& query) {
        const json::object object = import.preview("A=MARKER-OF-A-VALUE", query);
        return std::string(object.at("secrets").at(0).at("place").as_string().c_str());
    };
    CHECK(place("?source=my%20%22file%22.env") == "line 1 of my \"file\".env");
    CHECK(place("?source=a%1B%5B31mb%0A") == "line 1 of a?[31mb?");
    CHECK(place("") == "line 1 of the text");
    CHECK(place("?source=") == "line 1 of the text");
}

TEST_CASE("Web import: refuses a malformed text with its place, and names no option") {
    const Import import;
    CHECK(import.refusal("") == "FILE contains no secret to import; nothing is imported");
    CHECK(import.refusal("A=1\nMARKER-OF-A-VALUE\n") ==
          "line 2 of FILE is neither NAME=value nor export NAME=value");
    CHECK(import.refusal("A='MARKER-OF-A-VALUE") ==
          "line 1 of FILE opens a single quote that is never closed");
    CHECK(import.refusal("A=$(MARKER-OF-A-VALUE)")
              .starts_with("line 1 of FILE has a $(...), which a shell would run"));
    CHECK(import.refusal("A=1\nA=MARKER-OF-A-VALUE") ==
          "line 2 of FILE: duplicate name 'A'; see line 1 of FILE");
    CHECK(import.refusal("[{\"name\":\"A\",\"value\":\"MARKER-OF-A-VALUE\"") ==
          "FILE begins like JSON but is not valid JSON: incomplete JSON on line 1");
    CHECK(import.refusal("{\"A\":\"MARKER-OF-A-VALUE\"}").starts_with("FILE is a JSON object"));
    CHECK(import.refusal("A=1\nB.C=MARKER-OF-A-VALUE")
              .starts_with("line 2 of FILE has an invalid secret name: "));
    CHECK(import.refusal("PATH=MARKER-OF-A-VALUE").starts_with("line 1 of FILE: "));
    CHECK(import.refusal("[{\"name\":\"PATH\",\"value\":\"MARKER-OF-A-VALUE\"}]")
              .starts_with("entry 1 of FILE: "));
    CHECK(import.refusal("[{\"name\":\"B.C\",\"value\":\"MARKER-OF-A-VALUE\"}]")
              .starts_with("entry 1 of FILE has an invalid secret name: "));
}

TEST_CASE("Web import: refuses to set a secret that the text does not have") {
    const Import import;
    const auto refusal = [&](const std::string& target, std::string_view text) {
        return import.refusal(400, "PUT", target, text);
    };
    CHECK(refusal("/import/B?source=FILE", "A=MARKER-OF-A-VALUE") ==
          "FILE has no 'B'; nothing is imported");
    CHECK(refusal("/import/lab/B", "A=MARKER-OF-A-VALUE\nB=\n") ==
          "the text has 'B' without a value; nothing is imported");
    CHECK(refusal("/import/A%", "A=MARKER-OF-A-VALUE") == "the request's path is malformed");
    CHECK(refusal("/import/%zz/A", "A=MARKER-OF-A-VALUE") == "the request's path is malformed");
    for (const char* target :
         {"/import/A%2FB", "/import/..", "/import/A%3DB", "/import/la%20b/A", "/import/%2E%2E/A"}) {
        CAPTURE(target);
        const std::string sentence = refusal(target, "A=MARKER-OF-A-VALUE");
        CHECK_FALSE(sentence.empty());
        for (const char* of_a_command : {"--", "argument", "shell"}) {
            CHECK(sentence.find(of_a_command) == std::string::npos);
        }
    }
    CHECK(refusal("/import/PATH", "PATH=MARKER-OF-A-VALUE").find("PATH") != std::string::npos);
}

TEST_CASE("Web routes: answer 502 with the reason if no agent can be reached") {
    const Import import;
    for (const Row& row : rows()) {
        if (row.path == "/import") continue;  // needs no agent
        CAPTURE(row.method, row.target);
        CHECK(import.refusal(502, row.method, row.target, "A=MARKER-OF-A-VALUE")
                  .starts_with("cannot connect to the agent at " + import.agent.socket_path()));
    }
}

}  // namespace
}  // namespace secrets::ctl::web
