// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/service_unit.h"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>

#include "ctl/doctor/command_output.h"

namespace secrets::ctl::doctor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kService = "slurm-secretsd.service";
constexpr std::chrono::seconds kLongest(3);

std::chrono::microseconds monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::microseconds(now.tv_nsec / 1000);
}

/// Reads lines of the form NAME=VALUE.
std::map<std::string, std::string> properties_in(const std::string& text) {
    std::map<std::string, std::string> properties;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        const std::size_t equals = line.find('=');
        if (equals != line.npos) properties[line.substr(0, equals)] = line.substr(equals + 1);
    }
    return properties;
}

/// Returns whether a line of the journal only says that the service failed, and not why.
bool has_no_reason(const std::string& line) {
    return line.empty() || line.starts_with("Failed to start") ||
           line.find(": Failed with result") != line.npos;
}

}  // namespace

std::optional<ServiceUnit> read_service_unit() {
    const auto shown =
        output_of({"systemctl", "show", kService,
                   "--property=LoadState,ActiveState,SubState,Result,NRestarts,NeedDaemonReload,"
                   "ActiveEnterTimestampMonotonic"},
                  kLongest);
    if (!shown) return std::nullopt;
    auto properties = properties_in(*shown);
    if (properties["LoadState"] != "loaded") return std::nullopt;
    const std::chrono::microseconds entered(
        std::strtoll(properties["ActiveEnterTimestampMonotonic"].c_str(), nullptr, 10));
    return ServiceUnit{properties["ActiveState"],
                       properties["SubState"],
                       properties["Result"],
                       std::strtoul(properties["NRestarts"].c_str(), nullptr, 10),
                       std::chrono::duration_cast<std::chrono::seconds>(monotonic_now() - entered),
                       properties["NeedDaemonReload"] == "yes"};
}

std::string last_error_of_service() {
    // Best effort: only root may ask journald to write what it has received.
    static_cast<void>(output_of({"journalctl", "--sync"}, kLongest));
    const auto journal =
        output_of({"journalctl", "--quiet", "--no-pager", "--output=cat", "--priority=err",
                   "--since=-15min", "--lines=50", std::string("--unit=") + kService},
                  kLongest);
    if (!journal) return {};
    std::istringstream in(*journal);
    std::string reason;
    for (std::string line; std::getline(in, line);) {
        if (!has_no_reason(line)) reason = std::move(line);
    }
    return reason;
}

std::vector<DanglingLink> find_dangling_links() {
    std::vector<DanglingLink> dangling;
    std::error_code error;
    for (const char* folder : {"/etc/systemd/system", "/run/systemd/system",
                               "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}) {
        for (const auto& drop_ins : fs::directory_iterator(folder, error)) {
            const std::string name = drop_ins.path().filename();
            if (!name.starts_with("slurm-secret") || !name.ends_with(".d")) continue;
            for (const auto& entry : fs::directory_iterator(drop_ins.path(), error)) {
                if (!entry.is_symlink(error) || fs::exists(entry.path(), error)) continue;
                dangling.push_back({entry.path(), fs::read_symlink(entry.path(), error)});
            }
        }
    }
    return dangling;
}

}  // namespace secrets::ctl::doctor
