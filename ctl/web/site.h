// SPDX-License-Identifier: Apache-2.0
#pragma once
// Decides what a request gets, by its head. Knows no socket.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>
#include <variant>

#include "ctl/web/access.h"
#include "ctl/web/answers.h"
#include "ctl/web/proof.h"
#include "ctl/web/routes.h"

namespace secrets::ctl::web {

struct RequestHead {
    std::string_view method;
    std::string_view target;
    RequestSource source;
    std::string_view if_match;
    std::string_view if_none_match;
    std::uint64_t content_length = 0;
    bool is_chunked = false;
};

/// A request that the agent answers, after its body is read.
struct AgentRequest {
    const ApiRoute* route = nullptr;
    ApiRequest request;
};

/// The page, its files, and what its code may ask. Not thread-safe.
class Site {
  public:
    using Clock = std::chrono::steady_clock;
    using Decision = std::variant<SiteAnswer, AgentRequest>;

    /// `opened`: called after a browser has opened the link; link() then returns the next one.
    Site(Entrance entrance, std::uint16_t port, std::function<void()> opened);

    /// Returns the answer, or what to ask the agent. `peer`: whether the connection is the user's.
    Decision decide(const RequestHead& head, const Status& peer);

    /// Returns the path and query of the link that opens the page now; for a Unix socket just "/".
    std::string link() const;

    /// Returns when the page was last used. Requests that the page sends by itself
    /// do not count.
    Clock::time_point last_use() const { return last_use_; }

  private:
    SiteAnswer prove(const RequestHead& head) const;
    Decision decide_api(const RequestHead& head, std::string_view target);
    SiteAnswer page(const RequestHead& head);
    bool is_open_to(const RequestHead& head) const;

    Entrance entrance_;
    Access access_;
    Proof proof_;
    std::function<void()> opened_;
    Clock::time_point last_use_ = Clock::now();
};

}  // namespace secrets::ctl::web
