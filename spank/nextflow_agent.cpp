// SPDX-License-Identifier: Apache-2.0
#include "spank/nextflow_agent.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace secrets::spank {
namespace {

constexpr char kVariable[] = "NXF_JVM_ARGS";
constexpr std::size_t kMaxOptionsBytes = 32 * 1024;
constexpr std::string_view kOption = "-javaagent:";
/// Ends the jar's path on hosts whose plugstack.conf has another path, or none.
constexpr std::string_view kJarName = "/slurm-secrets-nextflow.jar";

/// Returns the task's options of Java; nothing if they are longer than the buffer and would be cut.
std::optional<std::string> options_of(spank_t spank) {
    std::vector<char> value(kMaxOptionsBytes);
    const spank_err_t found =
        spank_getenv(spank, kVariable, value.data(), static_cast<int>(value.size()));
    if (found == ESPANK_ENV_NOEXIST) return std::string();
    if (found != ESPANK_SUCCESS) return std::nullopt;
    return value.data();
}

/// Returns the path of the plugin's jar in an option of Java; empty in any other option.
std::string jar_in(std::string_view option, const std::string& own) {
    if (!option.starts_with(kOption)) return {};
    option.remove_prefix(kOption.size());
    const std::string_view path = option.substr(0, option.find('='));
    const bool is_jar = path == own || (path.starts_with('/') && path.ends_with(kJarName));
    return is_jar ? std::string(path) : std::string();
}

bool is_readable(const std::string& path) {
    return ::access(path.c_str(), R_OK) == 0;
}

/// Tells whether a file is surely not there: one that root may not see, the user may.
bool is_missing(const std::string& path) {
    return ::access(path.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/// Removes the options that name a jar of the plugin which this node does not have. Returns whether
/// one of those that stay names a jar.
bool remove_missing(std::string& options, const std::string& own) {
    bool has_jar = false;
    for (std::size_t begin = 0; begin < options.size();) {
        const std::size_t end = std::min(options.find(' ', begin), options.size());
        const std::string jar = jar_in(std::string_view(options).substr(begin, end - begin), own);
        if (jar.empty() || !is_missing(jar)) {
            has_jar = has_jar || !jar.empty();
            begin = end + 1;
        } else if (begin > 0) {
            options.erase(begin - 1, end - begin + 1);
        } else {
            options.erase(begin, end - begin + 1);
        }
    }
    return has_jar;
}

/// Returns the option, with the variables of a run's id if the site has others than the usual ones.
std::string option_for(const PluginArguments& arguments) {
    std::string option = std::string(kOption) + arguments.nextflow;
    if (arguments.run_id_variables == PluginArguments().run_id_variables) return option;
    char separator = '=';
    for (const std::string& variable : arguments.run_id_variables) {
        option += separator + variable;
        separator = ',';
    }
    return option;
}

}  // namespace

void update_nextflow_agent(spank_t spank, const PluginArguments& arguments, bool is_wanted) {
    const std::optional<std::string> inherited = options_of(spank);
    if (!inherited) return;
    std::string options = *inherited;
    const std::string& jar = arguments.nextflow;
    const bool has_jar = remove_missing(options, jar);
    if (is_wanted && !has_jar && !jar.empty() && is_readable(jar))
        options += (options.empty() ? "" : " ") + option_for(arguments);
    if (options == *inherited) return;
    if (options.empty()) {
        (void)spank_unsetenv(spank, kVariable);
    } else {
        (void)spank_setenv(spank, kVariable, options.c_str(), 1);
    }
}

}  // namespace secrets::spank
