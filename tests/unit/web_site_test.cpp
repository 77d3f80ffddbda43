// SPDX-License-Identifier: Apache-2.0
// Promise: the head of a request decides what it gets, before a byte of its body is read; without
// the cookie that is the files of the page that have no data, and nothing of the agent.

#include <algorithm>
#include <boost/json/parse.hpp>
#include <string>
#include <utility>

#include "common/base/limits.h"
#include "ctl/web/assets.h"
#include "ctl/web/import_routes.h"
#include "ctl/web/site.h"
#include "tests/unit/catch.h"
#include "tests/unit/web_page.h"

namespace secrets::ctl::web {
namespace {

constexpr const char* kOpen = "/api/v1/secrets";

/// Returns the sentence of an answer to the page's code.
std::string detail_of(const SiteAnswer& answer) {
    REQUIRE(answer.content_type == "application/problem+json");
    const auto object = boost::json::parse(answer.body).as_object();
    CHECK(object.at("status").as_int64() == answer.status);
    return std::string(object.at("detail").as_string().c_str());
}

void check_is_file(const SiteAnswer& answer, std::string_view name, unsigned status = 200) {
    const Asset* asset = find_asset(name);
    REQUIRE(asset != nullptr);
    CHECK(answer.status == status);
    CHECK(answer.content_type == asset->content_type);
    const std::string content(asset->content);
    const std::size_t key = std::min(content.find("KEY-OF-THIS-PROCESS"), content.size());
    CHECK(answer.body.starts_with(content.substr(0, key)));
    CHECK(answer.body.ends_with(content.substr(std::min(key + 19, content.size()))));
    CHECK((key < content.size()) == (answer.body != content));
}

/// Checks that an answer refuses a request and does not have anything of the page.
void check_is_refusal(const SiteAnswer& answer, unsigned status, std::string_view sentence) {
    CHECK(answer.status == status);
    CHECK(answer.content_type == "text/plain; charset=utf-8");
    CHECK(answer.body == std::string(sentence) + "\n");
    CHECK(answer.cookie.empty());
}

TEST_CASE("Web site: refuses everything to a peer of another user, even with the link") {
    Page page;
    page.open();
    const Status other(StatusCode::permission_denied, "this page is another user's");
    const std::string link = page.site.link();
    const auto used = page.site.last_use();
    for (const std::string& target : {std::string("/"), link, std::string("/app.css"),
                                      std::string("/nothing"), std::string("*")}) {
        CAPTURE(target);
        check_is_refusal(page.answer(page.head(target), other), 403, other.message());
    }
    for (const char* target : {kOpen, "/api/v1/events", "/api/nothing"}) {
        const SiteAnswer answer = page.answer(page.head(target), other);
        CHECK(answer.status == 403);
        CHECK(detail_of(answer) == other.message());
    }
    CHECK(page.site.link() == link);
    CHECK(page.opened == 1);
    CHECK(page.site.last_use() == used);
}

TEST_CASE("Web site: refuses a foreign host, even with link and cookie") {
    Page page;
    page.open();
    const std::string link = page.site.link();
    const auto used = page.site.last_use();
    for (const std::string& target : {std::string("/"), link, std::string("/app.css")}) {
        RequestHead head = page.head(target);
        head.source.host = "evil.example:8080";
        const SiteAnswer answer = page.answer(head);
        CHECK(answer.status == 403);
        CHECK(answer.body.starts_with("this page is served as 127.0.0.1 or localhost only"));
        CHECK(answer.cookie.empty());
    }
    RequestHead head = page.head(kOpen);
    head.source.host = "evil.example:8080";
    const SiteAnswer answer = page.answer(head);
    CHECK(answer.status == 403);
    CHECK(detail_of(answer).starts_with("this page is served as 127.0.0.1 or localhost only"));
    CHECK(page.site.link() == link);
    CHECK(page.opened == 1);
    CHECK(page.site.last_use() == used);
}

TEST_CASE("Web site: lets other sites link to the page, and request nothing else") {
    Page page;
    page.open();
    const auto from_other_site = [&](std::string_view target, std::string_view method) {
        RequestHead head = page.head(target, method);
        head.source.fetch_site = "cross-site";
        head.source.fetch_mode = "navigate";
        return page.answer(head);
    };
    check_is_file(from_other_site("/", "GET"), "index.html");
    check_is_file(from_other_site("/?from=mail", "GET"), "index.html");
    CHECK(from_other_site("/", "POST").status == 403);
    CHECK(from_other_site("/app.css", "GET").status == 403);
    CHECK(from_other_site(kOpen, "GET").status == 403);
    CHECK(from_other_site("/api/v1/secrets/A", "DELETE").status == 403);
    RequestHead head = page.head("/api/v1/secrets/A", "DELETE");
    head.source.origin = "http://127.0.0.1:8081";
    CHECK(page.answer(head).status == 403);
}

TEST_CASE("Web site: answers a browser without the cookie with a page that tells what to do") {
    Page page;
    for (const char* cookie : {"", "slurm-secrets-8080=", "slurm-secrets-8081=0"}) {
        page.cookie = cookie;
        for (const char* target : {"/", "/?", "/?token=", "/?token=0", "/?other=1"}) {
            CAPTURE(target);
            const SiteAnswer answer = page.answer(target);
            check_is_file(answer, "closed.html", 403);
            CHECK(answer.cookie.empty());
        }
    }
    CHECK(page.opened == 0);
}

TEST_CASE("Web site: asks the agent nothing for a browser without the cookie") {
    Page page;
    page.open();
    page.cookie = "slurm-secrets-8081" + page.cookie.substr(page.cookie.find('='));
    for (const char* method : {"GET", "PUT", "PATCH", "DELETE", "POST"}) {
        for (const char* target : {kOpen, "/api/v1/secrets/A", "/api/v1/events", "/api/import",
                                   "/api/import/A", "/api/nothing", "/api/"}) {
            CAPTURE(method, target);
            const SiteAnswer answer = page.answer(target, method);
            CHECK(answer.status == 401);
            CHECK(detail_of(answer).find("open the link") != std::string::npos);
        }
    }
    // The token of the link is no cookie.
    CHECK(page.status(kOpen + page.site.link().substr(1)) == 401);
}

TEST_CASE("Web site: gives the cookie to the browser that opens the link, and makes another link") {
    Page page;
    const std::string link = page.site.link();
    REQUIRE(link.starts_with("/?token="));
    RequestHead head = page.head(link);
    head.source.fetch_site = "none";
    head.source.fetch_mode = "navigate";
    const SiteAnswer answer = page.answer(head);
    check_is_file(answer, "opened.html");
    CHECK(answer.cookie.starts_with("slurm-secrets-8080="));
    CHECK(answer.cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"));
    CHECK(page.opened == 1);
    CHECK(page.site.link() != link);
    CHECK(page.site.link().starts_with("/?token="));
    page.cookie = answer.cookie.substr(0, answer.cookie.find(';'));
    check_is_file(page.answer("/"), "index.html");
    CHECK(page.is_asked(page.head(kOpen)));
}

TEST_CASE("Web site: tells of a new link only after the old one is replaced") {
    std::string told;
    const Site* made = nullptr;
    Site site(Entrance::loopback, kPagePort, [&] { told = made->link(); });
    made = &site;
    const std::string link = site.link();
    RequestHead head;
    head.method = "GET";
    head.target = link;
    head.source.host = "localhost:8080";
    site.decide(head, Status());
    CHECK(told == site.link());
    CHECK(told != link);
}

TEST_CASE("Web site: opens no second browser with a link that was opened") {
    Page page;
    const std::string link = page.site.link();
    page.open();
    const std::string next = page.site.link();
    const SiteAnswer reloaded = page.answer(link);
    check_is_file(reloaded, "opened.html");
    CHECK(reloaded.cookie.empty());

    const std::string cookie = std::exchange(page.cookie, "");
    const SiteAnswer again = page.answer(link);
    check_is_file(again, "closed.html", 403);
    CHECK(again.cookie.empty());
    CHECK(page.opened == 1);
    CHECK(page.site.link() == next);

    page.open();  // the next link, in another browser
    CHECK(page.opened == 2);
    page.cookie = cookie;
    CHECK(page.is_asked(page.head(kOpen)));
}

TEST_CASE("Web site: opens the link only by a GET of the page") {
    Page page;
    const std::string link = page.site.link();
    CHECK(page.status(link, "HEAD") == 405);
    CHECK(page.status(link, "POST") == 405);
    CHECK(page.status("/index.html" + link.substr(1)) == 404);
    CHECK(page.status("/app.css" + link.substr(1)) == 200);
    CHECK(page.opened == 0);
    CHECK(page.site.link() == link);
}

TEST_CASE("Web site: serves the files of the page by name, but not its HTML") {
    Page page;
    int html = 0;
    for (const bool is_open : {false, true}) {
        if (is_open) page.open();
        for (const Asset& asset : assets()) {
            const std::string path = "/" + std::string(asset.name);
            CAPTURE(path);
            if (asset.name.ends_with(".html")) {
                ++html;
                check_is_refusal(page.answer(path), 404, "there is no such page");
                continue;
            }
            check_is_file(page.answer(path), asset.name);
            check_is_file(page.answer(path + "?v=1"), asset.name);
        }
    }
    CHECK(html == 6);
    CHECK(page.answer("/app.css").content_type == "text/css; charset=utf-8");
    CHECK(page.answer("/main.js").content_type == "text/javascript; charset=utf-8");
    CHECK(page.answer("/icon.svg").content_type == "image/svg+xml");
    for (const char* path : {"/nothing.js", "//app.css", "/app.css/", "/./app.css", "/APP.CSS",
                             "/page/app.css", "/../page/app.css", "/%61pp.css", "/api", "/apis/v1",
                             "/favicon.ico", "/app.css%00", "//"}) {
        CAPTURE(path);
        check_is_refusal(page.answer(path), 404, "there is no such page");
    }
}

TEST_CASE("Web site: rejects a target that is no path, and a method other than GET for the page") {
    Page page;
    page.open();
    for (const char* target :
         {"", "*", "?", "app.css", "http://127.0.0.1:8080/", "api/v1/secrets", "127.0.0.1:8080"}) {
        CAPTURE(target);
        check_is_refusal(page.answer(target), 400, "the request's path is malformed");
    }
    for (const char* method :
         {"POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "get", "", "TRACE"}) {
        CAPTURE(method);
        for (const char* target : {"/", "/app.css", "/nothing", "*"}) {
            check_is_refusal(page.answer(target, method), 405, "only GET is accepted at this path");
        }
    }
}

TEST_CASE("Web site: passes a request of the page on with its parts") {
    Page page;
    page.open();
    RequestHead head = page.head("/api/v1/workspaces/lab/secrets/A%2DB", "PUT");
    head.if_match = "\"7\"";
    head.content_length = 10;
    AgentRequest asked = page.asked(head);
    CHECK(asked.route->path == "/v1/workspaces/{}/secrets/{}");
    CHECK(asked.request.method == "PUT");
    CHECK(asked.request.target == "/v1/workspaces/lab/secrets/A%2DB");
    CHECK(asked.request.if_match == "\"7\"");
    CHECK_FALSE(asked.request.if_new);

    head.if_match = "";
    head.if_none_match = "*";
    CHECK(page.asked(head).request.if_new);
    CHECK(page.asked(head).request.if_match.empty());

    asked = page.asked(page.head("/api/v1/runs?limit=50&cursor=r"));
    CHECK(asked.request.target == "/v1/runs?limit=50&cursor=r");
    CHECK_FALSE(asked.request.if_new);
}

TEST_CASE("Web site: asks the agent nothing that its table does not have") {
    Page page;
    page.open();
    for (const char* target :
         {"/api/", "/api/v1", "/api/v1/status", "/api/v1/secrets/A", "/api/v1/secrets?value=1",
          "/api//v1/secrets", "/api/../v1/secrets", "/api/api/v1/secrets", "/api/v2/secrets"}) {
        CAPTURE(target);
        const SiteAnswer answer = page.answer(target);
        CHECK(answer.status == 404);
        CHECK(detail_of(answer) == "secretctl web does not offer this request");
    }
    CHECK(page.status(kOpen, "POST") == 404);
    CHECK(page.status(kOpen, "HEAD") == 404);
    CHECK(page.status(kOpen, "get") == 404);
}

TEST_CASE("Web site: rejects a body that is longer than its route accepts, or of unknown length") {
    Page page;
    page.open();
    struct Row {
        const char* method;
        const char* target;
        std::uint64_t longest;
    };
    constexpr std::uint64_t kValueInJson = 6 * kMaxValueBytes;
    for (const Row& row : {
             Row{"GET", kOpen, 0},
             Row{"DELETE", "/api/v1/secrets/A", 0},
             Row{"GET", "/api/v1/events", 0},
             Row{"PUT", "/api/v1/secrets/A", kValueInJson + 4096},
             Row{"PATCH", "/api/v1/secrets/A", 4096},
             Row{"PUT", "/api/v1/workspaces/w/secrets/A", kValueInJson + 4096},
             Row{"POST", "/api/import", kLongestImport},
             Row{"PUT", "/api/import/A", kLongestImport},
         }) {
        CAPTURE(row.method, row.target);
        RequestHead head = page.head(row.target, row.method);
        head.content_length = row.longest;
        CHECK(page.is_asked(head));
        for (const std::uint64_t length : {row.longest + 1, ~std::uint64_t{0}}) {
            head.content_length = length;
            const SiteAnswer answer = page.answer(head);
            CHECK(answer.status == (row.longest == 0 ? 400 : 413));
            const std::string words = row.longest == 0 ? "this request has no body"
                                                       : std::to_string(row.longest) + " bytes";
            CHECK(detail_of(answer).find(words) != std::string::npos);
        }
        head.content_length = 0;
        head.is_chunked = true;
        const SiteAnswer chunked = page.answer(head);
        CHECK(chunked.status == 411);
        CHECK_FALSE(detail_of(chunked).empty());
        CHECK_FALSE(page.counts_as_use(head));
    }
}

TEST_CASE("Web site: proves that it has served the page, and only to its browser") {
    Page page;
    page.open();
    const std::string html = page.answer("/").body;
    const std::size_t begin = html.find("name=\"key\" content=\"");
    REQUIRE(begin != std::string::npos);
    const std::string key = html.substr(begin + 20, 64);
    CHECK(key.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(page.answer("/api/proof?word=a").status == 200);
    CHECK(page.answer("/api/proof?word=a").body == page.answer("/api/proof?word=a").body);
    CHECK(page.answer("/api/proof?word=a").body != page.answer("/api/proof?word=b").body);
    Page other;
    other.open();
    CHECK(other.answer("/api/proof?word=a").body != page.answer("/api/proof?word=a").body);
    CHECK(page.status("/api/proof") == 400);
    RequestHead foreign = page.head("/api/proof?word=a");
    foreign.source.cookie = "";
    CHECK(page.answer(foreign).status == 400);
}

TEST_CASE("Web site: counts what a user does as use, and not what the page asks by itself") {
    Page page;
    CHECK_FALSE(page.counts_as_use(page.head("/")));
    CHECK_FALSE(page.counts_as_use(page.head("/?token=0")));
    CHECK_FALSE(page.counts_as_use(page.head(kOpen)));
    const std::string link = page.site.link();
    CHECK(page.counts_as_use(page.head(link)));
    page.open();
    CHECK(page.counts_as_use(page.head("/")));
    CHECK(page.counts_as_use(page.head(kOpen)));
    CHECK(page.counts_as_use(page.head("/api/v1/secrets/A", "DELETE")));
    CHECK(page.counts_as_use(page.head("/api/import", "POST")));
    CHECK_FALSE(page.counts_as_use(page.head("/api/v1/events")));
    CHECK_FALSE(page.counts_as_use(page.head("/api/v1/events?after=7")));
    CHECK_FALSE(page.counts_as_use(page.head("/api/nothing")));
    CHECK_FALSE(page.counts_as_use(page.head("/app.css")));
    CHECK_FALSE(page.counts_as_use(page.head("/", "POST")));
    CHECK(page.is_asked(page.head("/api/v1/events")));
}

TEST_CASE("Web site: needs no cookie and has no link at a Unix socket") {
    Page page(Entrance::unix_socket);
    CHECK(page.site.link() == "/");
    RequestHead head = page.head("/");
    head.source.host = "hub.example";
    head.source.origin = "https://hub.example";
    const SiteAnswer answer = page.answer(head);
    check_is_file(answer, "index.html");
    CHECK(answer.cookie.empty());
    CHECK(page.is_asked(page.head(kOpen)));
    CHECK(page.counts_as_use(page.head("/")));
    CHECK(page.answer("/?token=0").cookie.empty());
    CHECK(page.opened == 0);
}

TEST_CASE("Web site: checks user and source at a Unix socket too") {
    Page page(Entrance::unix_socket);
    const Status other(StatusCode::permission_denied, "this page is another user's");
    CHECK(page.answer(page.head(kOpen), other).status == 403);
    CHECK(page.answer(page.head("/"), other).status == 403);
    RequestHead head = page.head("/api/v1/secrets/A", "DELETE");
    head.source.origin = "https://evil.example";
    CHECK(page.answer(head).status == 403);
    head = page.head(kOpen);
    head.source.fetch_site = "cross-site";
    CHECK(page.answer(head).status == 403);
}

}  // namespace
}  // namespace secrets::ctl::web
