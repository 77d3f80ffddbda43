// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/handlers.h"

#include <charconv>

#include "agentd/api/metrics_text.h"
#include "agentd/api/openapi.h"
#include "agentd/api/push_body.h"
#include "agentd/api/responses.h"
#include "agentd/api/run_list.h"
#include "agentd/api/secret_body.h"
#include "agentd/auth/user_database.h"

namespace secrets::api {
namespace {

/// Retry-After if something is unavailable: runs end all the time, and an admin frees disk space.
constexpr std::chrono::seconds kRetryAfter{10};

/// Returns the HTTP status for a code.
unsigned http_status_of(StatusCode code) {
    switch (code) {
        case StatusCode::invalid_argument:
            return 400;
        case StatusCode::permission_denied:
            return 403;
        case StatusCode::not_found:
            return 404;
        case StatusCode::conflict:
            return 409;
        case StatusCode::failed_precondition:
            return 412;
        case StatusCode::too_large:
            return 413;
        case StatusCode::resource_exhausted:
            return 429;
        case StatusCode::unavailable:
        case StatusCode::pending:
        case StatusCode::not_configured:
            return 503;
        case StatusCode::ok:
        case StatusCode::failed:
            break;
    }
    return 500;
}
HttpResponse json(unsigned status, std::string body) {
    return {status, "application/json", std::move(body)};
}

HttpResponse json(unsigned status, std::string body, std::uint64_t generation) {
    HttpResponse answer = json(status, std::move(body));
    answer.etag = "\"" + std::to_string(generation) + "\"";
    return answer;
}
// JSON may write a byte of a value as two (\n), base64 three as four; names and marks add some.
std::uint64_t longest_push(const Limits& limits) {
    return 2 * std::uint64_t{limits.run_bytes} + 256 * 1024;
}
std::uint64_t longest_value(const Limits& limits) {
    return 2 * std::uint64_t{limits.value_bytes} + 4 * 1024;
}
std::uint64_t longest_name(const Limits&) {
    return 4 * 1024;
}

service::DocumentKeys a_run(const RouteCall& call) {
    return {.runs = {*call.run}};
}

service::DocumentKeys all_runs(const RouteCall&) {
    return {.all_runs = true};
}

service::DocumentKeys a_scope(const RouteCall& call) {
    return call.services.replication.documents_of_scope(call.caller, call.scope);
}

service::DocumentKeys workspaces(const RouteCall& call) {
    return call.services.replication.documents_of_workspaces();
}

service::DocumentKeys a_spec(const RouteCall& call) {
    const auto spec = call.query.find("ask");
    if (spec == call.query.end() || !call.caller.uid()) return {};
    return call.services.replication.documents_of_spec(*call.caller.uid(), spec->second);
}

Status before_push(const RouteCall& call) {
    return call.services.runs.check_push(call.caller, *call.run);
}

HttpResponse push(const RouteCall& call, std::span<const std::byte> body) {
    const auto request = parse_push(body, call.services.context.limits.value_bytes);
    if (!request) {
        return refused(
            call.services.runs.reject_unreadable_push(call.caller, *call.run, request.status()));
    }
    const auto answer =
        call.services.runs.push_run(call.caller, *call.run, *request, call.precondition);
    if (!answer.ok()) return refused(answer.status());
    const auto& pushed = answer.value();
    return json(pushed.created ? 201 : 200, run_json(pushed.run), pushed.run.head.generation);
}

HttpResponse read(const RouteCall& call, std::span<const std::byte>) {
    const auto answer = call.services.runs.read_run(call.caller, *call.run);
    if (!answer.ok()) return refused(answer.status());
    const auto& run = answer.value();
    return json(200, run_json(run), run.head.generation);
}

HttpResponse list(const RouteCall& call, std::span<const std::byte>) {
    return list_runs(call);
}

HttpResponse complete(const RouteCall& call, std::span<const std::byte>) {
    const auto answer = call.services.runs.complete_run(call.caller, *call.run, call.precondition);
    if (!answer.ok()) return refused(answer.status());
    return {204, "", ""};
}

HttpResponse check(const RouteCall& call, std::span<const std::byte>) {
    const auto spec = call.query.find("ask");
    if (spec == call.query.end()) return problem(400, "the query parameter 'ask' is missing");
    const auto answer = call.services.grants.check(call.caller, spec->second);
    if (!answer.ok()) return refused(answer.status());
    return json(200, check_json(answer.value()));
}

HttpResponse events(const RouteCall& call, std::span<const std::byte>) {
    std::optional<std::uint64_t> after;
    if (const auto text = call.query.find("after"); text != call.query.end()) {
        const char* end = text->second.data() + text->second.size();
        std::uint64_t number = 0;
        const auto [stopped, error] = std::from_chars(text->second.data(), end, number);
        if (error != std::errc() || stopped != end) {
            return problem(400, "the query parameter 'after' is not a valid event number");
        }
        after = number;
    }
    return json(200, events_json(call.services.status.events(call.caller, after)));
}

HttpResponse status_of(const service::Services& services, const auth::Principal& caller) {
    return json(200, status_json(services.status.status(caller)));
}

boost::asio::awaitable<HttpResponse> checked_status(const service::Services& services,
                                                    auth::Principal caller) {
    co_await services.status.check();
    co_return status_of(services, caller);
}

HttpResponse status(const RouteCall& call, std::span<const std::byte>) {
    const auto check = call.query.find("check");
    if (check == call.query.end()) return status_of(call.services, call.caller);
    if (check->second != "hubs") {
        return problem(400, "the query parameter 'check' is not valid; expected 'hubs'");
    }
    HttpResponse answer;
    answer.later = [&services = call.services, caller = call.caller](const IsGone&) {
        return checked_status(services, caller);
    };
    return answer;
}

Status before_change(const RouteCall& call) {
    return call.services.secrets.check_change(call.caller, call.scope, call.name);
}

HttpResponse put_secret(const RouteCall& call, std::span<const std::byte> body) {
    const auto request = parse_put_secret(body, call.services.context.limits.value_bytes);
    if (!request) {
        return refused(call.services.secrets.reject_unreadable_secret(call.caller, call.scope,
                                                                      call.name, request.status()));
    }
    const auto answer = call.services.secrets.put_secret(call.caller, call.scope, call.name,
                                                         *request, call.precondition);
    if (!answer.ok()) return refused(answer.status());
    const auto& stored = answer.value();
    return json(stored.created ? 201 : 200, secret_json(stored.secret), stored.secret.generation);
}

HttpResponse rename_secret(const RouteCall& call, std::span<const std::byte> body) {
    const auto name = parse_rename(body);
    if (!name) {
        return refused(call.services.secrets.reject_unreadable_secret(call.caller, call.scope,
                                                                      call.name, name.status()));
    }
    const auto answer = call.services.secrets.rename_secret(call.caller, call.scope, call.name,
                                                            *name, call.precondition);
    if (!answer.ok()) return refused(answer.status());
    const auto& head = answer.value();
    return json(200, secret_json(head), head.generation);
}

HttpResponse read_secret(const RouteCall& call, std::span<const std::byte>) {
    const auto answer = call.services.secrets.read_secret(call.caller, call.scope, call.name);
    if (!answer.ok()) return refused(answer.status());
    const auto& head = answer.value();
    return json(200, secret_json(head), head.generation);
}

HttpResponse remove_secret(const RouteCall& call, std::span<const std::byte>) {
    if (const Status refusal = call.services.secrets.remove_secret(call.caller, call.scope,
                                                                   call.name, call.precondition);
        !refusal.ok()) {
        return refused(refusal);
    }
    return {204, "", ""};
}

HttpResponse list_secrets(const RouteCall& call, std::span<const std::byte>) {
    const auto answer = call.services.secrets.list_secrets(call.caller, call.scope);
    if (!answer.ok()) return refused(answer.status());
    if (call.scope.workspace) {
        return json(200, secrets_json("workspace", *call.scope.workspace, answer.value()));
    }
    return json(200, secrets_json("owner", call.caller.name(), answer.value()));
}

HttpResponse list_workspaces(const RouteCall& call, std::span<const std::byte>) {
    const auto answer = call.services.secrets.list_workspaces(call.caller);
    if (!answer.ok()) return refused(answer.status());
    return json(200, workspaces_json(answer.value()));
}

HttpResponse openapi(const RouteCall&, std::span<const std::byte>) {
    return json(200, std::string(openapi_json()));
}

HttpResponse metrics_text(const RouteCall& call, std::span<const std::byte>) {
    return {200, "text/plain; version=0.0.4; charset=utf-8",
            metrics::text(call.services.status.status(call.caller), call.services.context.limits)};
}

}  // namespace

std::vector<Route> route_table() {
    // clang-format off
    return {
        // method  path                                      query    longest body   about       before         handle
        {"PUT",    "/v1/runs/{run}",                             "",      longest_push,  a_run,      before_push,   push},
        {"GET",    "/v1/runs/{run}",                             "",      nullptr,       a_run,      nullptr,       read},
        {"DELETE", "/v1/runs/{run}",                             "",      nullptr,       a_run,      nullptr,       complete},
        {"GET",    "/v1/runs",                                   "limit cursor", nullptr, all_runs,   nullptr,       list},
        {"GET",    "/v1/secrets",                                "",      nullptr,       a_scope,    nullptr,       list_secrets},
        {"GET",    "/v1/secrets/{name}",                         "",      nullptr,       a_scope,    nullptr,       read_secret},
        {"PUT",    "/v1/secrets/{name}",                         "",      longest_value, a_scope,    before_change, put_secret},
        {"PATCH",  "/v1/secrets/{name}",                         "",      longest_name,  a_scope,    before_change, rename_secret},
        {"DELETE", "/v1/secrets/{name}",                         "",      nullptr,       a_scope,    before_change, remove_secret},
        {"GET",    "/v1/workspaces",                             "",      nullptr,       workspaces, nullptr,       list_workspaces},
        {"GET",    "/v1/workspaces/{workspace}/secrets",         "",      nullptr,       a_scope,    nullptr,       list_secrets},
        {"GET",    "/v1/workspaces/{workspace}/secrets/{name}",  "",      nullptr,       a_scope,    nullptr,       read_secret},
        {"PUT",    "/v1/workspaces/{workspace}/secrets/{name}",  "",      longest_value, a_scope,    before_change, put_secret},
        {"PATCH",  "/v1/workspaces/{workspace}/secrets/{name}",  "",      longest_name,  a_scope,    before_change, rename_secret},
        {"DELETE", "/v1/workspaces/{workspace}/secrets/{name}",  "",      nullptr,       a_scope,    before_change, remove_secret},
        {"GET",    "/v1/check",                                  "ask",   nullptr,       a_spec,     nullptr,       check},
        {"GET",    "/v1/events",                                 "after", nullptr,       nullptr,    nullptr,       events, true},
        {"GET",    "/v1/status",                                 "check", nullptr,       nullptr,    nullptr,       status, true},
        {"GET",    "/v1/openapi.json",                           "",      nullptr,       nullptr,    nullptr,       openapi, true},
        {"GET",    "/metrics",                                   "",      nullptr,       nullptr,    nullptr,       metrics_text, true},
    };
    // clang-format on
}

HttpResponse refused(const Status& refusal, std::string_view type) {
    HttpResponse answer = problem(http_status_of(refusal.code()), refusal.message(), type);
    answer.is_pending = refusal.code() == StatusCode::pending;
    if (refusal.code() == StatusCode::unavailable || answer.is_pending) {
        answer.retry_after = kRetryAfter;
    }
    return answer;
}
}  // namespace secrets::api
