// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/run_list.h"

#include <charconv>

#include "agentd/api/handlers.h"
#include "agentd/api/responses.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/net/let_others_run.h"

namespace secrets::api {
namespace {

namespace asio = boost::asio;

/// Time that a slice waits for users and groups that must be looked up.
constexpr auto kPatience = std::chrono::seconds(5);

StatusOr<std::size_t> parse_limit(std::string_view text) {
    std::size_t limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit == 0 ||
        limit > kMostRunsOfPage) {
        return Status::invalid("the query parameter 'limit' is not a number from 1 to " +
                               std::to_string(kMostRunsOfPage));
    }
    return limit;
}

HttpResponse answer_with(const std::string& items, std::string_view next) {
    return {200, "application/json", runs_json(items, next)};
}

void append(std::string& items, const std::vector<service::RunInfo>& runs) {
    for (const service::RunInfo& run : runs) {
        if (!items.empty()) items += ',';
        items += run_head_json(run);
    }
}

/// Answers with the list of all runs, of which `items` and `after` are the slice so far and its
/// last id.
asio::awaitable<HttpResponse> list_in_slices(service::RunService& runs, auth::Principal caller,
                                             std::string items, std::string after, IsGone is_gone) {
    while (true) {
        co_await net::let_others_run();
        if (is_gone()) co_return HttpResponse{204, "", ""};
        const auth::LookupAttempts attempts(kPatience);
        auto page = attempts.run([&] { return runs.list_runs(caller, after, kRunsOfSlice); });
        while (auth::is_pending(page)) {
            co_await attempts.wait();
            page = attempts.run([&] { return runs.list_runs(caller, after, kRunsOfSlice); });
        }
        if (!page) co_return refused(page.status());
        append(items, page->runs);
        if (!page->has_more) co_return answer_with(items, "");
        after = page->runs.back().head.id.text();
    }
}

}  // namespace

HttpResponse list_runs(const RouteCall& call) {
    const auto limit_text = call.query.find("limit");
    const auto cursor = call.query.find("cursor");
    const bool is_page = limit_text != call.query.end() || cursor != call.query.end();
    std::size_t limit = is_page ? kMostRunsOfPage : kRunsOfSlice;
    if (limit_text != call.query.end()) {
        const auto parsed = parse_limit(limit_text->second);
        if (!parsed) return problem(400, parsed.status().message());
        limit = *parsed;
    }
    std::string after;
    if (cursor != call.query.end()) {
        if (!RunId::parse(cursor->second)) {
            return problem(400,
                           "the query parameter 'cursor' is not the \"next\" of an earlier answer");
        }
        after = cursor->second;
    }
    service::RunService& runs = call.services.runs;
    const auto page = runs.list_runs(call.caller, after, limit);
    if (!page) return refused(page.status());
    std::string items;
    append(items, page->runs);
    if (!page->has_more) return answer_with(items, "");
    std::string last = page->runs.back().head.id.text();
    if (is_page) return answer_with(items, last);
    HttpResponse answer;
    answer.later = [&runs, caller = call.caller, items = std::move(items),
                    last = std::move(last)](IsGone is_gone) {
        return list_in_slices(runs, caller, items, last, std::move(is_gone));
    };
    return answer;
}

}  // namespace secrets::api
