// SPDX-License-Identifier: Apache-2.0
#include "common/auth/hub_request.h"

#include <array>

namespace secrets {
namespace {

constexpr std::string_view kFirstLine = "slurm-secrets 1";

}  // namespace

std::string print_hub_request(const HubRequest& request) {
    std::string text(kFirstLine);
    for (const std::string* part :
         {&request.host, &request.method, &request.target, &request.body_digest}) {
        text += "\n" + *part;
    }
    return text + "\n";
}

StatusOr<HubRequest> parse_hub_request(std::string_view text) {
    std::array<std::string_view, 5> lines;
    for (std::string_view& line : lines) {
        const std::size_t end = text.find('\n');
        if (end == text.npos) return Status::failed("its payload is not a slurm-secrets request");
        line = text.substr(0, end);
        text.remove_prefix(end + 1);
    }
    if (!text.empty() || lines[0] != kFirstLine)
        return Status::failed("its payload is not a slurm-secrets request");
    return HubRequest{std::string(lines[1]), std::string(lines[2]), std::string(lines[3]),
                      std::string(lines[4])};
}

}  // namespace secrets
