// SPDX-License-Identifier: Apache-2.0
// Promise: only a request of the page itself is served, a link opens one browser, and only a
// browser that has opened a link has the cookie.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "ctl/web/access.h"
#include "tests/unit/catch.h"

namespace secrets::ctl::web {
namespace {

constexpr std::uint16_t kPort = 8080;

/// A request, and whether it is served: always, or only if it asks for the page itself.
struct Row {
    enum class Served { always, visit_only, never };
    const char* what;
    RequestSource source;
    Served served;
};

constexpr auto kAlways = Row::Served::always;
constexpr auto kVisitOnly = Row::Served::visit_only;
constexpr auto kNever = Row::Served::never;

void check_rows(Entrance entrance, const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        CAPTURE(row.what, row.source.host, row.source.origin);
        const Status visit = check_source(row.source, entrance, true);
        const Status request = check_source(row.source, entrance, false);
        CHECK(visit.ok() == (row.served != kNever));
        CHECK(request.ok() == (row.served == kAlways));
        for (const Status* status : {&visit, &request}) {
            if (!status->ok()) CHECK(status->code() == StatusCode::permission_denied);
        }
    }
}

RequestSource from_host(std::string_view host) {
    RequestSource source;
    source.host = host;
    return source;
}

RequestSource from_origin(std::string_view origin, std::string_view host = "127.0.0.1:8080",
                          std::string_view forwarded_host = "") {
    RequestSource source;
    source.host = host;
    source.forwarded_host = forwarded_host;
    source.origin = origin;
    return source;
}

RequestSource fetched(std::string_view site, std::string_view mode, std::string_view origin = "",
                      std::string_view host = "127.0.0.1:8080") {
    RequestSource source = from_origin(origin, host);
    source.fetch_site = site;
    source.fetch_mode = mode;
    return source;
}

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const std::string_view part : parts) text += part;
    return text;
}

TEST_CASE("Web access: serves only names of this host at the loopback entrance") {
    const std::vector<Row> rows{
        {"address", from_host("127.0.0.1:8080"), kAlways},
        {"name", from_host("localhost:8080"), kAlways},
        {"IPv6", from_host("[::1]:8080"), kAlways},
        // The port of the other end of `ssh -L`.
        {"other port", from_host("127.0.0.1:9000"), kAlways},
        {"other port", from_host("localhost:1"), kAlways},
        {"other port", from_host("[::1]:65535"), kAlways},
        {"port 80", from_host("127.0.0.1"), kAlways},
        {"port 80", from_host("localhost"), kAlways},
        {"port 80", from_host("[::1]"), kAlways},
        {"none", from_host(""), kNever},
        {"only a port", from_host(":8080"), kNever},
        {"rebound", from_host("evil.example:8080"), kNever},
        {"rebound", from_host("evil.example"), kNever},
        {"suffix", from_host("127.0.0.1.evil.example:8080"), kNever},
        {"suffix", from_host("localhost.evil.example:8080"), kNever},
        {"suffix", from_host("[::1]evil.example"), kNever},
        {"prefix", from_host("evil-localhost:8080"), kNever},
        {"prefix", from_host("app.localhost:8080"), kNever},
        {"other address", from_host("127.0.0.2:8080"), kNever},
        {"other address", from_host("0.0.0.0:8080"), kNever},
        {"other address", from_host("192.0.2.1:8080"), kNever},
        {"other address", from_host("[::2]:8080"), kNever},
        {"unspecified", from_host("[::]:8080"), kNever},
        {"unfinished", from_host("[::1"), kNever},
        {"without brackets", from_host("::1"), kNever},
        {"with blanks", from_host(" localhost"), kNever},
    };
    check_rows(Entrance::loopback, rows);
}

TEST_CASE("Web access: takes no forwarded host for a name at the loopback entrance") {
    RequestSource source = from_host("evil.example");
    source.forwarded_host = "127.0.0.1:8080";
    CHECK_FALSE(check_source(source, Entrance::loopback, true).ok());
}

TEST_CASE("Web access: serves only the page's own origin at the loopback entrance") {
    check_rows(Entrance::loopback,
               {
                   {"own", from_origin("http://127.0.0.1:8080"), kAlways},
                   {"own", from_origin("http://localhost:8080", "localhost:8080"), kAlways},
                   {"own", from_origin("http://[::1]:8080", "[::1]:8080"), kAlways},
                   {"own at port 80", from_origin("http://localhost", "localhost"), kAlways},
                   {"opaque", from_origin("null"), kNever},
                   {"other port", from_origin("http://127.0.0.1:8081"), kNever},
                   {"port 80", from_origin("http://127.0.0.1"), kNever},
                   {"longer port", from_origin("http://127.0.0.1:80800"), kNever},
                   {"other name of this host", from_origin("http://localhost:8080"), kNever},
                   {"other scheme", from_origin("https://127.0.0.1:8080"), kNever},
                   {"other scheme", from_origin("chrome-extension://127.0.0.1:8080"), kNever},
                   {"no scheme", from_origin("127.0.0.1:8080"), kNever},
                   {"no host", from_origin("http://"), kNever},
                   {"with a path", from_origin("http://127.0.0.1:8080/"), kNever},
                   {"other site", from_origin("http://evil.example"), kNever},
                   {"other site", from_origin("https://evil.example:8080"), kNever},
                   {"list", from_origin("http://evil.example http://127.0.0.1:8080"), kNever},
                   {"forwarded",
                    from_origin("http://evil.example", "127.0.0.1:8080", "evil.example"), kNever},
               });
}

TEST_CASE("Web access: serves what the browser says comes from the page, and visits of it") {
    for (const Entrance entrance : {Entrance::loopback, Entrance::unix_socket}) {
        check_rows(
            entrance,
            {
                {"old browser", fetched("", ""), kAlways},
                {"page", fetched("same-origin", "cors"), kAlways},
                {"page", fetched("same-origin", "cors", "http://127.0.0.1:8080"), kAlways},
                {"page's file", fetched("same-origin", "no-cors"), kAlways},
                {"reload", fetched("same-origin", "navigate"), kAlways},
                {"address bar", fetched("none", "navigate"), kAlways},
                {"link on another site", fetched("cross-site", "navigate"), kVisitOnly},
                {"link on another port", fetched("same-site", "navigate"), kVisitOnly},
                {"other site", fetched("cross-site", "cors"), kNever},
                {"other site's image", fetched("cross-site", "no-cors"), kNever},
                {"other port", fetched("same-site", "cors"), kNever},
                {"other port's image", fetched("same-site", "no-cors"), kNever},
                {"other port's socket", fetched("same-site", "websocket"), kNever},
                {"no mode", fetched("cross-site", ""), kNever},
                {"unknown word", fetched("same-origin-too", "cors"), kNever},
                {"form of another site", fetched("cross-site", "navigate", "http://evil.example"),
                 kNever},
                {"form of an opaque site", fetched("cross-site", "navigate", "null"), kNever},
                {"contradiction", fetched("same-origin", "cors", "http://evil.example"), kNever},
            });
    }
}

TEST_CASE("Web access: checks the host of visits too at the loopback entrance") {
    const auto rebound = fetched("none", "navigate", "", "evil.example:8080");
    CHECK_FALSE(check_source(rebound, Entrance::loopback, true).ok());
    const auto own = fetched("same-origin", "cors", "http://evil.example", "evil.example");
    CHECK_FALSE(check_source(own, Entrance::loopback, false).ok());
}

TEST_CASE("Web access: serves any host of a proxy at a Unix socket, but no other origin") {
    constexpr std::string_view kHub = "https://hub.example";
    check_rows(
        Entrance::unix_socket,
        {
            {"any host", from_host("localhost"), kAlways},
            {"any host", from_host("hub.example"), kAlways},
            {"no host", from_host(""), kAlways},
            {"own", from_origin(kHub, "hub.example"), kAlways},
            {"own without TLS", from_origin("http://hub.example:80", "hub.example:80"), kAlways},
            {"forwarded", from_origin(kHub, "localhost", "hub.example"), kAlways},
            {"last forwarded", from_origin(kHub, "localhost", "a.example, hub.example"), kAlways},
            {"first forwarded", from_origin(kHub, "localhost", "hub.example,a.example"), kAlways},
            {"none forwarded", from_origin(kHub, "localhost"), kNever},
            {"other site", from_origin("https://evil.example", "hub.example"), kNever},
            {"other site", from_origin("https://evil.example", "a.example", "b.example, ,"),
             kNever},
            {"part of a name", from_origin("https://hub", "localhost", "hub.example"), kNever},
            {"suffix", from_origin("https://hub.example.evil", "localhost", "hub.example"), kNever},
            {"other port", from_origin("https://hub.example:8443", "hub.example"), kNever},
            {"opaque", from_origin("null", "null", "null"), kNever},
            {"no scheme", from_origin("hub.example", "hub.example"), kNever},
        });
}

TEST_CASE("Web access: tells how to open the page, and which requests it refuses") {
    CHECK(check_source(from_host("evil.example"), Entrance::loopback, true).message() ==
          "this page is served as 127.0.0.1 or localhost only; open the link that secretctl web "
          "shows");
    CHECK(check_source(from_origin("null"), Entrance::loopback, false).message() ==
          "the request comes from another site's page, which may not use this one");
}

bool is_random_word(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// Returns the cookie without its attributes, as a browser sends it.
std::string sent_cookie(const Access& access) {
    const std::string field = access.cookie();
    return field.substr(0, field.find(';'));
}

TEST_CASE("Web access: opens a link once, and replaces its token each time") {
    Access access(kPort);
    std::set<std::string> tokens;
    for (int n = 0; n < 10; ++n) {
        const std::string token = access.token();
        CHECK(is_random_word(token));
        CHECK(tokens.insert(token).second);
        CHECK(access.open(token));
        CHECK_FALSE(access.open(token));
    }
    for (const std::string& token : tokens) CHECK_FALSE(access.open(token));
}

TEST_CASE("Web access: opens no link with a wrong token, and keeps the right one") {
    Access access(kPort);
    const std::string token = access.token();
    std::string upper = token;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c; });
    std::string other_end = token;
    other_end.back() = other_end.back() == '0' ? '1' : '0';
    std::vector<std::string> wrong{"",          token.substr(1),           token.substr(0, 63),
                                   token + "0", token + std::string(1, 0), " " + token,
                                   other_end,   Access(kPort).token(),     sent_cookie(access)};
    if (upper != token) wrong.push_back(upper);
    for (const std::string& each : wrong) {
        CAPTURE(each);
        CHECK_FALSE(access.open(each));
    }
    CHECK(access.token() == token);
    CHECK(access.open(token));
}

TEST_CASE("Web access: makes a cookie of its own that no script and no other site gets") {
    const Access access(kPort);
    const std::string field = access.cookie();
    const std::string name = "slurm-secrets-8080=";
    REQUIRE(field.starts_with(name));
    CHECK(is_random_word(field.substr(name.size(), 64)));
    CHECK(field.substr(name.size() + 64) == "; Path=/; HttpOnly; SameSite=Strict");
    CHECK(field.find(access.token()) == field.npos);
    CHECK(field == access.cookie());
    CHECK(field != Access(kPort).cookie());
}

TEST_CASE("Web access: accepts only its exact cookie") {
    const Access access(kPort);
    const std::string cookie = sent_cookie(access);
    const std::size_t mark = cookie.find('=');
    const std::string name = cookie.substr(0, mark);
    const std::string value = cookie.substr(mark + 1);
    CHECK(access.has_cookie(cookie));
    std::string other_end = cookie;
    other_end.back() = other_end.back() == '0' ? '1' : '0';
    for (const std::string& wrong :
         {std::string(), name, name + "=", name + "=;", value, "=" + value, name + value,
          joined({name, "==", value}), joined({name, "= ", value}),
          joined({name, "=\"", value, "\""}), cookie + "0", cookie + "=",
          cookie.substr(0, cookie.size() - 1), other_end, "x" + cookie, "x=" + cookie,
          "X" + cookie.substr(1), name + "=" + access.token(),
          // Another port's page has another name, which may begin with this one.
          "slurm-secrets-80=" + value, "slurm-secrets-80801=" + value,
          "slurm-secrets-8081=" + value, sent_cookie(Access(8081)), sent_cookie(Access(kPort))}) {
        CAPTURE(wrong);
        CHECK_FALSE(access.has_cookie(wrong));
    }
}

TEST_CASE("Web access: finds its cookie among others") {
    const Access access(kPort);
    const std::string cookie = sent_cookie(access);
    const std::string other = sent_cookie(Access(8081));
    for (const std::string& cookies :
         {"a=b; " + cookie, cookie + "; a=b", joined({"a=b; ", cookie, "; ", other}),
          "a=b;" + cookie, ";;  ; " + cookie + " ;", "a; " + cookie,
          "slurm-secrets-8080=; " + cookie, "slurm-secrets-8080=old; " + cookie}) {
        CAPTURE(cookies);
        CHECK(access.has_cookie(cookies));
    }
    for (const std::string& cookies : {other + "; a=b", "a=" + cookie + "; b=c", "a=b," + cookie,
                                       ";" + other + ";", std::string("; ; ;")}) {
        CAPTURE(cookies);
        CHECK_FALSE(access.has_cookie(cookies));
    }
}

}  // namespace
}  // namespace secrets::ctl::web
