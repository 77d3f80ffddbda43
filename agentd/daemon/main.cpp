// SPDX-License-Identifier: Apache-2.0
// slurm-secretsd: reads its configuration, hardens its process, opens its sockets, and runs until
// it is told to end.

#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <optional>

#include "agentd/audit/audit_log.h"
#include "agentd/audit/journal_sink.h"
#include "agentd/base/agent_clock.h"
#include "agentd/base/process_hardening.h"
#include "agentd/daemon/daemon.h"
#include "agentd/net/tcp_listen.h"
#include "agentd/net/tls_context.h"
#include "agentd/openbao/server_pool.h"
#include "agentd/store/store_factory.h"
#include "common/ipc/unix_socket.h"

namespace secrets {
namespace {

/// Prints an error. The journal gets a level (sd-daemon(3)), and shows the daemon's name itself.
int fail(const std::string& sentence) {
    const char* prefix = audit::stderr_is_the_journal() ? "<3>" : "slurm-secretsd: ";
    std::fprintf(stderr, "%s%s\n", prefix, sentence.c_str());
    return 1;
}

/// Holds what systemd passed, told apart by name.
struct Inheritance {
    std::map<std::string, UniqueFd> listeners;
    std::vector<vault::FoundSlab> slabs;
    KeptWords words;
    std::optional<AgentClock::Milliseconds> clock_offset;  ///< of the clock of the slabs' times
};

/// Returns the number after the second dash of a slab's name; nothing if there is none.
std::optional<AgentClock::Milliseconds> clock_offset_in(const std::string& name) {
    const std::size_t dash = name.find('-', std::string("slab-").size());
    std::int64_t offset = 0;
    if (dash == name.npos) return std::nullopt;
    const char* const begin = name.data() + dash + 1;
    const auto [end, error] = std::from_chars(begin, name.data() + name.size(), offset);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return AgentClock::Milliseconds(offset);
}

/// Adds what follows `prefix` in a name. Returns whether the name begins with that.
bool add_word(const std::string& name, std::string_view prefix, std::vector<std::string>& words) {
    if (!name.starts_with(prefix)) return false;
    words.push_back(name.substr(prefix.size()));
    return true;
}

Inheritance take_inheritance() {
    Inheritance inheritance;
    KeptWords& words = inheritance.words;
    for (systemd::Passed& passed : systemd::take_passed()) {
        if (add_word(passed.name, vault::kMemoryId, words.memory_ids) ||
            add_word(passed.name, node::kNodeName, words.node_names)) {
            continue;
        }
        if (passed.name.starts_with("slab-")) {
            if (const auto offset = clock_offset_in(passed.name)) inheritance.clock_offset = offset;
            inheritance.slabs.push_back({std::move(passed.name), std::move(passed.fd)});
        } else {
            inheritance.listeners[passed.name] = std::move(passed.fd);
        }
    }
    return inheritance;
}

/// One server's socket: what its socket unit passed under that name, or else a newly opened one.
class Socket {
  public:
    Socket(std::string name, std::string path, SocketKind kind, mode_t mode)
        : name_(std::move(name)), path_(std::move(path)), kind_(kind), mode_(mode) {}
    ~Socket() {
        if (ours_) unlink(path_.c_str());
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    StatusOr<UniqueFd> open(Inheritance& inheritance) {
        const auto passed = inheritance.listeners.find(name_);
        if (passed != inheritance.listeners.end()) {
            const int type = kind_ == SocketKind::seqpacket ? SOCK_SEQPACKET : SOCK_STREAM;
            if (!systemd::is_unix_listener(passed->second.get(), type)) {
                return Status::failed(
                    "systemd passed a socket '" + name_ + "' that is not a Unix " +
                    (kind_ == SocketKind::seqpacket ? "ListenSequentialPacket=" : "ListenStream=") +
                    " socket; check slurm-secretsd-" + name_ + ".socket");
            }
            return std::move(passed->second);
        }
        auto fd = listen_at(path_, kind_, mode_);
        if (!fd) return Status::failed(name_ + "_socket: " + fd.status().message());
        ours_ = true;
        return fd;
    }

  private:
    std::string name_;
    std::string path_;
    SocketKind kind_;
    mode_t mode_;
    bool ours_ = false;
};

/// Returns the hub's socket: what its socket unit passed, or else a newly opened one.
StatusOr<UniqueFd> open_hub_socket(const Listen& listen, Inheritance& inheritance) {
    const auto passed = inheritance.listeners.find("hub");
    if (passed == inheritance.listeners.end()) {
        return net::listen_at_address(listen.host, listen.port);
    }
    if (!systemd::is_tcp_listener(passed->second.get())) {
        return Status::failed(
            "systemd passed a socket 'hub' that is not TCP; check ListenStream= in "
            "slurm-secretsd-hub.socket");
    }
    return std::move(passed->second);
}

MemoryKind memory_of(const Config& config) {
    return config.force_memfd ? MemoryKind::memfd : best_memory_kind();
}

/// Prevents secret bytes from leaving this process by a core file, a debugger or OpenSSL's freed
/// memory. To be called before the first of them is read.
Status harden_process() {
    return_freed_memory();
    if (Status wrong = forbid_dumps(); !wrong.ok()) return wrong;
    return wipe_memory_of_openssl();
}

int serve(const Config& config, const std::string& config_path) {
    std::signal(SIGPIPE, SIG_IGN);  // a client or munged that ends is an error of the call
    Inheritance inheritance = take_inheritance();
    if (const Status wrong = harden_process(); !wrong.ok()) return fail(wrong.message());
    const Status core_limit = lower_core_limit();
    if (const Status wrong = lock_memory(config.limits.total_bytes); !wrong.ok())
        return fail(wrong.message());
    if (const Status wrong = audit::open(config); !wrong.ok())
        return fail("audit.file: " + wrong.message());
    if (!core_limit.ok()) audit::report_problem(core_limit.message());
    const MemoryKind memory = memory_of(config);
    if (memory != MemoryKind::secretmem && config.require_secretmem) {
        return fail(
            "memory.require_secretmem is set, but this kernel has no memfd_secret; it needs Linux "
            "5.14 or later without secretmem.enable=0");
    }
    if (!config.openbao.urls.empty()) {
        if (const Status wrong = openbao::check_files(config.openbao, true); !wrong.ok()) {
            return fail(wrong.message());
        }
    }
    auto store = store::open_store(config, memory);
    if (!store) return fail(store.status().message());
    if (!store->why_closed.empty()) report_closed_store(store->why_closed);
    Socket node("node", config.node_socket, SocketKind::seqpacket, 0600);
    Socket job("job", config.job_socket, SocketKind::seqpacket, 0666);
    Socket control("control", config.control_socket, SocketKind::stream, 0666);
    auto node_listener = node.open(inheritance);
    if (!node_listener) return fail(node_listener.status().message());
    auto job_listener = job.open(inheritance);
    if (!job_listener) return fail(job_listener.status().message());
    auto control_listener = control.open(inheritance);
    if (!control_listener) return fail(control_listener.status().message());
    UniqueFd hub_listener;
    if (!config.listen.host.empty()) {
        auto listener = open_hub_socket(config.listen, inheritance);
        if (!listener) return fail("listen.address: " + listener.status().message());
        hub_listener = std::move(listener).value();
    }
    auto tls = make_tls_contexts(config);
    if (!tls) return fail(tls.status().message());
    for (const auto& [name, fd] : inheritance.listeners) {
        if (fd)
            audit::report_problem("systemd passed a socket named '" + name +
                                  "', which is not used");
    }
    systemd::ServiceManager service;
    // Never destroyed: run() overwrites what must be overwritten, and the next process waits for
    // this one to exit (the destruction of an index of 100,000 runs takes 0.1 s).
    Daemon& agent =
        *new Daemon(config, config_path, memory, std::move(store).value(),
                    {std::move(node_listener).value(), std::move(job_listener).value(),
                     std::move(control_listener).value(), std::move(hub_listener)},
                    std::move(tls).value(), service, AgentClock(inheritance.clock_offset));
    agent.restore(std::move(inheritance.slabs), inheritance.words);
    audit::record({.kind = audit::Kind::start,
                   .sentence = "version " SLURM_SECRETS_VERSION " is ready: secrets are held in " +
                               std::string(memory_kind_word(memory))});
    agent.run();
    return 0;
}

}  // namespace
}  // namespace secrets

namespace {

/// The options of the command line.
struct Options {
    std::string config = "/etc/slurm-secrets/agentd.yaml";
    bool check_config = false;
    std::string key;
    std::string new_key;
    std::string back_up_to;
    std::optional<uid_t> keep_secrets_of;
    std::optional<uid_t> remove_secrets_of;
};

int say(const secrets::StatusOr<std::string>& done) {
    if (!done) return secrets::fail(done.status().message());
    std::printf("%s\n", done->c_str());
    return 0;
}

int run(const Options& options) {
    const auto config = secrets::load_config(options.config);
    if (!config) return secrets::fail(config.status().message());
    if (options.check_config) {
        const bool is_hub = !config->listen.host.empty();
        const auto wrong = is_hub ? secrets::net::check_files(config->listen) : secrets::Status();
        if (!wrong.ok()) return secrets::fail(wrong.message());
        if (!config->hub.urls.empty()) {
            const auto client = secrets::make_hub_client_context(config->hub);
            if (!client) return secrets::fail(client.status().message());
        }
        const bool shares = !config->openbao.urls.empty();
        const auto bad =
            shares ? secrets::openbao::check_files(config->openbao, false) : secrets::Status();
        if (!bad.ok()) return secrets::fail(bad.message());
        return say(options.config + ": the configuration is valid");
    }
    if (!options.new_key.empty()) {
        if (const auto wrong = secrets::harden_process(); !wrong.ok())
            return secrets::fail(wrong.message());
        return say(secrets::store::rekey_store(*config, options.key, options.new_key));
    }
    if (!options.back_up_to.empty()) {
        return say(secrets::store::back_up_store(*config, options.back_up_to));
    }
    if (options.keep_secrets_of) {
        return say(
            secrets::store::settle_user(*config, secrets::Uid{*options.keep_secrets_of}, true));
    }
    if (options.remove_secrets_of) {
        return say(
            secrets::store::settle_user(*config, secrets::Uid{*options.remove_secrets_of}, false));
    }
    return secrets::serve(*config, options.config);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"slurm-secretsd: holds the secrets of jobs on this node", "slurm-secretsd"};
    Options options;
    app.add_option("--config", options.config, "The configuration file")->capture_default_str();
    app.add_flag("--check-config", options.check_config,
                 "Check the configuration, print its errors, and exit");
    auto* rekey = app.add_option("--rekey", options.new_key,
                                 "Reseal the store under the key in this file, and exit");
    app.add_option("--key", options.key,
                   "With --rekey: the file of the current key (store.key_file)")
        ->needs(rekey);
    app.add_option("--backup", options.back_up_to,
                   "Copy the store to this file, which must not exist, and exit");
    app.add_option("--keep-secrets-of", options.keep_secrets_of,
                   "Keep the stored secrets of this uid, whose user was renamed, and exit");
    app.add_option("--remove-secrets-of", options.remove_secrets_of,
                   "Remove the stored secrets of this uid, which another user has now, and exit");
    app.set_version_flag("--version", "slurm-secretsd " SLURM_SECRETS_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        return run(options);
    } catch (const std::exception& error) {
        return secrets::fail(error.what());
    }
}
