// SPDX-License-Identifier: Apache-2.0
#pragma once
// Stands in for a server of OpenBao: an AppRole whose logins succeed, and a mount of KV v2.

#include <sys/stat.h>

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>
#include <map>

#include "agentd/net/http_date.h"
#include "tests/unit/kept.h"
#include "tests/unit/tls_server.h"

namespace secrets {

/// Must outlive the loop's run.
class FakeOpenBao {
  public:
    /// What is at one path: its newest version, and the text of its document if it has one.
    struct Stored {
        std::uint64_t version = 0;
        std::optional<std::string> document{};
    };

    explicit FakeOpenBao(asio::io_context& loop, int lease_seconds = 3600)
        : lease_seconds_(lease_seconds),
          released_(loop, std::chrono::steady_clock::time_point::max()),
          server_(loop, [this](TlsServer::Stream& stream) { return serve(stream); }) {
        store::write_file(folder_.file("id"), "some-id\n");
    }

    OpenBao config() const {
        OpenBao config;
        config.urls = {server_.url()};
        config.ca = server_.ca();
        config.role_id_file = folder_.file("id");
        config.secret_id_file = folder_.file("id");
        return config;
    }

    /// Writes a document, as another hub does. No document: destroys what is there.
    void put(const std::string& path, std::optional<std::string> document) {
        Stored& stored = stored_[path];
        if (document) ++stored.version;
        stored.document = std::move(document);
    }
    /// Returns what is at a path in the folder of the configuration, as in "runs/r".
    Stored at(const std::string& path) const {
        const auto found = stored_.find(path);
        return found == stored_.end() ? Stored{} : found->second;
    }
    /// Removes a path with all its versions.
    void forget(const std::string& path) { stored_.erase(path); }
    bool knows(const std::string& path) const { return stored_.contains(path); }

    /// Returns how many requests had this text in their method and target.
    std::size_t count_of(std::string_view what) const {
        return static_cast<std::size_t>(std::count_if(
            asked_.begin(), asked_.end(),
            [&](const std::string& each) { return each.find(what) != std::string::npos; }));
    }
    bool was_asked_for(std::string_view what) const { return count_of(what) > 0; }

    /// Keeps back the answer to each request with this text, until called without one.
    void hold_answers_to(std::string what) {
        held_ = std::move(what);
        released_.cancel();
    }
    void stop() { server_.stop(); }

    unsigned health = 200;         ///< 429: it stands by
    unsigned write_status = 200;   ///< with another one, nothing is written
    std::string strange_answer{};  ///< if set: the body of a 404 to each request about documents
    /// The status and the body of the answer to a login that fails; 0: logins succeed.
    std::pair<unsigned, std::string> login_failure{};
    bool loses_next_answer = false;                   ///< of a write that is made
    std::function<std::chrono::sys_seconds()> clock;  ///< its answers have no date without one
    std::function<void()> before_write;               ///< called once, before the next write

  private:
    using Request = boost::beast::http::request<boost::beast::http::string_body>;
    using Response = boost::beast::http::response<boost::beast::http::string_body>;

    asio::awaitable<void> serve(TlsServer::Stream& stream) {
        namespace http = boost::beast::http;
        ErrorCode error;
        boost::beast::flat_buffer buffer;
        while (!error) {
            http::request_parser<http::string_body> parser;
            parser.header_limit(64 * 1024);
            co_await http::async_read(stream, buffer, parser, into(error));
            if (error) co_return;
            const Request request = parser.release();
            const std::string what =
                std::string(request.method_string()) + " " + std::string(request.target());
            asked_.push_back(what);
            while (!held_.empty() && what.find(held_) != std::string::npos) {
                ErrorCode woken;
                co_await released_.async_wait(into(woken));
            }
            Response response(http::status::ok, 11);
            if (clock) response.set(http::field::date, net::http_date(clock()));
            const bool is_lost = !answer(request, response);
            if (is_lost) co_return;
            response.prepare_payload();
            co_await http::async_write(stream, response, into(error));
        }
    }

    /// Returns false if the answer is to be lost.
    bool answer(const Request& request, Response& response) {
        const std::string target(request.target());
        const std::string_view method(request.method_string().data(),
                                      request.method_string().size());
        if (target == "/v1/sys/health") {
            response.result(health);
        } else if (target == "/v1/auth/approle/login" && login_failure.first != 0) {
            response.result(login_failure.first);
            response.body() = login_failure.second;
        } else if (target.starts_with("/v1/auth/")) {
            response.body() = R"({"auth":{"client_token":"t","renewable":true,"lease_duration":)" +
                              std::to_string(lease_seconds_) + "}}";
        } else if (!strange_answer.empty()) {
            response.result(404U);
            response.body() = strange_answer;
        } else if (target == "/v1/secret/config") {
            response.body() = R"({"data":{"max_versions":1}})";
        } else if (target.ends_with("?list=true")) {
            list(path_in(target.substr(0, target.size() - 10)), response);
        } else if (method == "GET") {
            read(path_in(target), response);
        } else if (method == "POST") {
            return write(path_in(target), request.body(), response);
        } else if (method == "PUT") {
            const auto found = stored_.find(path_in(target));
            if (found != stored_.end()) found->second.document.reset();
            response.result(204U);
        } else {
            stored_.erase(path_in(target));
            response.result(204U);
        }
        return true;
    }

    static std::string path_in(const std::string& target) {
        const std::string_view folder = "/slurm-secrets/";
        const auto at = target.find(folder);
        return at == std::string::npos ? target : target.substr(at + folder.size());
    }

    void list(const std::string& folder, Response& response) const {
        boost::json::array names;
        for (const auto& [path, stored] : stored_) {
            if (path.starts_with(folder + "/")) {
                names.emplace_back(path.substr(folder.size() + 1));
            }
        }
        if (names.empty()) return not_found(response);
        response.body() = serialize(
            boost::json::object{{"data", boost::json::object{{"keys", std::move(names)}}}});
    }

    void read(const std::string& path, Response& response) const {
        const auto found = stored_.find(path);
        if (found == stored_.end()) return not_found(response);
        boost::json::object data{
            {"metadata", boost::json::object{{"version", found->second.version},
                                             {"destroyed", !found->second.document}}},
            {"data", nullptr}};
        if (found->second.document) {
            data["data"] = boost::json::object{{"document", *found->second.document}};
        } else {
            response.result(404U);
        }
        response.body() = serialize(boost::json::object{{"data", std::move(data)}});
    }

    bool write(const std::string& path, const std::string& body, Response& response) {
        if (before_write) std::exchange(before_write, nullptr)();
        const boost::json::value parsed = boost::json::parse(body);
        const auto version = parsed.at("options").at("cas").to_number<std::uint64_t>();
        if (write_status != 200) {
            response.result(write_status);
            response.body() = R"({"errors":["it is refused"]})";
        } else if (version != at(path).version) {
            response.result(400U);
            response.body() =
                R"({"errors":["check-and-set parameter did not match the current version"]})";
        } else {
            put(path, std::string(parsed.at("data").at("document").as_string()));
            response.body() = R"({"data":{"version":)" + std::to_string(at(path).version) + "}}";
            return !std::exchange(loses_next_answer, false);
        }
        return true;
    }

    static void not_found(Response& response) {
        response.result(404U);
        response.body() = R"({"errors":[]})";
    }

    int lease_seconds_;
    TemporaryFolder folder_;
    std::map<std::string, Stored> stored_;
    std::vector<std::string> asked_;
    std::string held_;
    asio::steady_timer released_;
    TlsServer server_;
};

}  // namespace secrets
