// SPDX-License-Identifier: Apache-2.0
#include "common/base/steering_variables.h"

#include <array>

namespace secrets {
namespace {

enum class Case { exact, ignored };

/// Variables with one effect. A name that ends in `*` is a prefix: all names behind it are of the
/// same program, and none holds a credential.
struct Group {
    std::string_view what;
    std::string_view names;  ///< separated by one space
    Case letters = Case::exact;
};

constexpr auto kGroups = std::to_array<Group>({
    {"Slurm", "SLURM_* SLURMD_* SLURMCTLD_* SPANK_* SBATCH_* SALLOC_* SRUN_* _SLURM_*"},
    {"what an inner command knows of the job's secrets", "SECRETS_GIVEN"},
    {"the dynamic loader",
     "LD_ASSUME_KERNEL LD_AUDIT LD_BIND_NOT LD_BIND_NOW LD_DEBUG LD_DEBUG_OUTPUT LD_DYNAMIC_WEAK "
     "LD_HWCAP_MASK LD_LIBRARY_PATH LD_ORIGIN_PATH LD_POINTER_GUARD LD_PREFER_MAP_32BIT_EXEC "
     "LD_PRELOAD LD_PROFILE LD_PROFILE_OUTPUT LD_SHOW_AUXV LD_TRACE_LOADED_OBJECTS "
     "LD_TRACE_PRELINKING LD_USE_LOAD_BIAS LD_VERBOSE LD_WARN"},
    {"the C library", "GLIBC_TUNABLES GCONV_PATH GETCONF_DIR LOCPATH MALLOC_* NLSPATH TZDIR"},
    {"name resolution", "HOSTALIASES LOCALDOMAIN RES_OPTIONS RESOLV_HOST_CONF"},
    {"which programs run",
     "PATH APPTAINERENV_APPEND_PATH APPTAINERENV_PREPEND_PATH SINGULARITYENV_APPEND_PATH "
     "SINGULARITYENV_PREPEND_PATH"},
    {"which programs other programs start",
     "BROWSER CVS_RSH EDITOR LESSCLOSE LESSOPEN MANPAGER PAGER RSYNC_CONNECT_PROG RSYNC_RSH "
     "SSH_ASKPASS SUDO_ASKPASS SVN_SSH VISUAL"},
    {"which libraries programs load",
     "CUDA_INJECTION64_PATH HDF5_PLUGIN_PATH HSA_TOOLS_LIB NVTX_INJECTION64_PATH OCL_ICD_FILENAMES "
     "OCL_ICD_VENDORS OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES"},
    {"where programs find their settings",
     "HOME XDG_CONFIG_DIRS XDG_CONFIG_HOME XDG_DATA_DIRS XDG_DATA_HOME"},
    {"where programs write temporary files", "TMPDIR"},
    {"which shell runs", "SHELL"},
    {"the user name that programs see", "LOGNAME USER"},
    {"the working directory", "OLDPWD PWD"},
    {"the shell",
     "BASHOPTS BASH_COMPAT BASH_ENV BASH_FUNC_* BASH_LOADABLES_PATH BASH_XTRACEFD CDPATH ENV "
     "EXECIGNORE FPATH GLOBIGNORE HISTFILE IFS INPUTRC PROMPT_COMMAND PS0 PS1 PS2 PS4 SHELLOPTS "
     "ZDOTDIR"},
    {"the Python interpreter",
     "PYTHONASYNCIODEBUG PYTHONBREAKPOINT PYTHONCASEOK PYTHONCOERCECLOCALE PYTHONDEBUG "
     "PYTHONDEVMODE PYTHONDONTWRITEBYTECODE PYTHONDUMPREFS PYTHONDUMPREFSFILE PYTHONEXECUTABLE "
     "PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONHOME PYTHONINSPECT PYTHONINTMAXSTRDIGITS "
     "PYTHONIOENCODING PYTHONMALLOC PYTHONMALLOCSTATS PYTHONNODEBUGRANGES PYTHONNOUSERSITE "
     "PYTHONOPTIMIZE PYTHONPATH PYTHONPERFSUPPORT PYTHONPLATLIBDIR PYTHONPROFILEIMPORTTIME "
     "PYTHONPYCACHEPREFIX PYTHONSAFEPATH PYTHONSTARTUP PYTHONTRACEMALLOC PYTHONUNBUFFERED "
     "PYTHONUSERBASE PYTHONUTF8 PYTHONVERBOSE PYTHONWARNDEFAULTENCODING PYTHONWARNINGS "
     "PYTHON_BASIC_REPL PYTHON_COLORS PYTHON_CPU_COUNT PYTHON_FROZEN_MODULES PYTHON_GIL "
     "PYTHON_HISTORY PYTHON_JIT PYTHON_PERF_JIT_SUPPORT PYTHON_PRESITE"},
    {"the Perl interpreter",
     "PERL5DB PERL5DB_THREADED PERL5LIB PERL5OPT PERL5SHELL PERLIO PERLIO_DEBUG PERLLIB "
     "PERL_DL_NONLAZY PERL_ENCODING PERL_HASH_SEED PERL_LOCAL_LIB_ROOT PERL_MB_OPT PERL_MEM_LOG "
     "PERL_MM_OPT PERL_PERTURB_KEYS PERL_SIGNALS PERL_UNICODE"},
    {"the Ruby interpreter",
     "BUNDLE_GEMFILE GEM_HOME GEM_PATH RUBYLIB RUBYLIB_PREFIX RUBYOPT RUBYPATH RUBYSHELL"},
    {"the Node.js interpreter", "NODE_OPTIONS NODE_PATH NODE_REPL_EXTERNAL_MODULE"},
    {"npm",
     "npm_config_browser npm_config_editor npm_config_git npm_config_globalconfig "
     "npm_config_init_module npm_config_node_gyp npm_config_node_options "
     "npm_config_onload_script npm_config_prefix npm_config_python npm_config_script_shell "
     "npm_config_shell npm_config_userconfig npm_config_viewer",
     Case::ignored},
    {"the Java machine",
     "ANT_OPTS CLASSPATH GRADLE_OPTS IBM_JAVA_OPTIONS JAVA_HOME JAVA_OPTS JAVA_TOOL_OPTIONS "
     "JDK_JAVA_OPTIONS MAVEN_OPTS OPENJ9_JAVA_OPTIONS SBT_OPTS _JAVA_OPTIONS"},
    {"Nextflow", "NXF_CLASSPATH NXF_HOME NXF_JAVA_HOME NXF_JVM_ARGS NXF_OPTS NXF_PLUGINS_DIR"},
    {"the .NET runtime",
     "CORECLR_ENABLE_PROFILING CORECLR_PROFILER CORECLR_PROFILER_PATH CORECLR_PROFILER_PATH_64 "
     "DOTNET_ADDITIONAL_DEPS DOTNET_ROOT DOTNET_SHARED_STORE DOTNET_STARTUP_HOOKS"},
    {"the Lua interpreter", "LUA_CPATH LUA_CPATH_5_* LUA_INIT LUA_INIT_5_* LUA_PATH LUA_PATH_5_*"},
    {"R",
     "R_DEFAULT_PACKAGES R_ENVIRON R_ENVIRON_USER R_HOME R_LIBS R_LIBS_SITE R_LIBS_USER "
     "R_MAKEVARS_SITE R_MAKEVARS_USER R_PROFILE R_PROFILE_USER R_SHARE_DIR"},
    {"the Julia interpreter",
     "JULIA_BINDIR JULIA_DEPOT_PATH JULIA_EDITOR JULIA_LOAD_PATH JULIA_PROJECT"},
    {"the PHP interpreter", "PHPRC PHP_INI_SCAN_DIR"},
    {"the Tcl interpreter", "TCLLIBPATH TCL_LIBRARY TK_LIBRARY"},
    {"MATLAB and Octave", "MATLABPATH OCTAVE_PATH OCTAVE_SITE_INITFILE OCTAVE_VERSION_INITFILE"},
    {"compilers and make",
     "COMPILER_PATH CPATH CPLUS_INCLUDE_PATH C_INCLUDE_PATH GCC_EXEC_PREFIX GOENV GOFLAGS GOPATH "
     "GOROOT GOTOOLCHAIN LD_RUN_PATH LIBRARY_PATH MAKEFILES MAKEFLAGS RUSTC RUSTC_WRAPPER "
     "RUSTFLAGS"},
    {"which programs Git runs",
     "GIT_ASKPASS GIT_COMMON_DIR GIT_CONFIG GIT_CONFIG_* GIT_DIR GIT_EDITOR GIT_EXEC_PATH "
     "GIT_EXTERNAL_DIFF GIT_PAGER GIT_PROXY_COMMAND GIT_SEQUENCE_EDITOR GIT_SSH GIT_SSH_COMMAND "
     "GIT_TEMPLATE_DIR GIT_WORK_TREE"},
    {"environment modules",
     "LMOD_CMD LMOD_DIR LMOD_MODULERCFILE LMOD_PACKAGE_PATH LMOD_PKG LMOD_RC MODULEPATH "
     "MODULERCFILE MODULESHOME MODULES_CMD"},
    {"MPI",
     "HYDRA_BOOTSTRAP HYDRA_BOOTSTRAP_EXEC HYDRA_LAUNCHER HYDRA_LAUNCHER_EXEC I_MPI_* OMPI_MCA_* "
     "OPAL_LIBDIR OPAL_PREFIX PMIX_MCA_* PRTE_MCA_*"},
    {"containers",
     "APPTAINER_BIND APPTAINER_BINDPATH APPTAINER_CONTAINLIBS APPTAINER_MOUNT "
     "APPTAINER_OVERLAYIMAGE APPTAINER_SHELL CONTAINERS_CONF SINGULARITY_BIND SINGULARITY_BINDPATH "
     "SINGULARITY_CONTAINLIBS SINGULARITY_MOUNT SINGULARITY_OVERLAYIMAGE SINGULARITY_SHELL"},
});

/// Credentials whose names have a prefix of the table.
constexpr auto kCredentials = std::to_array<std::string_view>({"SLURM_JWT"});

/// Prefixes with which a container runtime sets the variable that follows in its container.
constexpr auto kInContainer = std::to_array<std::string_view>({"APPTAINERENV_", "SINGULARITYENV_"});

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool are_equal(std::string_view one, std::string_view other, Case letters) {
    if (one.size() != other.size()) return false;
    for (std::size_t i = 0; i < one.size(); ++i) {
        if (one[i] == other[i]) continue;
        if (letters == Case::exact || lower(one[i]) != lower(other[i])) return false;
    }
    return true;
}

bool matches(std::string_view name, std::string_view variable, Case letters) {
    if (!name.ends_with('*')) return are_equal(name, variable, letters);
    name.remove_suffix(1);
    return variable.size() >= name.size() &&
           are_equal(name, variable.substr(0, name.size()), letters);
}

bool contains(const Group& group, std::string_view variable) {
    for (std::string_view names = group.names; !names.empty();) {
        const std::string_view name = names.substr(0, names.find(' '));
        if (matches(name, variable, group.letters)) return true;
        names.remove_prefix(name.size() == names.size() ? name.size() : name.size() + 1);
    }
    return false;
}

std::string_view in_container(std::string_view variable) {
    for (const std::string_view prefix : kInContainer) {
        if (variable.starts_with(prefix)) return variable.substr(prefix.size());
    }
    return {};
}

}  // namespace

std::optional<std::string_view> controlled_by(std::string_view variable) {
    for (; !variable.empty(); variable = in_container(variable)) {
        for (const std::string_view credential : kCredentials) {
            if (variable == credential) return std::nullopt;
        }
        for (const Group& group : kGroups) {
            if (contains(group, variable)) return group.what;
        }
    }
    return std::nullopt;
}

}  // namespace secrets
