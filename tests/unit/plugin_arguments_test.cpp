// SPDX-License-Identifier: Apache-2.0
// Promise: the plugin's line in plugstack.conf is understood as documented; what is wrong in it is
// said, and the plugin goes on with what was right.

#include "common/base/plugin_arguments.h"

#include "tests/unit/catch.h"

namespace secrets {
namespace {

/// The sentence about what is wrong, or nothing.
std::string read(std::vector<std::string> texts, PluginArguments& arguments) {
    std::vector<char*> values;
    for (std::string& text : texts) values.push_back(text.data());
    const auto wrong =
        read_plugin_arguments(static_cast<int>(values.size()), values.data(), arguments);
    return !wrong.ok() ? wrong.message() : "";
}

std::string refusal_of(const std::string& text) {
    PluginArguments arguments;
    return read({text}, arguments);
}

using Names = std::vector<std::string>;

Names variables_of(const std::string& text) {
    PluginArguments arguments;
    CHECK(read({"run_id_env=" + text}, arguments).empty());
    return arguments.run_id_variables;
}

TEST_CASE("Plugin arguments: use the documented defaults when the line has none") {
    PluginArguments arguments;
    CHECK(read({}, arguments).empty());
    CHECK(arguments.node_socket == "/run/slurm-secrets/node.sock");
    CHECK(arguments.job_socket == "/run/slurm-secrets/job.sock");
    CHECK(arguments.files_directory == "/run/slurm-secrets/jobs");
    CHECK(arguments.check_at_submit == SubmitCheck::refuse);
    CHECK(arguments.timeout == std::chrono::seconds(5));
    CHECK(arguments.wait == std::chrono::seconds(10));
    CHECK_FALSE(arguments.on_error_continue);
    CHECK(arguments.run_id_variables == Names{"TOWER_WORKFLOW_ID"});
    CHECK(arguments.run_id_job_name.empty());
    CHECK(arguments.nextflow.empty());
}

TEST_CASE("Plugin arguments: read every documented argument") {
    PluginArguments arguments;
    CHECK(read({"node_socket=/x/y=z.sock", "timeout=0", "wait=600", "on_error=continue",
                "run_id_env=A,B_2", "job_socket=/j.sock", "files=/f", "check_at_submit=off",
                "run_id_job_name=nf-workflow-", "nextflow=/n.jar"},
               arguments)
              .empty());
    CHECK(arguments.node_socket == "/x/y=z.sock");
    CHECK(arguments.timeout == std::chrono::seconds(0));
    CHECK(arguments.wait == std::chrono::seconds(600));
    CHECK(arguments.on_error_continue);
    CHECK(arguments.run_id_variables == Names{"A", "B_2"});
    CHECK(arguments.job_socket == "/j.sock");
    CHECK(arguments.files_directory == "/f");
    CHECK(arguments.run_id_job_name == "nf-workflow-");
    CHECK(arguments.nextflow == "/n.jar");
    CHECK(arguments.check_at_submit == SubmitCheck::off);
    CHECK(read({"check_at_submit=warn"}, arguments).empty());
    CHECK(arguments.check_at_submit == SubmitCheck::warn);
    CHECK(read({"check_at_submit=refuse"}, arguments).empty());
    CHECK(arguments.check_at_submit == SubmitCheck::refuse);
    CHECK(read({"on_error=fail"}, arguments).empty());
    CHECK_FALSE(arguments.on_error_continue);
}

TEST_CASE("Plugin arguments: replace the default run id variables with the given list") {
    CHECK(variables_of("MY_RUN") == Names{"MY_RUN"});
    CHECK(variables_of("A,B,C") == Names{"A", "B", "C"});
    CHECK(variables_of("A,,B,") == Names{"A", "B"});
    CHECK(variables_of("").empty());
}

TEST_CASE("Plugin arguments: use the last value of a repeated argument") {
    PluginArguments arguments;
    CHECK(read({"wait=1", "wait=2", "run_id_env=A", "run_id_env=B"}, arguments).empty());
    CHECK(arguments.wait == std::chrono::seconds(2));
    CHECK(arguments.run_id_variables == Names{"B"});
}

TEST_CASE("Plugin arguments: report what is wrong with an invalid argument") {
    const auto about = [](const std::string& argument, const std::string& what) {
        return "plugstack.conf: the argument '" + argument + "' " + what;
    };
    for (const char* text :
         {"timeout=", "timeout=x", "timeout=5s", "timeout=-1", "timeout=+1", "timeout= 1",
          "timeout=1.5", "timeout=601", "timeout=99999999999", "wait=", "wait=601", "wait=ten"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == about(text, "must be a whole number of seconds from 0 to 600"));
    }
    for (const char* text : {"timeout", "", "on_error", "fail"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == about(text, "is not of the form name=value"));
    }
    for (const char* text : {"colour=red", "=", "Timeout=1", "timeout =1", "node=1"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) ==
              about(text,
                    "is unknown; expected one of: node_socket, job_socket, files, timeout, wait, "
                    "on_error, check_at_submit, run_id_env, run_id_job_name, nextflow"));
    }
    for (const char* text : {"node_socket=", "node_socket=run/node.sock", "job_socket=j",
                             "files=", "files=run", "nextflow=", "nextflow=a.jar"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == about(text, "must be an absolute path"));
    }
    for (const char* text : {"on_error=", "on_error=Fail", "on_error=ignore"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == about(text, "must be fail or continue"));
    }
    for (const char* text : {"check_at_submit=", "check_at_submit=Off", "check_at_submit=fail"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) == about(text, "must be refuse, warn or off"));
    }
    for (const char* text : {"run_id_env=A B", "run_id_env=A-B", "run_id_env=A,$B"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) ==
              about(text, "must be names of environment variables, separated by commas"));
    }
    for (const char* text : {"run_id_job_name=a b", "run_id_job_name=/"}) {
        CAPTURE(text);
        CHECK(refusal_of(text) ==
              about(text, "must be the begin of a job's name, of the characters of a run id"));
    }
}

TEST_CASE("Plugin arguments: keep what precedes an invalid argument and ignore what follows") {
    for (const char* wrong : {"timeout=x", "wait=601", "node_socket=x", "on_error=x", "x=y", "x"}) {
        CAPTURE(wrong);
        PluginArguments arguments;
        CHECK_FALSE(
            read({"timeout=3", "run_id_env=A", "on_error=continue", wrong, "wait=77"}, arguments)
                .empty());
        CHECK(arguments.timeout == std::chrono::seconds(3));
        CHECK(arguments.run_id_variables == Names{"A"});
        CHECK(arguments.on_error_continue);
        CHECK(arguments.node_socket == "/run/slurm-secrets/node.sock");
        CHECK(arguments.wait == std::chrono::seconds(10));
    }
}

}  // namespace
}  // namespace secrets
