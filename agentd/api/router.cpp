// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/router.h"

#include <algorithm>
#include <charconv>

#include "agentd/api/handlers.h"
#include "agentd/api/responses.h"
#include "agentd/audit/audit_log.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/shared_store.h"
#include "common/base/names.h"
#include "common/base/text_encoding.h"

namespace secrets::api {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kJson = "application/json";

/// Time that a client waits for the shared store: for a read, and for a change, which may have to
/// wait until the store has a leader again. Only a list of runs, and no other response, may be as
/// old as that.
constexpr auto kPatienceToRead = std::chrono::seconds(5);
constexpr auto kPatienceToChange = std::chrono::seconds(20);

std::string_view title_of(unsigned status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 411:
            return "Length Required";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        case 504:
            return "Gateway Timeout";
        default:
            return "Internal Server Error";
    }
}

/// The part of a path that matches each `{…}` of a pattern, not decoded yet.
using Parameters = std::vector<std::pair<std::string_view, std::string_view>>;

/// Removes the first part of a path, with the slash before it, and returns that part.
std::string_view take_part(std::string_view& path) {
    const std::string_view part = path.substr(0, path.find('/', 1));
    path.remove_prefix(part.size());
    return part;
}

/// Returns whether `path` matches `pattern`.
bool matches(std::string_view pattern, std::string_view path, Parameters& parameters) {
    parameters.clear();
    while (!pattern.empty() && !path.empty()) {
        const std::string_view wanted = take_part(pattern);
        const std::string_view part = take_part(path);
        if (wanted.starts_with("/{") && part.starts_with('/')) {
            parameters.emplace_back(wanted.substr(2, wanted.size() - 3), part.substr(1));
        } else if (wanted != part) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

/// Reads one part of the path into the call.
Status read_parameter(std::string_view which, std::string_view text, RouteCall& call) {
    const auto decoded = percent_decoded(text);
    std::string value = decoded ? *decoded : std::string(text);
    if (which == "run") {
        auto run = RunId::parse(value);
        if (!run) return run.status();
        call.run = std::move(run).value();
    } else if (which == "workspace") {
        if (Status why = check_workspace_name(value); !why.ok()) return why;
        call.scope.workspace = std::move(value);
    } else {
        call.name = std::move(value);
    }
    return Status();
}

/// Returns the generation that an entity tag stands for.
std::optional<std::uint64_t> generation_of(std::string_view tag) {
    if (tag.size() < 3 || !tag.starts_with('"') || !tag.ends_with('"')) return std::nullopt;
    tag = tag.substr(1, tag.size() - 2);
    std::uint64_t generation = 0;
    const auto [end, error] = std::from_chars(tag.data(), tag.data() + tag.size(), generation);
    if (error != std::errc() || end != tag.data() + tag.size()) return std::nullopt;
    return generation;
}

/// Reads the preconditions of a change; a GET is answered as if it had none.
Status read_precondition(const RequestHead& head, service::Precondition& precondition) {
    if (head.method == "GET") return Status();
    if (head.if_match == "*") {
        precondition.exists = true;
    } else if (!head.if_match.empty()) {
        precondition.generation = generation_of(head.if_match);
        if (!precondition.generation) {
            return Status::invalid(
                "If-Match: " + in_quotes(head.if_match) +
                " is not a valid entity tag; expected * or one ETag that a GET returned");
        }
    }
    if (head.if_none_match.empty()) return Status();
    if (head.if_none_match != "*") return Status::invalid("If-None-Match: only * is accepted");
    precondition.is_new = true;
    return Status();
}

/// Returns whether `names`, with spaces between them, has this one.
bool has_name(std::string_view names, std::string_view name) {
    while (!names.empty()) {
        const std::string_view each = names.substr(0, names.find(' '));
        if (each == name) return true;
        names.remove_prefix(std::min(each.size() + 1, names.size()));
    }
    return false;
}

std::optional<HttpResponse> read_query(std::string_view query, const Route& route,
                                       RouteCall& call) {
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
        const std::string_view name = part.substr(0, part.find('='));
        const auto value =
            percent_decoded(part.size() > name.size() ? part.substr(name.size() + 1) : "");
        if (!has_name(route.query, name)) {
            return problem(400, "unknown query parameter " + in_quotes(name));
        }
        if (!value) return problem(400, "the query parameter " + in_quotes(name) + " is malformed");
        if (!call.query.emplace(name, *value).second) {
            return problem(400, "duplicate query parameter " + in_quotes(name));
        }
    }
    return std::nullopt;
}

/// Returns whether a Content-Type is JSON, in any case and with any parameters.
bool is_json(std::string_view content_type) {
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
    return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

/// Runs in a coroutine frame of its own: the caller's frame is gone when this one resumes.
asio::awaitable<HttpResponse> change_shared(RouteCall call, const Route& route,
                                            service::SharedStore& shared,
                                            std::shared_ptr<SecretBuffer> body) {
    HttpResponse answer;
    const auto deadline = service::SharedStore::Clock::now() + kPatienceToChange;
    const auth::LookupAttempts attempts(kPatienceToRead);
    while (true) {
        std::function<void()> change = [&] {
            answer = attempts.run([&] { return route.handle(call, body->bytes()); });
        };
        service::DocumentKeys about = route.about(call);
        auto failure = co_await shared.change(std::move(about), std::move(change), deadline);
        if (!failure.ok()) co_return refused(service::not_changed(failure));
        if (!answer.is_pending) co_return answer;
        co_await attempts.wait();
    }
}

/// Returns what is wrong with the body that the head announces.
std::optional<HttpResponse> check_body(const RequestHead& head, const Route& route,
                                       const Limits& limits) {
    if (route.longest_body == nullptr) {
        if (!head.has_body) return std::nullopt;
        return problem(400, "a " + std::string(head.method) + " of this path accepts no body");
    }
    if (!head.content_length) {
        return problem(411, "the request needs a Content-Length (no chunked encoding)");
    }
    if (!is_json(head.content_type)) {
        return problem(415, "the body must be JSON, with Content-Type: application/json");
    }
    const std::uint64_t longest = route.longest_body(limits);
    if (*head.content_length > longest) {
        return problem(413, "the body has " + std::to_string(*head.content_length) +
                                " bytes; at most " + std::to_string(longest) +
                                " are accepted (limits in the agent's configuration)");
    }
    return std::nullopt;
}

}  // namespace

HttpResponse problem(unsigned status, std::string_view detail, std::string_view type) {
    return {status, "application/problem+json",
            problem_json(status, title_of(status), detail, type)};
}

/// A route, and a request on its way through it.
struct Router::Found {
    const Route& route;
    RouteCall call;
    bool is_forwarded = false;

    bool is_change() const { return route.about != nullptr && route.method != "GET"; }
};

std::variant<Router::Found, HttpResponse> Router::route_of(const RequestHead& head) {
    const auto question = head.target.find('?');
    const auto path = head.target.substr(0, question);
    const auto query = question == head.target.npos ? "" : head.target.substr(question + 1);
    std::string allow;
    for (const Route& route : routes_) {
        Parameters parameters;
        if (!matches(route.path, path, parameters)) continue;
        if (route.method != head.method) {
            allow += (allow.empty() ? "" : ", ") + std::string(route.method);
            continue;
        }
        RouteCall call{services_, head.caller, head.origin, std::nullopt, {}, {}, {}, {}, {}};
        for (const auto& [which, text] : parameters) {
            if (const Status wrong = read_parameter(which, text, call); !wrong.ok()) {
                return problem(400, wrong.message());
            }
        }
        if (route.reads_tag) {
            call.has_tag = head.if_none_match;
        } else if (const Status wrong = read_precondition(head, call.precondition); !wrong.ok()) {
            return problem(400, wrong.message());
        }
        if (auto wrong = read_query(query, route, call)) return std::move(*wrong);
        const bool is_forwarded = forward_ && !route.of_agent;
        return Found{route, std::move(call), is_forwarded};
    }
    if (!allow.empty()) {
        HttpResponse answer = problem(405, "this path does not allow " + in_quotes(head.method) +
                                               "; expected one of: " + allow);
        answer.allow = allow;
        return answer;
    }
    return problem(404, "there is no path " + in_quotes(path));
}

asio::awaitable<std::optional<HttpResponse>> Router::refresh(const RequestHead& head) {
    if (shared_ == nullptr) co_return std::nullopt;
    auto found = route_of(head);
    const Found* const route = std::get_if<Found>(&found);
    if (route == nullptr || route->route.about == nullptr) co_return std::nullopt;
    service::DocumentKeys about = route->route.about(route->call);
    const auto deadline = service::SharedStore::Clock::now() + kPatienceToRead;
    auto failure = co_await shared_->refresh(std::move(about), deadline, {});
    if (!failure.ok()) co_return refused(service::not_known(failure));
    co_return std::nullopt;
}

Router::Decision Router::find(const RequestHead& head) {
    auto routed = route_of(head);
    if (auto* refusal = std::get_if<HttpResponse>(&routed)) return std::move(*refusal);
    Found& found = std::get<Found>(routed);
    const Route& route = found.route;
    if (route.before_body && !found.is_forwarded) {
        if (Status why = route.before_body(found.call); !why.ok()) return refused(why);
    }
    if (auto wrong = check_body(head, route, services_.context.limits)) return std::move(*wrong);
    if (found.is_forwarded) return forward_(head);
    if (shared_ != nullptr && found.is_change()) return shared_change(std::move(found));
    return Handler([call = std::move(found.call), &route](std::span<const std::byte> body) {
        return route.handle(call, body);
    });
}

bool Router::is_for_hosts(const RequestHead& head) {
    const auto routed = route_of(head);
    const Found* const found = std::get_if<Found>(&routed);
    return found != nullptr && found->route.is_for_hosts;
}

/// Makes a change while nobody else changes the same data, and answers after the change is written.
Router::Handler Router::shared_change(Found found) const {
    return [found = std::move(found), shared = shared_](std::span<const std::byte> body) {
        // std::function copies its captures.
        const auto stored = std::make_shared<SecretBuffer>(body.size());
        std::copy(body.begin(), body.end(), stored->bytes().begin());
        HttpResponse answer;
        answer.later = [found, shared, stored](const IsGone&) {
            return change_shared(found.call, found.route, *shared, stored);
        };
        return answer;
    };
}

}  // namespace secrets::api
