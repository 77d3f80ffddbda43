// SPDX-License-Identifier: Apache-2.0
#include "agentd/openbao/kv_client.h"

#include "agentd/base/json_members.h"
#include "agentd/openbao/secret_json.h"
#include "common/base/text_as.h"
#include "common/base/text_encoding.h"

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
    return percent_encoded(text, "/");
}

HttpsRequest request_of(const char* method, std::string target) {
    HttpsRequest request;
    request.method = method;
    request.target = std::move(target);
    return request;
}

const json::object* data_in(const KvAnswer& answer) {
    return find_object(&answer.content, "data");
}

std::uint64_t version_in(const json::object* metadata) {
    const std::int64_t* version = find_number(metadata, "version");
    return version != nullptr && *version > 0 ? static_cast<std::uint64_t>(*version) : 0;
}

/// Tells whether KV v2 says that a path or a folder was never written, or was purged. All other
/// parts of OpenBao, and proxies, give a reason with the status 404: a mount that was moved or
/// disabled, or an unknown namespace.
bool is_nothing(const KvAnswer& answer) {
    const json::array* errors = find_array(&answer.content, "errors");
    return answer.status == 404 && errors != nullptr && errors->empty();
}

// The answers of KV v2 to each kind of request, apart from an error.

bool is_document(const KvAnswer& answer) {
    if (is_nothing(answer)) return true;
    const json::object* metadata = find_object(data_in(answer), "metadata");
    if (version_in(metadata) == 0) return false;
    if (answer.status == 200) return find_object(data_in(answer), "data") != nullptr;
    const bool has_ended =
        is_true(metadata, "destroyed") || !text_or_empty(metadata, "deletion_time").empty();
    return answer.status == 404 && has_ended;
}

bool is_list(const KvAnswer& answer) {
    if (is_nothing(answer)) return true;
    return answer.status == 200 && find_array(data_in(answer), "keys") != nullptr;
}

bool is_written(const KvAnswer& answer) {
    return answer.status == 200 && version_in(data_in(answer)) > 0;
}

bool is_removed(const KvAnswer& answer) {
    return answer.status == 204;
}

bool is_config(const KvAnswer& answer) {
    return answer.status == 200 && find_number(data_in(answer), "max_versions") != nullptr;
}

/// Tells whether an answer is an error about this request only: OpenBao's, or that of a proxy for
/// which the body is too large. With the status 404 OpenBao says that nothing at the path can
/// answer.
bool is_rejection(const KvAnswer& answer) {
    if (answer.status == 413) return true;
    const json::array* errors = find_array(&answer.content, "errors");
    return answer.status >= 400 && answer.status != 404 && errors != nullptr;
}

/// Returns words for an answer that KV v2 does not give.
std::string describe_strange(const KvAnswer& answer) {
    const json::array* errors = find_array(&answer.content, "errors");
    if (errors != nullptr) {
        return "OpenBao has no KV v2 at the mount: " + errors_in(answer) +
               "; check store.openbao.mount and store.openbao.namespace, and that the mount is "
               "enabled";
    }
    return "an answer with status " + std::to_string(answer.status) +
           " is not one of OpenBao's KV v2; check store.openbao.urls and store.openbao.mount, and "
           "the proxies on the way";
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
    const json::string* text = find_text(&data, kDocument);
    if (text == nullptr) return data;
    json::value document = parse_secret(*text);
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

StatusOr<Written> written_of(const std::string& path, const KvAnswer& answer) {
    if (is_written(answer)) return Written{WriteOutcome::written, version_in(data_in(answer))};
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

/// Sends a request. Any answer but an error or one of the form that `is_expected` knows is a
/// failure of the store: silence about a document is not its end.
asio::awaitable<StatusOr<KvAnswer>> KvClient::ask(HttpsRequest request,
                                                  bool (*is_expected)(const KvAnswer&),
                                                  Clock::time_point deadline) {
    auto response = co_await servers_.ask(std::move(request), deadline);
    if (!response.ok()) co_return response.status();
    KvAnswer answer{std::move(*response), {}};
    json::value value = parse_secret(answer.body);
    if (json::object* object = value.if_object()) answer.content = std::move(*object);
    if (!is_expected(answer) && !is_rejection(answer)) {
        std::string why = describe_strange(answer);
        servers_.note(why);
        // Of a change that seems to have succeeded nobody knows whether OpenBao made it.
        const bool may_be_done = answer.status < 400;
        co_return Status(may_be_done ? StatusCode::unavailable : StatusCode::failed,
                         std::move(why));
    }
    servers_.note("");
    co_return answer;
}

asio::awaitable<StatusOr<Document>> KvClient::read(std::string path, Clock::time_point deadline) {
    HttpsRequest request = request_of("GET", target_of("data", path));
    auto answer = co_await ask(std::move(request), is_document, deadline);
    if (!answer.ok()) co_return answer.status();
    if (is_rejection(*answer)) co_return refused(path, *answer);
    Document document;
    document.may_lag = answer->may_lag;
    document.date = answer->date;
    document.version = version_in(find_object(data_in(*answer), "metadata"));
    if (answer->status == 200) {
        json::object& both = answer->content["data"].get_object();
        document.data = document_in(std::move(both["data"].get_object()));
    }
    co_return document;
}

asio::awaitable<StatusOr<Written>> KvClient::write(std::string path, json::object data,
                                                   std::uint64_t version,
                                                   Clock::time_point deadline) {
    HttpsRequest request = request_of("POST", target_of("data", path));
    request.secret = serialize_secret(write_body(data, version));
    auto answer = co_await ask(std::move(request), is_written, deadline);
    if (!answer.ok()) co_return answer.status();
    co_return written_of(path, *answer);
}

asio::awaitable<Status> KvClient::destroy(std::string path, std::uint64_t version,
                                          Clock::time_point deadline) {
    HttpsRequest request = request_of("PUT", target_of("destroy", path));
    request.secret = serialize_secret(destroy_body(version));
    auto answer = co_await ask(std::move(request), is_removed, deadline);
    if (!answer.ok()) co_return answer.status();
    co_return is_removed(*answer) ? Status() : refused(path, *answer);
}

asio::awaitable<Status> KvClient::purge(std::string path, Clock::time_point deadline) {
    HttpsRequest request = request_of("DELETE", target_of("metadata", path));
    auto answer = co_await ask(std::move(request), is_removed, deadline);
    if (!answer.ok()) co_return answer.status();
    co_return is_removed(*answer) ? Status() : refused(path, *answer);
}

asio::awaitable<StatusOr<std::vector<std::string>>> KvClient::list(std::string folder,
                                                                   Clock::time_point deadline) {
    HttpsRequest request = request_of("GET", target_of("metadata", folder) + "?list=true");
    auto answer = co_await ask(std::move(request), is_list, deadline);
    if (!answer.ok()) co_return answer.status();
    if (is_rejection(*answer)) co_return refused(folder, *answer);
    std::vector<std::string> names;
    const json::array* keys = find_array(data_in(*answer), "keys");
    if (keys == nullptr) co_return names;
    for (const json::value& key : *keys) {
        if (key.is_string()) names.push_back(text_as<std::string>(key.get_string()));
    }
    co_return names;
}

asio::awaitable<std::optional<std::int64_t>> KvClient::max_versions(Clock::time_point deadline) {
    HttpsRequest request = request_of("GET", "/v1/" + escaped(servers_.config().mount) + "/config");
    auto answer = co_await ask(std::move(request), is_config, deadline);
    if (!answer.ok() || !is_config(*answer)) co_return std::nullopt;
    co_return *find_number(data_in(*answer), "max_versions");
}

}  // namespace secrets::openbao
