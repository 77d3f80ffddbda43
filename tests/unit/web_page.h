// SPDX-License-Identifier: Apache-2.0
#pragma once
// A page of `secretctl web` without its server, and what a browser sends to it.

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "ctl/web/site.h"
#include "tests/unit/catch.h"

namespace secrets::ctl::web {

inline constexpr std::uint16_t kPagePort = 8080;

/// A page, and the heads of requests that its own code makes.
struct Page {
    explicit Page(Entrance entrance = Entrance::loopback)
        : site(entrance, kPagePort, [this] { ++opened; }) {}

    RequestHead head(std::string_view target, std::string_view method = "GET") const {
        RequestHead head;
        head.method = method;
        head.target = target;
        head.source.host = "127.0.0.1:8080";
        head.source.fetch_site = "same-origin";
        head.source.fetch_mode = "cors";
        head.source.cookie = cookie;
        return head;
    }

    /// Opens the link as a browser does; its next requests have the cookie.
    void open() {
        const std::string link = site.link();
        const auto decision = site.decide(head(link), Status());
        const std::string& field = std::get<SiteAnswer>(decision).cookie;
        cookie = field.substr(0, field.find(';'));
        REQUIRE_FALSE(cookie.empty());
    }

    SiteAnswer answer(const RequestHead& head, const Status& peer = Status()) {
        const auto decision = site.decide(head, peer);
        const auto* answer = std::get_if<SiteAnswer>(&decision);
        if (answer == nullptr) FAIL("the request would go to the agent");
        return *answer;
    }
    SiteAnswer answer(std::string_view target, std::string_view method = "GET") {
        return answer(head(target, method));
    }
    unsigned status(std::string_view target, std::string_view method = "GET") {
        return answer(target, method).status;
    }

    /// Returns whether a request goes on to the agent.
    bool is_asked(const RequestHead& head) {
        return std::holds_alternative<AgentRequest>(site.decide(head, Status()));
    }
    AgentRequest asked(const RequestHead& head) {
        auto decision = site.decide(head, Status());
        if (!std::holds_alternative<AgentRequest>(decision)) FAIL("the agent would not be asked");
        return std::get<AgentRequest>(std::move(decision));
    }

    bool counts_as_use(const RequestHead& head) {
        const auto before = site.last_use();
        while (Site::Clock::now() <= before) {
        }
        site.decide(head, Status());
        return site.last_use() > before;
    }

    int opened = 0;
    std::string cookie;
    Site site;
};

}  // namespace secrets::ctl::web
