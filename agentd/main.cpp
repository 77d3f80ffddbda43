// slurm-secretsd: reads its configuration, makes itself safe, opens its doors, and runs until it is
// told to end.

#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agentd/agent.h"
#include "agentd/audit/audit.h"
#include "agentd/locked_process.h"
#include "common/unix_socket.h"

namespace secrets {
namespace {

int fail(const std::string& sentence) {
    std::fprintf(stderr, "slurm-secretsd: %s\n", sentence.c_str());
    return 1;
}

/// What systemd passed, told apart by name.
struct Inheritance {
    std::map<std::string, UniqueFd> listeners;
    std::vector<vault::FoundSlab> slabs;
};

Inheritance take_inheritance() {
    Inheritance inheritance;
    for (systemd::Passed& passed : systemd::take_passed()) {
        if (passed.name.starts_with("slab-")) {
            inheritance.slabs.push_back({std::move(passed.name), std::move(passed.fd)});
        } else {
            inheritance.listeners[passed.name] = std::move(passed.fd);
        }
    }
    return inheritance;
}

/// One door's socket: what its socket unit passed under that name, or else one of our own.
class Socket {
  public:
    Socket(std::string name, std::string path, SocketKind kind, mode_t mode)
        : name_(std::move(name)), path_(std::move(path)), kind_(kind), mode_(mode) {}
    ~Socket() {
        if (ours_) unlink(path_.c_str());
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    Result<UniqueFd> open(Inheritance& inheritance) {
        const auto passed = inheritance.listeners.find(name_);
        if (passed != inheritance.listeners.end()) {
            const int type = kind_ == SocketKind::seqpacket ? SOCK_SEQPACKET : SOCK_STREAM;
            if (!systemd::is_unix_listener(passed->second.get(), type)) {
                return Error{
                    "the socket that systemd passed as '" + name_ + "' is not a Unix " +
                    (kind_ == SocketKind::seqpacket ? "ListenSequentialPacket=" : "ListenStream=") +
                    " socket: mend its socket unit"};
            }
            return std::move(passed->second);
        }
        auto fd = listen_at(path_, kind_, mode_);
        if (!fd) return Error{name_ + "_socket: " + fd.error().sentence};
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

MemoryKind memory_of(const Config& config) {
    return config.force_memfd ? MemoryKind::memfd : best_memory_kind();
}

int serve(const Config& config, const std::string& config_path) {
    Inheritance inheritance = take_inheritance();
    forbid_dumps();
    wipe_memory_of_openssl();
    if (const auto wrong = lock_memory(config.limits.total_bytes)) return fail(wrong->sentence);
    if (const auto wrong = audit::open(config)) return fail("audit.file: " + wrong->sentence);
    const MemoryKind memory = memory_of(config);
    if (memory != MemoryKind::secretmem && config.require_secretmem) {
        return fail(
            "memory.require_secretmem is set, and this kernel gives no memfd_secret (Linux "
            "5.14 or later, and not secretmem.enable=0)");
    }
    Socket node("node", config.node_socket, SocketKind::seqpacket, 0600);
    Socket job("job", config.job_socket, SocketKind::seqpacket, 0666);
    Socket control("control", config.control_socket, SocketKind::stream, 0666);
    auto node_listener = node.open(inheritance);
    if (!node_listener) return fail(node_listener.error().sentence);
    auto job_listener = job.open(inheritance);
    if (!job_listener) return fail(job_listener.error().sentence);
    auto control_listener = control.open(inheritance);
    if (!control_listener) return fail(control_listener.error().sentence);
    for (const auto& [name, fd] : inheritance.listeners) {
        if (fd) audit::trouble("systemd passed a socket named '" + name + "', which is not used");
    }
    systemd::Service service;
    Agent agent(config, config_path, memory,
                {std::move(node_listener).value(), std::move(job_listener).value(),
                 std::move(control_listener).value()},
                service);
    agent.restore(std::move(inheritance.slabs));
    audit::record({.kind = audit::Kind::start,
                   .sentence = "slurm-secretsd " SLURM_SECRETS_VERSION
                               " is ready: secrets are held in " +
                               std::string(memory_kind_word(memory))});
    agent.run();
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
        return secrets::serve(*config, path);
    } catch (const std::exception& error) {
        return secrets::fail(error.what());
    }
}
