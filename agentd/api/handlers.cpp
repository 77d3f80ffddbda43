#include "agentd/api/handlers.h"

#include <array>
#include <charconv>

#include "agentd/api/check_body.h"
#include "agentd/api/grant_body.h"
#include "agentd/api/metrics_text.h"
#include "agentd/api/openapi.h"
#include "agentd/api/push_body.h"
#include "agentd/api/responses.h"
#include "agentd/api/secret_body.h"
#include "agentd/auth/user_database.h"
#include "common/base/limits.h"

namespace secrets::doors {
namespace {

/// What is unavailable for a moment: runs end all the time, and an admin makes room on a disk.
constexpr std::chrono::seconds kRetryAfter{10};

unsigned status_of(desk::Reason reason) {
    switch (reason) {
        case desk::Reason::malformed:
            return 400;
        case desk::Reason::forbidden:
            return 403;
        case desk::Reason::not_found:
            return 404;
        case desk::Reason::conflict:
            return 409;
        case desk::Reason::stale:
            return 412;
        case desk::Reason::too_large:
            return 413;
        case desk::Reason::too_many:
            return 429;
        case desk::Reason::unavailable:
        case desk::Reason::not_offered:
            return 503;
    }
    return 500;
}
HttpAnswer json(unsigned status, std::string body) {
    return {status, "application/json", std::move(body)};
}

HttpAnswer json(unsigned status, std::string body, std::uint64_t generation) {
    HttpAnswer answer = json(status, std::move(body));
    answer.etag = "\"" + std::to_string(generation) + "\"";
    return answer;
}
// JSON may write a byte of a value in two (\n), base64 four in three; names and marks come on top.
std::uint64_t longest_push(const Limits& limits) {
    return 2 * std::uint64_t{limits.run_bytes} + 256 * 1024;
}
std::uint64_t longest_value(const Limits& limits) {
    return 2 * std::uint64_t{limits.value_bytes} + 4 * 1024;
}
std::uint64_t longest_name(const Limits&) {
    return 4 * 1024;
}

// JSON may write a byte of an ask in six.
std::uint64_t longest_ask(const Limits&) {
    return 6 * kMaxAskBytes + 4 * 1024;
}

std::uint64_t longest_report(const Limits&) {
    return 8 * 1024 * 1024;
}

desk::Subjects a_run(const Call& call) {
    return {.runs = {*call.run}};
}

desk::Subjects all_runs(const Call&) {
    return {.all_runs = true};
}

desk::Subjects a_place(const Call& call) {
    return call.desk.subjects_of_place(call.caller, call.place);
}

desk::Subjects workspaces(const Call& call) {
    return call.desk.subjects_of_workspaces();
}

desk::Subjects an_ask(const Call& call) {
    const auto ask = call.query.find("ask");
    if (ask == call.query.end() || !call.caller.uid()) return {};
    return call.desk.subjects_of_ask(*call.caller.uid(), ask->second);
}

std::optional<desk::Refusal> before_push(const Call& call) {
    return call.desk.check_push(call.caller, *call.run);
}

HttpAnswer push(const Call& call, std::span<const std::byte> body) {
    desk::Reason reason{};
    const auto request = parse_push(body, call.desk.limits().value_bytes, &reason);
    if (!request) {
        return refused(
            call.desk.unreadable_push(call.caller, *call.run, {reason, request.error().sentence}));
    }
    const auto answer = call.desk.push_run(call.caller, *call.run, *request, call.precondition);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& pushed = std::get<desk::Pushed>(answer);
    return json(pushed.created ? 201 : 200, run_json(pushed.run), pushed.run.head.generation);
}

HttpAnswer read(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.read_run(call.caller, *call.run);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& run = std::get<desk::RunInfo>(answer);
    return json(200, run_json(run), run.head.generation);
}

HttpAnswer list(const Call& call, std::span<const std::byte>) {
    return json(200, runs_json(call.desk.list_runs(call.caller)));
}

HttpAnswer complete(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.complete_run(call.caller, *call.run, call.precondition);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    return {204, "", ""};
}

HttpAnswer check(const Call& call, std::span<const std::byte>) {
    const auto ask = call.query.find("ask");
    if (ask == call.query.end()) return problem(400, "the query parameter 'ask' is missing");
    const auto answer = call.desk.check(call.caller, ask->second);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    return json(200, check_json(std::get<desk::CheckInfo>(answer)));
}

HttpAnswer events(const Call& call, std::span<const std::byte>) {
    std::optional<std::uint64_t> after;
    if (const auto text = call.query.find("after"); text != call.query.end()) {
        const char* end = text->second.data() + text->second.size();
        std::uint64_t number = 0;
        const auto [stopped, error] = std::from_chars(text->second.data(), end, number);
        if (error != std::errc() || stopped != end) {
            return problem(400, "the query parameter 'after' is no number of an event");
        }
        after = number;
    }
    return json(200, events_json(call.desk.events(call.caller, after)));
}

HttpAnswer status(const Call& call, std::span<const std::byte>) {
    return json(200, status_json(call.desk.status(call.caller)));
}

std::optional<desk::Refusal> before_change(const Call& call) {
    return call.desk.check_keep(call.caller, call.place, call.name);
}

HttpAnswer set_secret(const Call& call, std::span<const std::byte> body) {
    desk::Reason reason = desk::Reason::malformed;
    const auto request = parse_keep(body, call.desk.limits().value_bytes, reason);
    if (!request) {
        return refused(call.desk.unreadable_secret(call.caller, call.place, call.name,
                                                   {reason, request.error().sentence}));
    }
    const auto answer =
        call.desk.set_secret(call.caller, call.place, call.name, *request, call.precondition);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& kept = std::get<desk::Kept>(answer);
    return json(kept.created ? 201 : 200, secret_json(kept.secret), kept.secret.generation);
}

HttpAnswer rename_secret(const Call& call, std::span<const std::byte> body) {
    const auto name = parse_rename(body);
    if (!name) {
        return refused(call.desk.unreadable_secret(
            call.caller, call.place, call.name, {desk::Reason::malformed, name.error().sentence}));
    }
    const auto answer =
        call.desk.rename_secret(call.caller, call.place, call.name, *name, call.precondition);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& head = std::get<people::SecretHead>(answer);
    return json(200, secret_json(head), head.generation);
}

HttpAnswer read_secret(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.read_secret(call.caller, call.place, call.name);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& head = std::get<people::SecretHead>(answer);
    return json(200, secret_json(head), head.generation);
}

HttpAnswer remove_secret(const Call& call, std::span<const std::byte>) {
    if (const auto refusal =
            call.desk.remove_secret(call.caller, call.place, call.name, call.precondition)) {
        return refused(*refusal);
    }
    return {204, "", ""};
}

HttpAnswer list_secrets(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.list_secrets(call.caller, call.place);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& heads = std::get<std::vector<people::SecretHead>>(answer);
    if (call.place.workspace) {
        return json(200, secrets_json("workspace", *call.place.workspace, heads));
    }
    return json(200, secrets_json("owner", call.caller.name(), heads));
}

HttpAnswer list_workspaces(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.list_workspaces(call.caller);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    return json(200, workspaces_json(std::get<std::vector<desk::WorkspaceInfo>>(answer)));
}

std::optional<desk::Refusal> of_agents(const Call& call) {
    if (call.nodes->is_agent(call.caller)) return std::nullopt;
    return desk::Refusal{desk::Reason::forbidden,
                         call.caller.name() +
                             " is not the account that the nodes' agents run as, "
                             "and only they may ask this"};
}

HttpAnswer grant(const Call& call, std::span<const std::byte> body) {
    auto request = parse_grant(body);
    if (!request) return problem(400, request.error().sentence);
    request->has_tag = call.has_tag;
    request->origin = call.origin;
    return call.nodes->grant(std::move(request).value());
}

std::optional<desk::Refusal> before_report(const Call& call) {
    if (call.name.empty() || call.name.size() > kMaxNodeNameBytes) {
        return desk::Refusal{desk::Reason::malformed, "the path has no name of a node"};
    }
    return of_agents(call);
}

HttpAnswer report(const Call& call, std::span<const std::byte> body) {
    auto held = parse_report(body);
    if (!held) return problem(400, held.error().sentence);
    return call.nodes->report({call.name, std::move(held).value(), call.origin});
}

HttpAnswer check_submission(const Call& call, std::span<const std::byte> body) {
    auto request = parse_check(body);
    if (!request) return problem(400, request.error().sentence);
    request->origin = call.origin;
    return call.nodes->check(std::move(request).value());
}

HttpAnswer openapi(const Call&, std::span<const std::byte>) {
    return json(200, std::string(openapi_json()));
}

HttpAnswer metrics_text(const Call& call, std::span<const std::byte>) {
    return {200, "text/plain; version=0.0.4; charset=utf-8",
            metrics::text(call.desk.status(call.caller), call.desk.limits())};
}

// clang-format off
constexpr auto kRoutes = std::to_array<Route>({
    // method    path                                       query    longest body    about       before         handle
    {"PUT",    "/v1/runs/{run}",                             "",      longest_push,   a_run,      before_push,   push},
    {"GET",    "/v1/runs/{run}",                             "",      nullptr,        a_run,      nullptr,       read},
    {"DELETE", "/v1/runs/{run}",                             "",      nullptr,        a_run,      nullptr,       complete},
    {"GET",    "/v1/runs",                                   "",      nullptr,        all_runs,   nullptr,       list},
    {"GET",    "/v1/secrets",                                "",      nullptr,        a_place,    nullptr,       list_secrets},
    {"GET",    "/v1/secrets/{name}",                         "",      nullptr,        a_place,    nullptr,       read_secret},
    {"PUT",    "/v1/secrets/{name}",                         "",      longest_value,  a_place,    before_change, set_secret},
    {"PATCH",  "/v1/secrets/{name}",                         "",      longest_name,   a_place,    before_change, rename_secret},
    {"DELETE", "/v1/secrets/{name}",                         "",      nullptr,        a_place,    before_change, remove_secret},
    {"GET",    "/v1/workspaces",                             "",      nullptr,        workspaces, nullptr,       list_workspaces},
    {"GET",    "/v1/workspaces/{workspace}/secrets",         "",      nullptr,        a_place,    nullptr,       list_secrets},
    {"GET",    "/v1/workspaces/{workspace}/secrets/{name}",  "",      nullptr,        a_place,    nullptr,       read_secret},
    {"PUT",    "/v1/workspaces/{workspace}/secrets/{name}",  "",      longest_value,  a_place,    before_change, set_secret},
    {"PATCH",  "/v1/workspaces/{workspace}/secrets/{name}",  "",      longest_name,   a_place,    before_change, rename_secret},
    {"DELETE", "/v1/workspaces/{workspace}/secrets/{name}",  "",      nullptr,        a_place,    before_change, remove_secret},
    {"POST",   "/v1/grants",                                 "",      longest_ask,    nullptr,    of_agents,     grant, true},
    {"PUT",    "/v1/nodes/{name}/holds",                     "",      longest_report, nullptr,    before_report, report, true},
    {"POST",   "/v1/checks",                                 "",      longest_ask,    nullptr,    of_agents,     check_submission, true},
    {"GET",    "/v1/check",                                  "ask",   nullptr,        an_ask,     nullptr,       check},
    {"GET",    "/v1/events",                                 "after", nullptr,        nullptr,    nullptr,       events, false, true},
    {"GET",    "/v1/status",                                 "",      nullptr,        nullptr,    nullptr,       status, false, true},
    {"GET",    "/v1/openapi.json",                           "",      nullptr,        nullptr,    nullptr,       openapi, false, true},
    {"GET",    "/metrics",                                   "",      nullptr,        nullptr,    nullptr,       metrics_text, false, true},
});
// clang-format on
}  // namespace

std::span<const Route> route_table() {
    return kRoutes;
}

HttpAnswer refused(const desk::Refusal& refusal) {
    HttpAnswer answer = problem(status_of(refusal.reason), refusal.sentence);
    if (refusal.reason == desk::Reason::unavailable) answer.retry_after = kRetryAfter;
    return answer;
}
}  // namespace secrets::doors
