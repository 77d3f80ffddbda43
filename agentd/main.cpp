// slurm-secretsd: reads its configuration, opens its doors, and runs the event loop until it is
// told to end.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/system_timer.hpp>
#include <cstdio>

#include "agentd/audit/audit.h"
#include "agentd/audit/drain.h"
#include "agentd/doors/http_door.h"
#include "agentd/doors/node_door.h"
#include "common/unix_socket.h"

namespace secrets {
namespace {

/// How long SIGTERM waits for requests that came before it.
constexpr auto kGrace = std::chrono::milliseconds(1500);

vault::Time now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

/// No core file and no debugger of the same user: a value that a request brought is nobody else's.
void forbid_dumps() {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

/// The daemon while it runs: everything that lives as long as the event loop.
class Agent {
  public:
    Agent(const Config& config, MemoryKind memory, UniqueFd node, UniqueFd control)
        : vault_(memory, config.limits.total_bytes),
          desk_(config, vault_, now),
          node_door_(loop_, std::move(node), desk_),
          http_door_(loop_, std::move(control), desk_),
          signals_(loop_, SIGTERM, SIGINT),
          hangup_(loop_, SIGHUP),
          expiry_(loop_) {
        desk_.on_expiry_change([this] { wipe_expired(); });
        signals_.async_wait([this](const doors::ErrorCode& error, int) {
            if (!error) loop_.stop();
        });
        wait_for_hangup();
    }

    /// Until a signal comes. What was accepted before it is finished; then all is wiped.
    void run() {
        loop_.run();
        audit::record({.kind = audit::Kind::stopping,
                       .sentence = "ending: finishing the requests that came"});
        log_.stop();
        hangup_.cancel();
        node_door_.stop();
        http_door_.stop();
        desk_.on_expiry_change([] {});  // a push that comes last arms no timer
        expiry_.cancel();
        loop_.restart();
        loop_.run_for(kGrace);
        http_door_.abort();
        loop_.restart();
        loop_.run_for(kGrace);
        const vault::Wiped wiped = vault_.wipe_all();
        audit::record(
            {.kind = audit::Kind::stop,
             .sentence = "ended: " + audit::counted(wiped.records, "record", "records") + " wiped",
             .records = wiped.records,
             .bytes = wiped.bytes});
        audit::finish();
    }

  private:
    /// The audit file was moved away, by logrotate for instance.
    void wait_for_hangup() {
        hangup_.async_wait([this](const doors::ErrorCode& error, int) {
            if (error) return;
            if (auto wrong = audit::reopen()) {
                audit::record({.kind = audit::Kind::reload_refused,
                               .sentence = wrong->sentence + "; the one that was open is kept"});
            } else {
                audit::record(
                    {.kind = audit::Kind::reload, .sentence = "the audit trail was opened anew"});
            }
            wait_for_hangup();
        });
    }

    void wipe_expired() {
        const auto next = desk_.expire();
        expiry_.cancel();
        if (!next) return;
        expiry_.expires_at(*next);
        expiry_.async_wait([this](const doors::ErrorCode& error) {
            if (!error) wipe_expired();
        });
    }

    boost::asio::io_context loop_{1};
    audit::Drain log_{loop_, audit::recorder()};
    vault::Vault vault_;
    desk::Desk desk_;
    doors::NodeDoor node_door_;
    doors::HttpDoor http_door_;
    boost::asio::signal_set signals_;
    boost::asio::signal_set hangup_;
    boost::asio::system_timer expiry_;
};

int fail(const std::string& sentence) {
    std::fprintf(stderr, "slurm-secretsd: %s\n", sentence.c_str());
    return 1;
}

int serve(const Config& config) {
    forbid_dumps();
    if (auto wrong = audit::open(config)) return fail("audit.file: " + wrong->sentence);
    const MemoryKind memory = best_memory_kind();
    if (memory != MemoryKind::secretmem && config.require_secretmem) {
        return fail(
            "memory.require_secretmem is set, and this kernel gives no memfd_secret (Linux "
            "5.14 or later, and not secretmem.enable=0)");
    }
    auto node = listen_at(config.node_socket, SocketKind::seqpacket, 0600);
    if (!node) return fail("node_socket: " + node.error().sentence);
    auto control = listen_at(config.control_socket, SocketKind::stream, 0666);
    if (!control) return fail("control_socket: " + control.error().sentence);
    Agent agent(config, memory, std::move(node).value(), std::move(control).value());
    audit::record({.kind = audit::Kind::start,
                   .sentence = "slurm-secretsd " SLURM_SECRETS_VERSION
                               " is ready: secrets are held in " +
                               std::string(memory_kind_word(memory)) + ", node socket " +
                               config.node_socket + ", control socket " + config.control_socket});
    agent.run();
    unlink(config.node_socket.c_str());
    unlink(config.control_socket.c_str());
    return 0;
}

}  // namespace
}  // namespace secrets

int main(int argc, char** argv) {
    CLI::App app{"slurm-secretsd: holds the secrets of jobs on this node", "slurm-secretsd"};
    std::string path = "/etc/slurm-secrets/agentd.yaml";
    bool check_only = false;
    app.add_option("--config", path, "The configuration file")->capture_default_str();
    app.add_flag("--check-config", check_only,
                 "Read the configuration, say what is wrong, and end");
    app.set_version_flag("--version", "slurm-secretsd " SLURM_SECRETS_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        const auto config = secrets::load_config(path);
        if (!config) return secrets::fail(config.error().sentence);
        if (check_only) {
            std::printf("%s: the configuration is fine\n", path.c_str());
            return 0;
        }
        return secrets::serve(*config);
    } catch (const std::exception& error) {
        return secrets::fail(error.what());
    }
}
