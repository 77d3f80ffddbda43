// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/run_list.h"

#include "common/base/text_encoding.h"
#include "ctl/client/answer.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

/// The most that an agent gives at a time.
constexpr const char* kFirstPage = "/v1/runs?limit=1000";

json::object read_first_page(const Session& agent) {
    const Answer answer = agent.client().send({Method::get, kFirstPage, {}});
    if (answer.status != 400) return read_object(answer);
    // An agent or a hub of an earlier version knows no such parameter, and has one page.
    return read_object(agent.ask_quietly({Method::get, "/v1/runs", {}}));
}

}  // namespace

json::object read_all_runs(const Session& agent) {
    json::object all = read_first_page(agent);
    json::array runs = array_of(all, "runs");
    std::string after;
    while (all.contains("next") && text_of(all, "next") > after) {  // an agent must go forward
        after = text_of(all, "next");
        all = read_object(agent.ask_quietly(
            {Method::get, kFirstPage + ("&cursor=" + percent_encoded(after)), {}}));
        for (const json::value& run : array_of(all, "runs")) runs.push_back(run);
    }
    all["runs"] = std::move(runs);
    all.erase("next");
    return all;
}

}  // namespace secrets::ctl
