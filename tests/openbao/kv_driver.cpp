// SPDX-License-Identifier: Apache-2.0
// The client of OpenBao, told what to do by a test.
//
// usage: kv_driver CONFIGURATION
//            the configuration as in agentd.yaml's store.openbao, in JSON
//
// Reads a request from each line of its input, and writes an answer to each as soon as it has one,
// all in JSON: {"id":1,"do":"read","path":"runs/demo","seconds":10}. What `do` may be: read, list,
// purge; write (with data and version), destroy (with version); trouble. Ends when its input does.

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/json.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "agentd/audit/audit_log.h"
#include "agentd/openbao/kv_client.h"

namespace {

using namespace secrets;
namespace asio = boost::asio;
namespace json = boost::json;
using openbao::Clock;
using openbao::KvClient;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "kv_driver: %s\n", what.c_str());
    std::exit(1);
}

std::string text_in(const json::object& object, const char* key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr ? json::value_to<std::string>(*value) : std::string();
}

HttpsUrl url_of(const std::string& text) {
    HttpsUrl url{text, "", 0};
    const std::string rest = text.substr(std::string_view("https://").size());
    const std::size_t colon = rest.rfind(':');
    url.host = rest.substr(0, colon);
    const std::string port = rest.substr(colon + 1);
    std::from_chars(port.data(), port.data() + port.size(), url.port);
    return url;
}

OpenBao config_of(const json::object& text) {
    OpenBao config;
    for (const json::value& url : text.at("urls").as_array()) {
        config.urls.push_back(url_of(json::value_to<std::string>(url)));
    }
    const std::pair<const char*, std::string*> texts[] = {
        {"ca", &config.ca},
        {"namespace", &config.name_space},
        {"mount", &config.mount},
        {"path", &config.path},
        {"approle", &config.approle},
        {"role_id_file", &config.role_id_file},
        {"secret_id_file", &config.secret_id_file}};
    for (const auto& [key, target] : texts) {
        if (text.contains(key)) *target = text_in(text, key);
    }
    return config;
}

void answer(const json::value& id, json::object said) {
    said["id"] = id;
    const std::string line = json::serialize(said) + "\n";
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
}

json::object error_of(const Status& error) {
    json::object said;
    said["error"] = error.message();
    return said;
}

asio::awaitable<json::object> done(KvClient& kv, json::object request) {
    const std::string what = text_in(request, "do");
    std::string path = text_in(request, "path");
    const json::value* seconds = request.if_contains("seconds");
    const double patience = seconds != nullptr ? json::value_to<double>(*seconds) : 10;
    const auto deadline =
        Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(patience * 1000));
    const json::value* number = request.if_contains("version");
    const auto version = number != nullptr ? json::value_to<std::uint64_t>(*number) : 0;
    json::object said;
    if (what == "read") {
        auto told = co_await kv.read(std::move(path), deadline);
        if (!told.ok()) co_return error_of(told.status());
        auto& document = *told;
        said["version"] = document.version;
        said["may_lag"] = document.may_lag;
        said["data"] = document.data ? json::value(std::move(*document.data)) : json::value();
    } else if (what == "write") {
        json::object data = request.at("data").as_object();
        auto told = co_await kv.write(std::move(path), std::move(data), version, deadline);
        if (!told.ok()) co_return error_of(told.status());
        const auto& written = *told;
        said["written"] = written.outcome == openbao::WriteOutcome::written;
        said["version"] = written.version;
    } else if (what == "destroy") {
        auto failure = co_await kv.destroy(std::move(path), version, deadline);
        if (!failure.ok()) said["error"] = failure.message();
    } else if (what == "purge") {
        auto failure = co_await kv.purge(std::move(path), deadline);
        if (!failure.ok()) said["error"] = failure.message();
    } else if (what == "list") {
        auto told = co_await kv.list(std::move(path), deadline);
        if (!told.ok()) co_return error_of(told.status());
        said["names"] = json::value_from(*told);
    } else if (what == "trouble") {
        said["trouble"] = kv.trouble();
    } else {
        fail("what is \"" + what + "\"?");
    }
    co_return said;
}

asio::awaitable<void> serve(KvClient& kv, json::object request) {
    const json::value id = request.at("id");
    json::object said = co_await done(kv, std::move(request));
    answer(id, std::move(said));
}

asio::awaitable<void> take_requests(Supervisor& supervisor, KvClient& kv) {
    const auto loop = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor input(loop, STDIN_FILENO);
    std::string text;
    while (true) {
        ErrorCode error;
        const std::size_t size =
            co_await asio::async_read_until(input, asio::dynamic_buffer(text), '\n', into(error));
        if (error) break;
        json::object request = json::parse(text.substr(0, size)).as_object();
        text.erase(0, size);
        asio::co_spawn(loop, serve(kv, std::move(request)), [](const std::exception_ptr& thrown) {
            if (thrown) fail("a request is malformed");
        });
    }
    supervisor.stop();
    kv.stop();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) fail("usage: kv_driver CONFIGURATION");
    Config whole;
    whole.log_target = LogTarget::standard_error;
    if (const Status failure = audit::open(whole); !failure.ok()) fail(failure.message());
    const OpenBao config = config_of(json::parse(argv[1]).as_object());
    auto context = net::make_client_context(config.ca, "store.openbao.ca");
    if (!context) fail(context.status().message());
    asio::io_context loop;
    Supervisor supervisor(loop, [](const std::string& task, const std::string& why, auto) {
        fail(task + " failed: " + why);
    });
    KvClient kv(loop, supervisor, config, std::move(context).value());
    asio::co_spawn(loop, take_requests(supervisor, kv), [](const std::exception_ptr& thrown) {
        if (thrown) fail("the input is malformed");
    });
    loop.run();
    return 0;
}
