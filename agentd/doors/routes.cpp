#include "agentd/doors/routes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "agentd/audit/audit.h"
#include "agentd/desk/accounts.h"
#include "agentd/doors/answers.h"
#include "agentd/doors/push_json.h"
#include "common/names.h"

namespace secrets::doors {
namespace {

constexpr std::string_view kJson = "application/json";

/// One request on its way through a route.
struct Call {
    desk::Desk& desk;
    Uid caller;
    std::optional<RunId> run;
    std::map<std::string, std::string, std::less<>> query;
};

using Before = std::optional<desk::Refusal> (*)(const Call&);
using Handle = HttpAnswer (*)(const Call&, std::span<const std::byte>);

struct Route {
    std::string_view method;
    std::string_view path;   ///< `{run}` stands for a run id
    std::string_view query;  ///< the one query parameter that it takes; empty for none
    bool takes_body;
    Before before_body;  ///< may refuse before the body is read; or null
    Handle handle;
};

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
        case desk::Reason::too_large:
            return 413;
        case desk::Reason::too_many:
            return 429;
        case desk::Reason::unavailable:
            return 503;
    }
    return 500;
}

std::string_view title_of(unsigned status) {
    switch (status) {
        case 400:
            return "Bad Request";
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
        default:
            return "Internal Server Error";
    }
}

HttpAnswer json(unsigned status, std::string body) {
    return {status, std::string(kJson), std::move(body), ""};
}

HttpAnswer refused(const desk::Refusal& refusal) {
    return problem(status_of(refusal.reason), refusal.sentence);
}

std::optional<desk::Refusal> before_push(const Call& call) {
    return call.desk.check_push(call.caller, *call.run);
}

HttpAnswer push(const Call& call, std::span<const std::byte> body) {
    const auto request = parse_push(body, call.desk.limits().value_bytes);
    if (!request) {
        return refused(call.desk.malformed_push(call.caller, *call.run, request.error().sentence));
    }
    const auto answer = call.desk.push_run(call.caller, *call.run, *request);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    const auto& pushed = std::get<desk::Pushed>(answer);
    return json(pushed.created ? 201 : 200, run_json(pushed.run));
}

HttpAnswer read(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.read_run(call.caller, *call.run);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    return json(200, run_json(std::get<desk::RunInfo>(answer)));
}

HttpAnswer list(const Call& call, std::span<const std::byte>) {
    return json(200, runs_json(call.desk.list_runs(call.caller)));
}

HttpAnswer complete(const Call& call, std::span<const std::byte>) {
    const auto answer = call.desk.complete_run(call.caller, *call.run);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    return {204, "", "", ""};
}

HttpAnswer check(const Call& call, std::span<const std::byte>) {
    const auto ask = call.query.find("ask");
    if (ask == call.query.end()) return problem(400, "the query parameter 'ask' is missing");
    const auto answer = call.desk.check(call.caller, ask->second);
    if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) return refused(*refusal);
    return json(200, check_json(std::get<desk::CheckInfo>(answer)));
}

HttpAnswer status(const Call& call, std::span<const std::byte>) {
    return json(200, status_json(call.desk.status()));
}

// clang-format off
constexpr auto kRoutes = std::to_array<Route>({
    // method    path              query  body   before       handle
    {"PUT",    "/v1/runs/{run}", "",    true,  before_push, push},
    {"GET",    "/v1/runs/{run}", "",    false, nullptr,     read},
    {"DELETE", "/v1/runs/{run}", "",    false, nullptr,     complete},
    {"GET",    "/v1/runs",       "",    false, nullptr,     list},
    {"GET",    "/v1/check",      "ask", false, nullptr,     check},
    {"GET",    "/v1/status",     "",    false, nullptr,     status},
});
// clang-format on

/// Percent-decodes; nothing when an escape is malformed.
std::optional<std::string> decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned char byte = 0;
        const auto digits = text.substr(i + 1, 2);
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
            return std::nullopt;
        }
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

/// Whether `path` is of the form `pattern`; `parameter` becomes what stands for `{run}`.
bool matches(std::string_view pattern, std::string_view path, std::string_view& parameter) {
    const auto brace = pattern.find('{');
    if (brace == pattern.npos) return pattern == path;
    if (!path.starts_with(pattern.substr(0, brace))) return false;
    parameter = path.substr(brace);
    return parameter.find('/') == parameter.npos;
}

std::optional<HttpAnswer> read_query(std::string_view query, const Route& route, Call& call) {
    while (!query.empty()) {
        const std::string_view part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(part.size() + 1, query.size()));
        const std::string_view name = part.substr(0, part.find('='));
        const auto value = decode(part.size() > name.size() ? part.substr(name.size() + 1) : "");
        if (name != route.query || name.empty()) {
            return problem(400, "the query parameter " + quoted(name) + " is not known here");
        }
        if (!value) return problem(400, "the query parameter " + quoted(name) + " is malformed");
        if (!call.query.emplace(name, *value).second) {
            return problem(400, "the query parameter " + quoted(name) + " stands twice");
        }
    }
    return std::nullopt;
}

/// Whether a Content-Type says JSON, in whatever case and with whatever parameters.
bool is_json(std::string_view content_type) {
    std::string_view type = content_type.substr(0, content_type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
    return std::equal(type.begin(), type.end(), kJson.begin(), kJson.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
}

/// What a route's function returns; a refusal where the accounts that it asks about can't be known.
template <typename Function>
auto with_accounts(const Call& call, Function function) -> decltype(function()) {
    try {
        return function();
    } catch (const desk::AccountsUnavailable& error) {
        audit::trouble("a request of uid " + std::to_string(call.caller.value) +
                       " was refused: " + error.what());
        return problem(503, error.what());
    }
}

/// What is wrong with the body that the head announces.
std::optional<HttpAnswer> check_body(const HttpHead& head, const Route& route,
                                     std::uint64_t longest) {
    if (!route.takes_body) {
        if (!head.has_body) return std::nullopt;
        return problem(400, "a " + std::string(head.method) + " of this path takes no body");
    }
    if (!head.content_length) {
        return problem(411, "the request needs a Content-Length (no chunked encoding)");
    }
    if (!is_json(head.content_type)) {
        return problem(415, "the body must be JSON, with Content-Type: application/json");
    }
    if (*head.content_length > longest) {
        return problem(413, "the body has " + std::to_string(*head.content_length) +
                                " bytes; at most " + std::to_string(longest) +
                                " are taken (limits.run_bytes in the agent's configuration)");
    }
    return std::nullopt;
}

}  // namespace

HttpAnswer problem(unsigned status, std::string_view detail) {
    return {status, "application/problem+json", problem_json(status, title_of(status), detail), ""};
}

std::uint64_t Routes::longest_body() const {
    // JSON may write a byte of a value in two (\n), base64 four in three; names and marks come on
    // top.
    return 2 * std::uint64_t{desk_.limits().run_bytes} + 256 * 1024;
}

std::variant<Routes::Handler, HttpAnswer> Routes::find(const HttpHead& head) {
    const auto question = head.target.find('?');
    const auto path = head.target.substr(0, question);
    const auto query = question == head.target.npos ? "" : head.target.substr(question + 1);
    std::string allow;
    for (const Route& route : kRoutes) {
        std::string_view parameter;
        if (!matches(route.path, path, parameter)) continue;
        if (route.method != head.method) {
            allow += (allow.empty() ? "" : ", ") + std::string(route.method);
            continue;
        }
        Call call{desk_, head.caller, std::nullopt, {}};
        if (!parameter.empty() || route.path.find('{') != route.path.npos) {
            const auto text = decode(parameter);
            auto run = RunId::parse(text ? *text : std::string_view(parameter));
            if (!run) return problem(400, run.error().sentence);
            call.run = std::move(run).value();
        }
        if (auto wrong = read_query(query, route, call)) return std::move(*wrong);
        if (route.before_body != nullptr) {
            const auto refusal = with_accounts(call, [&]() -> std::optional<HttpAnswer> {
                if (auto why = route.before_body(call)) return refused(*why);
                return std::nullopt;
            });
            if (refusal) return *refusal;
        }
        if (auto wrong = check_body(head, route, longest_body())) return std::move(*wrong);
        return Handler([call, handle = route.handle](std::span<const std::byte> body) {
            return with_accounts(call, [&] { return handle(call, body); });
        });
    }
    if (!allow.empty()) {
        HttpAnswer answer =
            problem(405, "this path knows " + allow + ", not " + quoted(head.method));
        answer.allow = allow;
        return answer;
    }
    return problem(404, "there is no " + quoted(path) + " here");
}

}  // namespace secrets::doors
