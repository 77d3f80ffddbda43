// SPDX-License-Identifier: Apache-2.0
#include "spank/nextflow_agent.h"

#include <unistd.h>

#include <vector>

namespace secrets::spank {
namespace {

constexpr char kVariable[] = "NXF_JVM_ARGS";
constexpr std::size_t kMaxOptionsBytes = 32 * 1024;

}  // namespace

void add_nextflow_agent(spank_t spank, const std::string& jar) {
    if (jar.empty() || ::access(jar.c_str(), R_OK) != 0) return;
    std::vector<char> own(kMaxOptionsBytes);
    const spank_err_t found =
        spank_getenv(spank, kVariable, own.data(), static_cast<int>(own.size()));
    // Options that are longer than the buffer would be cut.
    if (found != ESPANK_SUCCESS && found != ESPANK_ENV_NOEXIST) return;
    std::string options = found == ESPANK_SUCCESS ? own.data() : "";
    const std::string option = "-javaagent:" + jar;
    // A job inherits the variable from the job that submits it.
    if ((" " + options + " ").find(" " + option + " ") != std::string::npos) return;
    options += (options.empty() ? "" : " ") + option;
    (void)spank_setenv(spank, kVariable, options.c_str(), 1);
}

}  // namespace secrets::spank
