// SPDX-License-Identifier: Apache-2.0
// slurm-secrets-view: tells the agent which jobs have ended and which users a Slurm account has.
// The program queries slurmctld with the rights of any user, and holds no secret. It is separate
// because libslurm is of one Slurm version, blocks, and ends its process when it finds no
// slurm.conf.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "slurmview/accounting.h"
#include "slurmview/controller.h"
#include "slurmview/nodes.h"
#include "slurmview/processes.h"
#include "slurmview/query_server.h"

namespace secrets::slurmview {
namespace {

/// Returns the socket that systemd passed.
StatusOr<UniqueFd> inherited_listener() {
    const int count = sd_listen_fds(1);
    if (count != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, nullptr, 0) <= 0) {
        return Status::failed(
            "no socket to listen on: start slurm-secrets-view.socket, which starts this program "
            "on demand, or use --listen PATH");
    }
    UniqueFd listener(SD_LISTEN_FDS_START);
    const int flags = fcntl(listener.get(), F_GETFL);
    if (flags < 0 || fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
        return Status::failed("cannot make the listening socket non-blocking");
    }
    return listener;
}

/// Returns the owner of the listener's file, which systemd makes the agent's.
StatusOr<Uid> owner_of(int listener) {
    sockaddr_un address{};
    socklen_t length = sizeof(address);
    struct stat status {};
    if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
        stat(address.sun_path, &status) != 0) {
        return Status::failed("cannot find the owner of the listening socket");
    }
    return Uid{status.st_uid};
}

/// Whether standard error already shows why this program ends.
bool explained = false;

int fail(const std::string& sentence) {
    std::fprintf(stderr, "slurm-secrets-view: %s\n", sentence.c_str());
    explained = true;
    return 1;
}

/// Runs at exit(), which libslurm calls after printing its reason when it can't continue.
void explain_exit() {
    if (explained) return;
    std::fputs(
        "slurm-secrets-view: libslurm ended this process for the reason above. It needs the "
        "cluster's slurm.conf, as every Slurm command does: in /etc/slurm, or at the path in "
        "SLURM_CONF\n",
        stderr);
}

/// Serves for `lifetime` seconds, or forever if that is 0.
int serve(const std::string& path, unsigned lifetime) {
    const auto listener =
        path.empty() ? inherited_listener() : listen_at(path, SocketKind::seqpacket, 0600);
    if (!listener) return fail(listener.status().message());
    const auto owner = owner_of(listener->get());
    if (!owner) return fail(owner.status().message());
    std::atexit(explain_exit);
    open_controller();
    QueryQueue queue({ask_controller,
                      users_of_account,
                      {addresses_of_all_nodes, names_in_list, addresses_of_host},
                      job_of_process,
                      jobs_with_steps,
                      ask_for_end});
    QueryServer server(listener->get(), *owner, queue);
    sd_notify(0, "READY=1");
    server.serve(lifetime == 0 ? std::nullopt
                               : std::optional(Deadline::in(std::chrono::seconds(lifetime))));
    _exit(0);  // not exit(): a thread may be within libslurm
}

}  // namespace
}  // namespace secrets::slurmview

int main(int argc, char** argv) {
    CLI::App app{
        "slurm-secrets-view: tells slurm-secretsd which jobs have ended, and who is in a Slurm "
        "account",
        "slurm-secrets-view"};
    std::string path;
    unsigned lifetime = 0;
    app.add_option("--listen", path, "Listen at this path instead of on the socket from systemd");
    app.add_option("--lifetime", lifetime,
                   "Accept no request after this many seconds, and exit once the others were "
                   "answered: systemd starts it again at the next one, and slurm.conf is read "
                   "again; 0: never")
        ->capture_default_str();
    app.set_version_flag("--version", "slurm-secrets-view " SLURM_SECRETS_VERSION);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        return secrets::slurmview::serve(path, lifetime);
    } catch (const std::exception& error) {
        return secrets::slurmview::fail(error.what());
    }
}
