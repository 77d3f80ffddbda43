// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/http_date.h"

#include <time.h>

namespace secrets::net {
namespace {

/// Names of days and months are English: the agent does not set a locale.
constexpr const char* kForm = "%a, %d %b %Y %H:%M:%S GMT";

}  // namespace

std::string http_date(std::chrono::system_clock::time_point time) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[sizeof("Mon, 30 Nov 2026 07:08:32 GMT") + 16] = "";
    std::strftime(text, sizeof text, kForm, &parts);
    return text;
}

std::optional<std::chrono::sys_seconds> parse_http_date(const std::string& text) {
    std::tm parts{};
    const char* const end = ::strptime(text.c_str(), kForm, &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    return std::chrono::sys_seconds(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace secrets::net
