// SPDX-License-Identifier: Apache-2.0
// Promise: only names that can do no harm are taken, and a refusal says what is wrong.

#include "common/base/names.h"

#include <string>

#include "common/base/ids.h"
#include "common/base/limits.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

bool is_secret_name(std::string_view name) {
    return check_secret_name(name).ok();
}
bool is_variable(std::string_view variable) {
    return check_variable_name(variable).ok();
}

/// One family of variables that control the job, and how the refusal names what they control.
struct SteeringCase {
    const char* variable;
    const char* what;
};

constexpr SteeringCase kSteeringCases[] = {
    {"LD_PRELOAD", "the dynamic loader"},
    {"LD_LIBRARY_PATH", "the dynamic loader"},
    {"LD_AUDIT", "the dynamic loader"},
    {"GLIBC_TUNABLES", "the C library"},
    {"MALLOC_TRACE", "the C library"},
    {"GCONV_PATH", "the C library"},
    {"LOCPATH", "the C library"},
    {"NLSPATH", "the C library"},
    {"HOSTALIASES", "name resolution"},
    {"LOCALDOMAIN", "name resolution"},
    {"RES_OPTIONS", "name resolution"},
    {"PATH", "which programs run"},
    {"HOME", "where programs find their settings"},
    {"SHELL", "which shell runs"},
    {"USER", "the user name that programs see"},
    {"LOGNAME", "the user name that programs see"},
    {"PWD", "the working directory"},
    {"OLDPWD", "the working directory"},
    {"TMPDIR", "where programs write temporary files"},
    {"IFS", "the shell"},
    {"ENV", "the shell"},
    {"CDPATH", "the shell"},
    {"GLOBIGNORE", "the shell"},
    {"SHELLOPTS", "the shell"},
    {"PROMPT_COMMAND", "the shell"},
    {"PS4", "the shell"},
    {"BASH_ENV", "the shell"},
    {"BASHOPTS", "the shell"},
    {"BASH_FUNC_ls", "the shell"},
    {"PYTHONPATH", "the Python interpreter"},
    {"PYTHONSTARTUP", "the Python interpreter"},
    {"PERL5LIB", "the Perl interpreter"},
    {"PERL5OPT", "the Perl interpreter"},
    {"RUBYLIB", "the Ruby interpreter"},
    {"RUBYOPT", "the Ruby interpreter"},
    {"NODE_OPTIONS", "the Node.js interpreter"},
    {"NODE_PATH", "the Node.js interpreter"},
    {"CLASSPATH", "the Java machine"},
    {"JAVA_TOOL_OPTIONS", "the Java machine"},
    {"JDK_JAVA_OPTIONS", "the Java machine"},
    {"_JAVA_OPTIONS", "the Java machine"},
    {"GIT_SSH", "which programs Git runs"},
    {"GIT_SSH_COMMAND", "which programs Git runs"},
    {"GIT_EXEC_PATH", "which programs Git runs"},
    {"SLURM_SECRETS", "Slurm"},
    {"SLURM_JOB_ID", "Slurm"},
    {"SLURMD_NODENAME", "Slurm"},
    {"SPANK_ANYTHING", "Slurm"},
    {"SBATCH_EXPORT", "Slurm"},
    {"SALLOC_ACCOUNT", "Slurm"},
    {"SRUN_EXPORT_ENV", "Slurm"},
    {"_SLURM_SPANK_OPTION_x", "Slurm"},
    {"SLURM_CONF", "Slurm"},
    {"SLURM_JWT_KEY", "Slurm"},
    {"BASH_FUNC_", "the shell"},
    {"GIT_CONFIG_COUNT", "which programs Git runs"},
    {"GIT_CONFIG_KEY_0", "which programs Git runs"},
    {"GIT_CONFIG_GLOBAL", "which programs Git runs"},
    {"GIT_ASKPASS", "which programs Git runs"},
    {"APPTAINERENV_LD_PRELOAD", "the dynamic loader"},
    {"SINGULARITYENV_LD_LIBRARY_PATH", "the dynamic loader"},
    {"APPTAINERENV_SINGULARITYENV_LD_AUDIT", "the dynamic loader"},
    {"SINGULARITYENV_PYTHONPATH", "the Python interpreter"},
    {"APPTAINERENV_PREPEND_PATH", "which programs run"},
    {"SINGULARITY_BIND", "containers"},
    {"LUA_INIT", "the Lua interpreter"},
    {"LUA_INIT_5_4", "the Lua interpreter"},
    {"LUA_CPATH", "the Lua interpreter"},
    {"R_PROFILE", "R"},
    {"R_PROFILE_USER", "R"},
    {"R_ENVIRON", "R"},
    {"R_ENVIRON_USER", "R"},
    {"R_LIBS", "R"},
    {"OMPI_MCA_plm_rsh_agent", "MPI"},
    {"PRTE_MCA_plm_ssh_agent", "MPI"},
    {"I_MPI_HYDRA_BOOTSTRAP_EXEC", "MPI"},
    {"DOTNET_STARTUP_HOOKS", "the .NET runtime"},
    {"npm_config_node_options", "npm"},
    {"NPM_CONFIG_NODE_OPTIONS", "npm"},
    {"Npm_Config_Script_Shell", "npm"},
    {"PYTHONHOME", "the Python interpreter"},
    {"PYTHONBREAKPOINT", "the Python interpreter"},
    {"PERL5DB", "the Perl interpreter"},
    {"EDITOR", "which programs other programs start"},
    {"OPENSSL_CONF", "which libraries programs load"},
    {"MODULEPATH", "environment modules"},
    {"JULIA_LOAD_PATH", "the Julia interpreter"},
    {"PHPRC", "the PHP interpreter"},
    {"TCLLIBPATH", "the Tcl interpreter"},
    {"MATLABPATH", "MATLAB and Octave"},
    {"NXF_OPTS", "Nextflow"},
    {"MAKEFLAGS", "compilers and make"},
};

TEST_CASE("Names: reject every variable that controls the job", "[names]") {
    for (const SteeringCase& row : kSteeringCases) {
        CAPTURE(row.variable);
        CHECK(check_variable_name(row.variable).message() ==
              "the variable '" + std::string(row.variable) + "' controls " + row.what +
                  " and may not hold a secret; use another name, and in the job's script: export " +
                  row.variable + "=\"$OTHER_NAME\"");
    }
}

TEST_CASE("Names: reject a secret name whose variable controls the job", "[names]") {
    for (const SteeringCase& row : kSteeringCases) {
        CAPTURE(row.variable);
        CHECK_FALSE(is_secret_name(row.variable));
    }
    CHECK(check_secret_name("LD-PRELOAD").message() ==
          "invalid secret name 'LD-PRELOAD': the variable 'LD_PRELOAD' controls the dynamic "
          "loader and may not hold a secret; use another name, and in the job's script: export "
          "LD_PRELOAD=\"$OTHER_NAME\"");
    CHECK_FALSE(is_secret_name("SLURM-X"));
    CHECK_FALSE(is_secret_name("BASH-ENV"));
}

TEST_CASE("Names: accept names that only resemble steering variables", "[names]") {
    for (const char* name : {"PATHS",
                             "MY_PATH",
                             "path",
                             "HOME_TOKEN",
                             "LD",
                             "LDAP_PASSWORD",
                             "ENVIRONMENT",
                             "IFS2",
                             "PS41",
                             "SLURM",
                             "SLURMY",
                             "MY_SLURM_TOKEN",
                             "GIT_TOKEN",
                             "GIT_SSH_KEY",
                             "NODE_AUTH_TOKEN",
                             "USER_TOKEN",
                             "AWS_SECRET_ACCESS_KEY",
                             "JAVA_KEYSTORE_PASSWORD",
                             "MY_PYTHON_TOKEN",
                             "SLURM_JWT",
                             "PERLMUTTER_TOKEN",
                             "PYTHONANYWHERE_TOKEN",
                             "LD_SDK_KEY",
                             "BASHUPLOAD_KEY",
                             "PYTHON_TOKEN",
                             "PERL_TOKEN",
                             "LUA_TOKEN",
                             "LUA_INIT5",
                             "R_TOKEN",
                             "R_ENVIRONMENT_KEY",
                             "GIT_CONFIGURATION",
                             "APPTAINERENV_HF_TOKEN",
                             "SINGULARITYENV_LD_SDK_KEY",
                             "APPTAINERENV_SLURM_JWT",
                             "APPTAINER_DOCKER_PASSWORD",
                             "APPTAINERENV_",
                             "npm_config__auth",
                             "NPM_TOKEN",
                             "ld_preload",
                             "DOTNET_TOKEN",
                             "OMPI_MCA",
                             "PIP_CONFIG_FILE",
                             "AWS_CONFIG_FILE",
                             "GEM_HOST_API_KEY",
                             "CARGO_REGISTRY_TOKEN",
                             "BASH"}) {
        CAPTURE(name);
        CHECK(is_variable(name));
        CHECK(is_secret_name(name));
    }
}

TEST_CASE("Names: accept a stored name whose variable is not allowed", "[names]") {
    for (const char* name : {"LD_PRELOAD", "LUA-INIT", "HF_TOKEN"}) {
        CAPTURE(name);
        CHECK(check_stored_name(name).ok());
    }
    CHECK(check_stored_name("A.B").message() == check_secret_name("A.B").message());
    CHECK_FALSE(check_stored_name("").ok());
}

TEST_CASE("Names: report what is wrong with a malformed name", "[names]") {
    struct Row {
        const char* name;
        const char* sentence;
    };
    const Row secret_rows[] = {
        {"", "the secret's name is missing"},
        {"1A", "the secret's name '1A' must begin with a letter or '_'"},
        {"-A", "the secret's name '-A' must begin with a letter or '_'"},
        {"-", "the secret's name '-' must begin with a letter or '_'"},
        {"A.B",
         "the secret's name 'A.B' contains '.'; only letters, digits, '_' and '-' are allowed"},
        {"A B",
         "the secret's name 'A B' contains ' '; only letters, digits, '_' and '-' are allowed"},
        {"A\n",
         "the secret's name 'A?' contains '?'; only letters, digits, '_' and '-' are allowed"},
    };
    for (const Row& row : secret_rows) {
        CAPTURE(row.name);
        CHECK(check_secret_name(row.name).message() == std::string(row.sentence));
    }
    const Row variable_rows[] = {
        {"", "the variable is missing"},
        {"1A", "the variable '1A' must begin with a letter or '_'"},
        {"A-B", "the variable 'A-B' contains '-'; only letters, digits and '_' are allowed"},
        {"A=B", "the variable 'A=B' contains '='; only letters, digits and '_' are allowed"},
    };
    for (const Row& row : variable_rows) {
        CAPTURE(row.name);
        CHECK(check_variable_name(row.name).message() == std::string(row.sentence));
    }
}

TEST_CASE("Names: accept 64 characters and reject 65", "[names]") {
    const std::string longest(kMaxNameBytes, 'A');
    CHECK(is_secret_name(longest));
    CHECK(is_variable(longest));
    CHECK(check_secret_name(longest + "A").message() ==
          "the secret's name '" + longest + "...' has 65 characters; at most 64 are allowed");
    CHECK(check_variable_name(longest + "A").message() ==
          "the variable '" + longest + "...' has 65 characters; at most 64 are allowed");
}

TEST_CASE("Names: accept each byte exactly where the grammar allows it", "[names]") {
    const std::string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const std::string digits = "0123456789";
    const auto among = [](const std::string& set, char c) { return set.find(c) != set.npos; };
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        CAPTURE(byte);
        const std::string first = {c, 'x'};
        const std::string later = {'x', c};
        CHECK(is_secret_name(first) == among(letters + "_", c));
        CHECK(is_variable(first) == among(letters + "_", c));
        CHECK(RunId::parse(first).ok() == among(letters + digits, c));
        CHECK(is_secret_name(later) == among(letters + digits + "_-", c));
        CHECK(is_variable(later) == among(letters + digits + "_", c));
        CHECK(RunId::parse(later).ok() == among(letters + digits + "._-", c));
    }
}

TEST_CASE("Names: turn a dash of a secret name into an underscore of its variable", "[names]") {
    CHECK(variable_for("a-b--c") == "a_b__c");
    CHECK(variable_for("A_B9") == "A_B9");
}

TEST_CASE("Names: replace unprintable bytes in quoted text and shorten it", "[names]") {
    CHECK(in_quotes("plain") == "'plain'");
    CHECK(in_quotes("") == "''");
    CHECK(in_quotes("a\nb\x1b[31m\x7f") == "'a?b?[31m?'");
    CHECK(in_quotes(std::string_view("a\0b", 3)) == "'a?b'");
    CHECK(in_quotes("\xc3\xa9") ==
          "'?"
          "?'");
    CHECK(in_quotes(std::string(kMaxNameBytes, 'x')) ==
          "'" + std::string(kMaxNameBytes, 'x') + "'");
    CHECK(in_quotes(std::string(kMaxNameBytes + 1, 'x')) ==
          "'" + std::string(kMaxNameBytes, 'x') + "...'");
}

TEST_CASE("Names: accept a valid workspace name and report what is wrong with others", "[names]") {
    for (const char* name : {"lab", "9", "A-b_c.d", "lab.2"}) {
        CAPTURE(name);
        CHECK(check_workspace_name(name).ok());
    }
    CHECK(check_workspace_name(std::string(kMaxWorkspaceBytes, 'w')).ok());
    CHECK(check_workspace_name(std::string(kMaxWorkspaceBytes + 1, 'w')).message() ==
          "a workspace's name has 65 characters; at most 64 are allowed");
    CHECK(check_workspace_name("").message() == "a workspace's name is missing");
    CHECK(check_workspace_name("..").message() ==
          "the workspace's name '..' must begin with a letter or a digit");
    CHECK(check_workspace_name("a/b").message() ==
          "the workspace's name 'a/b' contains '/'; only letters, digits, '.', '_' and '-' are "
          "allowed");
}

TEST_CASE("RunId: accepts a valid id unchanged and reports what is wrong with others", "[names]") {
    for (const std::string& text :
         {std::string("demo-1"), std::string("5xZ.9_a"), std::string("0"), std::string(64, 'r')}) {
        CAPTURE(text);
        const auto run = RunId::parse(text);
        REQUIRE(run.ok());
        CHECK(run->text() == text);
    }
    struct Row {
        std::string text;
        std::string sentence;
    };
    const Row rows[] = {
        {"", "a run id is missing"},
        {".hidden", "the run id '.hidden' must begin with a letter or a digit"},
        {"../etc", "the run id '../etc' must begin with a letter or a digit"},
        {"a/b",
         "the run id 'a/b' contains '/'; only letters, digits, '.', '_' and '-' are allowed"},
        {std::string(65, 'r'), "a run id has 65 characters; at most 64 are allowed"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const auto run = RunId::parse(row.text);
        REQUIRE_FALSE(run.ok());
        CHECK(run.status().message() == row.sentence);
    }
}

}  // namespace
}  // namespace secrets
