// SPDX-License-Identifier: Apache-2.0
// Promise: the document of the HTTP API that the daemon serves names every route of its table, with
// the query parameter that it takes, and no other.

#include "agentd/api/openapi.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <set>

#include "agentd/api/handlers.h"
#include "tests/unit/catch.h"

namespace secrets::api {
namespace {

namespace json = boost::json;

/// "GET /v1/check?ask", of the table and of the document.
using Names = std::set<std::string>;

std::string name_of(std::string method, std::string_view path, std::string_view query) {
    std::transform(method.begin(), method.end(), method.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    return method + " " + std::string(path) + (query.empty() ? "" : "?") + std::string(query);
}

/// What `object` stands for, where it only refers to a part of the document.
const json::object& followed(const json::value& document, const json::object& object) {
    const auto* reference = object.if_contains("$ref");
    if (reference == nullptr) return object;
    return document.at_pointer(std::string(reference->as_string()).substr(1)).as_object();
}

std::string query_of(const json::value& document, const json::object& operation) {
    const auto* parameters = operation.if_contains("parameters");
    if (parameters == nullptr) return "";
    std::string names;
    for (const json::value& each : parameters->as_array()) {
        const json::object& parameter = followed(document, each.as_object());
        if (parameter.at("in") != "query") continue;
        names += (names.empty() ? "" : " ") + std::string(parameter.at("name").as_string());
    }
    return names;
}

Names in_document() {
    const json::value document = json::parse(openapi_json());
    Names names;
    for (const auto& [path, operations] : document.at("paths").as_object()) {
        for (const auto& [method, operation] : operations.as_object()) {
            if (method == "parameters") continue;
            names.insert(name_of(method, path, query_of(document, operation.as_object())));
        }
    }
    return names;
}

Names in_table() {
    Names names;
    for (const Route& route : route_table()) {
        names.insert(name_of(std::string(route.method), route.path, route.query));
    }
    return names;
}

Names without(const Names& all, const Names& some) {
    Names left;
    std::set_difference(all.begin(), all.end(), some.begin(), some.end(),
                        std::inserter(left, left.end()));
    return left;
}

TEST_CASE("OpenAPI document: lists exactly the routes of the router") {
    CHECK(without(in_table(), in_document()) == Names{});
    CHECK(without(in_document(), in_table()) == Names{});
}

TEST_CASE("OpenAPI document: equals etc/openapi.json byte for byte") {
    std::ifstream file(SOURCE_FOLDER "/etc/openapi.json", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    CHECK_FALSE(text.empty());
    CHECK((openapi_json() == text));
}

}  // namespace
}  // namespace secrets::api
