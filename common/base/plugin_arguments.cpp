// SPDX-License-Identifier: Apache-2.0
#include "common/base/plugin_arguments.h"

#include <charconv>
#include <string_view>

#include "common/base/ids.h"
#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets {
namespace {

Status wrong(std::string_view argument, const char* what) {
    return Status::failed("plugstack.conf: the argument " + in_quotes(argument) + " " + what);
}

Status read_seconds(std::string_view argument, std::string_view value,
                    std::chrono::seconds& target) {
    constexpr int kMost = kMaxWaitMilliseconds / 1000;
    int seconds = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (value.empty() || error != std::errc() || end != value.data() + value.size() ||
        seconds < 0 || seconds > kMost) {
        return wrong(argument, "must be a whole number of seconds from 0 to 600");
    }
    target = std::chrono::seconds(seconds);
    return Status();
}

Status read_variables(std::string_view argument, std::string_view value,
                      std::vector<std::string>& target) {
    target.clear();
    while (!value.empty()) {
        const std::string_view name = value.substr(0, value.find(','));
        value.remove_prefix(std::min(name.size() + 1, value.size()));
        for (const char c : name) {
            if (is_letter(c) || is_digit(c) || c == '_') continue;
            return wrong(argument, "must be names of environment variables, separated by commas");
        }
        if (!name.empty()) target.emplace_back(name);
    }
    return Status();
}

Status read_path(std::string_view argument, std::string_view value, std::string& target) {
    if (!value.starts_with('/')) return wrong(argument, "must be an absolute path");
    target = value;
    return Status();
}

Status read_prefix(std::string_view argument, std::string_view value, std::string& target) {
    if (!value.empty() && !RunId::parse(value).ok())
        return wrong(argument, "must be the begin of a job's name, of the characters of a run id");
    target = value;
    return Status();
}

Status read_check(std::string_view argument, std::string_view value, SubmitCheck& target) {
    if (value == "refuse") {
        target = SubmitCheck::refuse;
    } else if (value == "warn") {
        target = SubmitCheck::warn;
    } else if (value == "off") {
        target = SubmitCheck::off;
    } else {
        return wrong(argument, "must be refuse, warn or off");
    }
    return Status();
}

Status read_argument(std::string_view argument, PluginArguments& arguments) {
    const auto equals = argument.find('=');
    if (equals == argument.npos) return wrong(argument, "is not of the form name=value");
    const std::string_view name = argument.substr(0, equals);
    const std::string_view value = argument.substr(equals + 1);
    if (name == "timeout") return read_seconds(argument, value, arguments.timeout);
    if (name == "wait") return read_seconds(argument, value, arguments.wait);
    if (name == "run_id_env") return read_variables(argument, value, arguments.run_id_variables);
    if (name == "run_id_job_name") return read_prefix(argument, value, arguments.run_id_job_name);
    if (name == "nextflow") return read_path(argument, value, arguments.nextflow);
    if (name == "node_socket") return read_path(argument, value, arguments.node_socket);
    if (name == "job_socket") return read_path(argument, value, arguments.job_socket);
    if (name == "files") return read_path(argument, value, arguments.files_directory);
    if (name == "check_at_submit") return read_check(argument, value, arguments.check_at_submit);
    if (name == "on_error") {
        if (value != "fail" && value != "continue")
            return wrong(argument, "must be fail or continue");
        arguments.on_error_continue = value == "continue";
        return Status();
    }
    return wrong(
        argument,
        "is unknown; expected one of: node_socket, job_socket, files, timeout, wait, on_error, "
        "check_at_submit, run_id_env, run_id_job_name, nextflow");
}

}  // namespace

Status read_plugin_arguments(int count, const char* const* values, PluginArguments& arguments) {
    for (int i = 0; i < count; ++i) {
        if (Status failure = read_argument(values[i], arguments); !failure.ok()) return failure;
    }
    return Status();
}

}  // namespace secrets
