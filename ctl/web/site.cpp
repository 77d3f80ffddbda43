// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/site.h"

#include "ctl/web/assets.h"

namespace secrets::ctl::web {
namespace {

constexpr std::string_view kToken = "token";
constexpr std::string_view kProofPath = "/api/proof";
constexpr std::size_t kLongestWord = 64;

bool is_api(std::string_view path) {
    return path.starts_with(kApiPath) && path.substr(kApiPath.size()).starts_with('/');
}

SiteAnswer plain(unsigned status, std::string_view sentence) {
    return {status, "text/plain; charset=utf-8", std::string(sentence) + "\n"};
}

SiteAnswer refused(std::string_view path, unsigned status, std::string_view sentence) {
    return is_api(path) ? problem(status, sentence) : plain(status, sentence);
}

/// Returns a file of the page; its HTML has paths of its own.
SiteAnswer file(std::string_view path) {
    const std::string_view name = path.substr(1);
    if (name.ends_with(".html") || find_asset(name) == nullptr) {
        return plain(404, "there is no such page");
    }
    return page_file(name);
}

}  // namespace

Site::Site(Entrance entrance, std::uint16_t port, std::function<void()> opened)
    : entrance_(entrance), access_(port), opened_(std::move(opened)) {}

Site::Decision Site::decide(const RequestHead& head, const Status& peer) {
    const std::string_view path = path_of(head.target);
    if (!peer.ok()) return refused(path, 403, peer.message());
    const bool is_read = head.method == "GET";
    const Status foreign = check_source(head.source, entrance_, is_read && path == "/");
    if (!foreign.ok()) return refused(path, 403, foreign.message());
    if (is_read && path == kProofPath) return prove(head);
    if (is_api(path)) return decide_api(head, head.target.substr(kApiPath.size()));
    if (!is_read) {
        SiteAnswer answer = plain(405, "only GET is accepted at this path");
        answer.allow = "GET";
        return answer;
    }
    if (path == "/") return page(head);
    return path.starts_with('/') ? file(path) : plain(400, "the request's path is malformed");
}

/// Proves to the page that this process has served it.
SiteAnswer Site::prove(const RequestHead& head) const {
    const auto word = parameter(head.target, "word");
    if (!is_open_to(head) || !word || word->size() > kLongestWord) {
        return problem(400, "invalid parameter word");
    }
    return {200, "application/json", "{\"proof\":\"" + proof_.of(*word) + "\"}"};
}

Site::Decision Site::decide_api(const RequestHead& head, std::string_view target) {
    if (!is_open_to(head)) {
        return problem(401,
                       "this browser has not opened the link, or secretctl web was started "
                       "again since; open the link that it shows");
    }
    ApiRequest request{std::string(head.method), std::string(target), head.if_none_match == "*",
                       std::string(head.if_match)};
    const ApiRoute* route = find_route(request);
    if (route == nullptr) return problem(404, "secretctl web does not offer this request");
    if (!head.if_none_match.empty() && head.if_none_match != "*") {
        return problem(400, "invalid If-None-Match; only * is accepted");
    }
    if (head.is_chunked) return problem(411, "the request has no Content-Length");
    if (head.content_length > 0 && route->longest_body == 0) {
        return problem(400, "this request has no body");
    }
    if (head.content_length > route->longest_body) {
        return problem(413, "the text is too long; at most " + std::to_string(route->longest_body) +
                                " bytes are accepted");
    }
    if (!route->is_polled) last_use_ = Clock::now();
    return AgentRequest{route, std::move(request)};
}

SiteAnswer Site::page(const RequestHead& head) {
    const auto token = parameter(head.target, kToken);
    if (token && entrance_ == Entrance::loopback && access_.open(*token)) {
        last_use_ = Clock::now();
        SiteAnswer answer = page_file("opened.html");
        answer.cookie = access_.cookie();
        opened_();
        return answer;
    }
    if (!is_open_to(head)) return page_file("closed.html", 403);
    last_use_ = Clock::now();
    // A used link, by reload or from the history, leads to the page without it.
    SiteAnswer answer = page_file(token ? "opened.html" : "index.html");
    answer.body = entrance_ == Entrance::loopback ? proof_.with_key(std::move(answer.body))
                                                  : Proof::without_key(std::move(answer.body));
    return answer;
}

bool Site::is_open_to(const RequestHead& head) const {
    return entrance_ == Entrance::unix_socket || access_.has_cookie(head.source.cookie);
}

std::string Site::link() const {
    if (entrance_ == Entrance::unix_socket) return "/";
    return "/?" + std::string(kToken) + "=" + access_.token();
}

}  // namespace secrets::ctl::web
