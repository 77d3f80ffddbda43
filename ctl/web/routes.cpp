// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/routes.h"

#include <algorithm>
#include <array>

#include "common/base/limits.h"
#include "common/base/text_encoding.h"
#include "ctl/io/exit_codes.h"
#include "ctl/web/import_routes.h"

namespace secrets::ctl::web {
namespace {

constexpr unsigned kInternalError = 500;
constexpr unsigned kBadGateway = 502;

// A value as base64, or as JSON may write a byte of it, and names beside it.
constexpr std::size_t kLongestValue = 6 * kMaxValueBytes + 4 * 1024;
constexpr std::size_t kLongestName = 4 * 1024;

Method method_of(std::string_view name) {
    if (name == "PUT") return Method::put;
    if (name == "PATCH") return Method::patch;
    if (name == "DELETE") return Method::remove;
    return Method::get;
}

/// Passes the request on to the agent, whose API has the same path, and the answer back.
SiteAnswer forward(const ApiCall& call) {
    return from_agent(call.agent.send({method_of(call.request.method), call.request.target,
                                       call.body, call.request.if_new, call.request.if_match}));
}

// clang-format off
constexpr auto kRoutes = std::to_array<ApiRoute>({
    // method  path                             query           longest body   handle
    {"GET",    "/v1/secrets",                   "",             0,             forward},
    {"PUT",    "/v1/secrets/{}",                "",             kLongestValue, forward},
    {"PATCH",  "/v1/secrets/{}",                "",             kLongestName,  forward},
    {"DELETE", "/v1/secrets/{}",                "",             0,             forward},
    {"GET",    "/v1/workspaces",                "",             0,             forward},
    {"GET",    "/v1/workspaces/{}/secrets",     "",             0,             forward},
    {"PUT",    "/v1/workspaces/{}/secrets/{}",  "",             kLongestValue, forward},
    {"PATCH",  "/v1/workspaces/{}/secrets/{}",  "",             kLongestName,  forward},
    {"DELETE", "/v1/workspaces/{}/secrets/{}",  "",             0,             forward},
    {"GET",    "/v1/runs",                      "limit cursor", 0,             forward},
    {"GET",    "/v1/runs/{}",                   "",             0,             forward},
    {"DELETE", "/v1/runs/{}",                   "",             0,             forward},
    {"GET",    "/v1/events",                    "after",        0,             forward, true},
    // Of the text of a file; the agent gets what is chosen of it.
    {"POST",   "/import",                       "source",       kLongestImport, preview_import},
    {"PUT",    "/import/{}",                    "source expires", kLongestImport, import_secret},
    {"PUT",    "/import/{}/{}",                 "source expires", kLongestImport, import_secret},
});
// clang-format on

/// Removes the first part of a path, which begins with a slash, and returns it.
std::string_view take_part(std::string_view& path) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    return part;
}

/// Returns the parts of `path` that `{}` in `pattern` stands for; nothing if they do not match.
std::optional<std::vector<std::string_view>> match(std::string_view pattern,
                                                   std::string_view path) {
    std::vector<std::string_view> parts;
    while (pattern.starts_with('/') && path.starts_with('/')) {
        const std::string_view wanted = take_part(pattern);
        const std::string_view part = take_part(path);
        if (wanted == "{}" && !part.empty()) {
            parts.push_back(part);
        } else if (wanted != part) {
            return std::nullopt;
        }
    }
    if (!pattern.empty() || !path.empty()) return std::nullopt;
    return parts;
}

/// Calls `see` with each name and value of the query of a target.
template <typename See>
void each_parameter(std::string_view target, const See& see) {
    std::string_view query = target.substr(std::min(target.find('?'), target.size() - 1) + 1);
    while (!query.empty()) {
        const std::string_view item = query.substr(0, query.find('&'));
        const std::size_t mark = std::min(item.find('='), item.size());
        see(item.substr(0, mark), item.substr(std::min(mark + 1, item.size())));
        query.remove_prefix(std::min(item.size() + 1, query.size()));
    }
}

bool has_word(std::string_view words, std::string_view word) {
    const std::string spaced = " " + std::string(words) + " ";
    return !word.empty() && spaced.find(" " + std::string(word) + " ") != spaced.npos;
}

bool accepts_query(const ApiRoute& route, std::string_view target) {
    bool all = true;
    each_parameter(target, [&](std::string_view name, std::string_view value) {
        all = all && has_word(route.query, name) && percent_decoded(value).has_value();
    });
    return all;
}

}  // namespace

std::string_view path_of(std::string_view target) {
    return target.substr(0, target.find('?'));
}

const ApiRoute* find_route(const ApiRequest& request) {
    const auto found = std::find_if(kRoutes.begin(), kRoutes.end(), [&](const ApiRoute& route) {
        return route.method == request.method && match(route.path, path_of(request.target)) &&
               accepts_query(route, request.target);
    });
    return found == kRoutes.end() ? nullptr : &*found;
}

SiteAnswer answer(const ApiRoute& route, const Client& agent, const ApiRequest& request,
                  SecretView body) {
    const auto parts = match(route.path, path_of(request.target));
    try {
        return route.handle(
            {agent, request, parts.value_or(std::vector<std::string_view>()), body});
    } catch (const CommandError& error) {
        return problem(error.code() == ExitCode::unreachable ? kBadGateway : 400, error.what());
    } catch (const std::exception& error) {  // such as too many open files
        return problem(kInternalError, std::string("cannot ask the agent: ") + error.what());
    }
}

std::optional<std::string> parameter(std::string_view target, std::string_view name) {
    std::optional<std::string> found;
    each_parameter(target, [&](std::string_view each, std::string_view value) {
        if (each == name) found = percent_decoded(value);
    });
    return found;
}

}  // namespace secrets::ctl::web
