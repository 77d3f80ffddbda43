// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/web.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <iostream>
#include <thread>

#include "common/base/duration.h"
#include "common/base/names.h"
#include "ctl/io/exit_codes.h"
#include "ctl/web/browser.h"
#include "ctl/web/server.h"

namespace secrets::ctl::web {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

/// A page waits for few answers at a time.
constexpr std::size_t kThreads = 4;

std::uint16_t port_of(const Options& options) {
    if (!options.port) return 0;
    std::uint16_t port = 0;
    const char* end = options.port->data() + options.port->size();
    const auto [stopped, error] = std::from_chars(options.port->data(), end, port);
    if (error != std::errc() || stopped != end || port == 0) {
        throw CommandError(ExitCode::bad_input, "invalid --port " + in_quotes(*options.port) +
                                                    "; expected a number from 1 to 65535");
    }
    return port;
}

std::chrono::seconds idle_of(const Options& options) {
    const auto idle = parse_duration(options.idle);
    if (!idle.ok())
        throw CommandError(ExitCode::bad_input, "invalid --idle: " + idle.status().message());
    return *idle;
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "HOST";
    return name.data();
}

/// Tells the user at the terminal, or a program, how the page is reached.
class Announcer {
  public:
    Announcer(bool is_json, const Options& options, std::uint16_t port)
        : is_json_(is_json), options_(options), port_(port) {}

    std::string url(const std::string& link) const {
        return "http://127.0.0.1:" + std::to_string(port_) + link;
    }

    void say_begin(const std::string& link) const {
        if (is_json_) {
            std::cout << json_of(link) << std::endl;
            return check_output();
        }
        if (options_.unix_socket) {
            std::cout << "Your secrets are served at the Unix socket " << *options_.unix_socket
                      << '\n';
        } else {
            const std::string port = std::to_string(port_);
            std::cout << "Your secrets are at " << url(link) << "\n"
                      << "On another computer, first: ssh -L " << port << ":127.0.0.1:" << port
                      << ' ' << host_name() << '\n';
        }
        std::cout << "Ends with Ctrl-C, or after " << options_.idle << " without use." << std::endl;
        check_output();
    }

    /// A link opens once; after that there is another one. A terminal that is stopped, or a pipe
    /// that nobody reads, holds up nothing but the thread that writes.
    void say_next(const std::string& link) const {
        const std::string line =
            is_json_ ? json_of(link) : "Opened in a browser. For another browser: " + url(link);
        const auto write = [text = line + "\n"] {
            [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
        };
        try {
            std::thread(write).detach();
        } catch (const std::system_error&) {  // no further thread
            write();
        }
    }

  private:
    static void check_output() {
        if (!std::cout) {
            throw CommandError(ExitCode::bad_input, "cannot write the link to standard output");
        }
    }

    std::string json_of(const std::string& link) const {
        if (options_.unix_socket) {
            return json::serialize(json::object{{"unix_socket", *options_.unix_socket}});
        }
        return json::serialize(json::object{{"url", url(link)}, {"port", port_}});
    }

    bool is_json_;
    const Options& options_;
    std::uint16_t port_;
};

/// Ends the loop when the page was not used for that long.
asio::awaitable<void> end_when_idle(asio::io_context& loop, const Site& site,
                                    std::chrono::seconds idle) {
    asio::steady_timer timer(loop);
    while (Site::Clock::now() < site.last_use() + idle) {
        timer.expires_at(site.last_use() + idle);
        co_await timer.async_wait(asio::use_awaitable);
    }
    std::cerr << "secretctl: ended: the page was not used for " << print_duration(idle) << '\n';
    loop.stop();
}

/// Ends the loop with the exception, if there is one: the page cannot be served any longer.
void rethrow(const std::exception_ptr& end) {
    if (end != nullptr) std::rethrow_exception(end);
}

/// Adds the signals that end the page; not those that were ignored when it began, as by nohup.
void add_end_signals(asio::signal_set& signals) {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction before {};
        if (::sigaction(number, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
        signals.add(number);
    }
}

Listener listen(asio::io_context& loop, const Options& options) {
    if (options.unix_socket) return Listener::on_unix_socket(loop, *options.unix_socket);
    return Listener::on_loopback(loop, port_of(options));
}

}  // namespace

ExitCode serve_page(const Session& agent, const Options& options) {
    const std::chrono::seconds idle = idle_of(options);
    ::signal(SIGPIPE, SIG_IGN);                          // the reader of the links may have gone
    agent.ask_quietly({Method::get, "/v1/status", {}});  // shows early if there is no agent
    asio::io_context loop(1);
    Listener listener = listen(loop, options);
    const Announcer announcer(agent.json(), options, listener.port());
    const auto entrance = options.unix_socket ? Entrance::unix_socket : Entrance::loopback;
    Site site(entrance, listener.port(), [&] { announcer.say_next(site.link()); });
    // Ends before the loop is destroyed: a thread that has an answer gives it to the loop.
    asio::thread_pool threads(kThreads);
    const ServerContext context{site, agent.client(), threads};
    asio::signal_set signals(loop);
    add_end_signals(signals);
    signals.async_wait([&](const boost::system::error_code&, int) { loop.stop(); });
    asio::co_spawn(loop, serve(listener, context), rethrow);
    asio::co_spawn(loop, end_when_idle(loop, site, idle), rethrow);
    announcer.say_begin(site.link());
    if (!options.no_browser && !options.unix_socket) open_browser(announcer.url(site.link()));
    loop.run();
    return ExitCode::fine;
}

}  // namespace secrets::ctl::web
