// SPDX-License-Identifier: Apache-2.0
#include "agentd/systemd/service_manager.h"

#include <fcntl.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

namespace secrets::systemd {

std::vector<Passed> take_passed() {
    std::vector<Passed> passed;
    char** names = nullptr;
    const int count = sd_listen_fds_with_names(1, &names);
    for (int i = 0; i < count; ++i) {
        passed.push_back({names[i], UniqueFd(SD_LISTEN_FDS_START + i)});
        free(names[i]);
    }
    free(names);
    return passed;
}

bool is_unix_listener(int fd, int type) {
    return sd_is_socket_unix(fd, type, 1, nullptr, 0) > 0;
}

bool is_tcp_listener(int fd) {
    return sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) > 0;
}

bool ServiceManager::is_managed() const {
    return getenv("NOTIFY_SOCKET") != nullptr;
}

void ServiceManager::ready(const std::string& status) const {
    sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void ServiceManager::reloading() const {
    sd_notify(0, "RELOADING=1");
}

void ServiceManager::stopping(const std::string& status) const {
    sd_notify(0, ("STOPPING=1\nSTATUS=" + status).c_str());
}

void ServiceManager::alive(const std::string& status) const {
    sd_notify(0, ("WATCHDOG=1\nSTATUS=" + status).c_str());
}

std::optional<std::chrono::microseconds> ServiceManager::watchdog() const {
    std::uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
    return std::chrono::microseconds(microseconds);
}

bool ServiceManager::keep(const std::string& name, int fd) {
    // FDPOLL=0 is not needed: a memory region never reports a hangup.
    return sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDNAME=" + name).c_str(), &fd, 1) > 0;
}

bool ServiceManager::forget(const std::string& name) {
    // 0: there is no systemd, which then stores nothing.
    return sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str()) >= 0;
}

}  // namespace secrets::systemd
