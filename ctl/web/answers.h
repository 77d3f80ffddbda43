// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers to the browser.

#include <string>
#include <string_view>

#include "ctl/client/client.h"

namespace secrets::ctl::web {

struct SiteAnswer {
    unsigned status = 200;
    std::string content_type{};
    std::string body{};
    std::string cookie{};  ///< the field Set-Cookie; empty: none
    std::string allow{};   ///< of a 405: the accepted method
};

/// Returns an answer to the page's code that is no success, in the form of the agent's own
/// (RFC 9457): `detail` is shown to the user.
SiteAnswer problem(unsigned status, std::string_view detail);

/// Returns the agent's answer for the page's code.
SiteAnswer from_agent(Answer answer);

/// Returns a file of the page with that status. `name` must be one.
SiteAnswer page_file(std::string_view name, unsigned status = 200);

}  // namespace secrets::ctl::web
