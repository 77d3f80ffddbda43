// SPDX-License-Identifier: Apache-2.0
// A configuration is rejected with the file's name and one line, or holds documented values.

#include "agentd/config/config.h"

#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

bool is_socket_path(const std::string& path) {
    return path.starts_with('/') && path.size() <= 107;
}

void check(const Config& config) {
    constexpr std::size_t kMiB = 1024 * 1024;
    const Limits& limits = config.limits;
    must(is_socket_path(config.node_socket), "node_socket is a socket's path");
    must(is_socket_path(config.control_socket), "control_socket is a socket's path");
    must(limits.value_bytes >= 1 && limits.value_bytes <= kMaxValueBytes, "limits.value_bytes");
    must(limits.run_bytes >= 1 && limits.run_bytes <= 64 * kMiB, "limits.run_bytes");
    must(limits.runs_per_owner >= 1, "limits.runs_per_owner");
    must(limits.bytes_per_owner >= 1, "limits.bytes_per_owner");
    must(limits.runs_per_platform >= 1, "limits.runs_per_platform");
    must(limits.total_bytes >= kMiB, "limits.total_bytes");
    must(config.default_ttl > config.default_ttl.zero(), "runs.default_ttl is a time");
    must(config.default_ttl <= config.max_ttl, "runs.default_ttl is within runs.max_ttl");
    for (const Platform& platform : config.platforms) {
        must(!platform.name.empty() && !platform.user.empty(), "a platform has a name and a user");
    }
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto config = parse_config(text, "agentd.yaml");
    if (config) {
        fuzz::check(*config);
    } else {
        const std::string& sentence = config.status().message();
        fuzz::must(fuzz::is_sentence(sentence) && sentence.starts_with("agentd.yaml:"),
                   "a configuration is refused with a sentence and its file");
    }
    return 0;
}
