// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "common/base/unique_fd.h"

namespace secrets::ctl::doctor {
namespace {

constexpr std::size_t kMaxBytes = 16 * 1024 * 1024;

}  // namespace

std::optional<std::string> read_text_file(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return std::nullopt;
    std::string text;
    char buffer[16 * 1024];
    while (true) {
        const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
        if (got == 0) return text;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > kMaxBytes) return std::nullopt;
    }
}

std::string why_not_readable(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    return file ? "" : std::generic_category().message(errno);
}

}  // namespace secrets::ctl::doctor
