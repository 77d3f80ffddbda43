// SPDX-License-Identifier: Apache-2.0
#include "agentd/openbao/kv_client.h"

#include <boost/json.hpp>

#include "agentd/openbao/secret_json.h"
#include "common/base/names.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using net::HttpsRequest;
using net::HttpsResponse;

/// The number of versions that a mount keeps by default.
constexpr std::uint64_t kUsualVersions = 10;

/// The one key of the data at a path: the document, as text. OpenBao rejects a request with more
/// than 1000 strings in its JSON (max_request_json_strings), which a document may have.
constexpr const char* kDocument = "document";

/// Returns the path of a URL for a text that may have any characters.
std::string escaped(const std::string& text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    constexpr std::string_view kPlain = "/-._~";
    std::string path;
    for (const char letter : text) {
        const bool plain =
            is_letter(letter) || is_digit(letter) || kPlain.find(letter) != kPlain.npos;
        const auto byte = static_cast<unsigned char>(letter);
        if (plain) {
            path += letter;
        } else {
            path += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
        }
    }
    return path;
}

HttpsRequest request_of(const char* method, std::string target) {
    HttpsRequest request;
    request.method = method;
    request.target = std::move(target);
    return request;
}

/// Returns the object `data` of an answer; empty if there is none.
json::object data_of(const HttpsResponse& answer) {
    json::value value = parse_secret(answer.body);
    json::object* object = value.if_object();
    json::value* data = object != nullptr ? object->if_contains("data") : nullptr;
    if (data == nullptr || !data->is_object()) return {};
    return std::move(data->get_object());
}

std::uint64_t version_in(const json::object& metadata) {
    const json::value* version = metadata.if_contains("version");
    const bool is_number = version != nullptr && version->is_int64() && version->get_int64() > 0;
    return is_number ? static_cast<std::uint64_t>(version->get_int64()) : 0;
}

Status refused(const std::string& path, const HttpsResponse& answer) {
    return Status::failed("OpenBao rejected a request for " + path + ": " + errors_in(answer));
}

json::object write_body(const json::object& data, std::uint64_t version) {
    json::object body;
    body["options"] = json::object{{"cas", version}};
    const SecretBuffer text = serialize_secret(data);
    const auto bytes = text.view().bytes();
    body["data"] = json::object{
        {kDocument, json::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())}};
    return body;
}

/// Returns the document that write_body() encoded. Data that another tool wrote is returned as it
/// is.
json::object document_in(json::object data) {
    const json::value* text = data.if_contains(kDocument);
    if (text == nullptr || !text->is_string()) return data;
    json::value document = parse_secret(text->get_string());
    return document.is_object() ? std::move(document.get_object()) : std::move(data);
}

json::object destroy_body(std::uint64_t version) {
    json::array versions;
    const std::uint64_t first = version > kUsualVersions ? version - kUsualVersions : 1;
    for (std::uint64_t one = first; one <= version; ++one) versions.emplace_back(one);
    json::object body;
    body["versions"] = std::move(versions);
    return body;
}

StatusOr<Written> written_of(const std::string& path, const HttpsResponse& answer) {
    if (answer.status == 200) return Written{WriteOutcome::written, version_in(data_of(answer))};
    const std::string errors = errors_in(answer);
    if (answer.status == 400 && errors.find("check-and-set") != std::string::npos) {
        return Written{WriteOutcome::version_differs, 0};
    }
    if (is_too_large(answer)) {
        return Status::failed(
            "OpenBao rejected " + path + " as too large: " + errors +
            "; raise max_entry_size of its storage, or lower limits.run_bytes and "
            "limits.kept_bytes");
    }
    return refused(path, answer);
}

}  // namespace

std::string KvClient::target_of(const char* what, const std::string& path) const {
    const OpenBao& config = servers_.config();
    return "/v1/" + escaped(config.mount) + "/" + what + "/" + escaped(config.path + "/" + path);
}

asio::awaitable<StatusOr<Document>> KvClient::read(std::string path, Clock::time_point deadline) {
    HttpsRequest request = request_of("GET", target_of("data", path));
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok()) co_return response.status();
    const auto& answer = *response;
    Document document;
    document.may_lag = answer.may_lag;
    if (answer.status != 200 && answer.status != 404) co_return refused(path, answer);
    json::object both = data_of(answer);
    const json::value* metadata = both.if_contains("metadata");
    if (metadata != nullptr && metadata->is_object()) {
        document.version = version_in(metadata->get_object());
    }
    json::value* data = both.if_contains("data");
    if (data != nullptr && data->is_object()) {
        document.data = document_in(std::move(data->get_object()));
    }
    co_return document;
}

asio::awaitable<StatusOr<Written>> KvClient::write(std::string path, json::object data,
                                                   std::uint64_t version,
                                                   Clock::time_point deadline) {
    HttpsRequest request = request_of("POST", target_of("data", path));
    request.secret = serialize_secret(write_body(data, version));
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok()) co_return response.status();
    co_return written_of(path, *response);
}

asio::awaitable<Status> KvClient::destroy(std::string path, std::uint64_t version,
                                          Clock::time_point deadline) {
    HttpsRequest request = request_of("PUT", target_of("destroy", path));
    request.secret = serialize_secret(destroy_body(version));
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok()) co_return response.status();
    const auto& answer = *response;
    if (answer.status == 200 || answer.status == 204 || answer.status == 404) {
        co_return Status();
    }
    co_return refused(path, answer);
}

asio::awaitable<Status> KvClient::purge(std::string path, Clock::time_point deadline) {
    HttpsRequest request = request_of("DELETE", target_of("metadata", path));
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok()) co_return response.status();
    const auto& answer = *response;
    if (answer.status == 204 || answer.status == 404) co_return Status();
    co_return refused(path, answer);
}

asio::awaitable<StatusOr<std::vector<std::string>>> KvClient::list(std::string folder,
                                                                   Clock::time_point deadline) {
    HttpsRequest request = request_of("GET", target_of("metadata", folder) + "?list=true");
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok()) co_return response.status();
    const auto& answer = *response;
    std::vector<std::string> names;
    if (answer.status == 404) co_return names;
    if (answer.status != 200) co_return refused(folder, answer);
    const json::object data = data_of(answer);
    const json::value* keys = data.if_contains("keys");
    if (keys == nullptr || !keys->is_array()) co_return names;
    for (const json::value& key : keys->get_array()) {
        if (key.is_string()) names.emplace_back(key.get_string());
    }
    co_return names;
}

asio::awaitable<std::optional<std::int64_t>> KvClient::max_versions(Clock::time_point deadline) {
    HttpsRequest request = request_of("GET", "/v1/" + escaped(servers_.config().mount) + "/config");
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok() || response->status != 200) co_return std::nullopt;
    const json::object data = data_of(*response);
    const json::value* most = data.if_contains("max_versions");
    if (most == nullptr || !most->is_int64()) co_return std::nullopt;
    co_return most->get_int64();
}

}  // namespace secrets::openbao
