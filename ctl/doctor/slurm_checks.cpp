// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <filesystem>
#include <vector>

#include "common/base/plugin_arguments.h"
#include "ctl/doctor/checks.h"
#include "ctl/doctor/text_file.h"

namespace secrets::ctl::doctor {
namespace {

namespace fs = std::filesystem;

/// Returns why users other than root could replace `path`; empty if they can't.
std::string why_not_roots_alone(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    if (status.st_uid != 0) return path + " belongs to uid " + std::to_string(status.st_uid);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0) {
        return path + " is writable by others than root";
    }
    return {};
}

/// Checks a file that slurmstepd or users' programs load: only root may be able to replace it.
Finding check_loaded_file(const std::string& path, const std::string& danger) {
    for (const std::string& each : {path, fs::path(path).parent_path().string()}) {
        std::string why = why_not_roots_alone(each);
        if (why.empty()) continue;
        std::string remedy = "run: chown root: ";
        remedy.append(each).append(" && chmod go-w ").append(each);
        return fail(why.append(", and ").append(danger), remedy);
    }
    return ok(path + ", writable only by root");
}

}  // namespace

Finding check_plugstack(const Site& site) {
    const std::string from =
        site.slurm_conf.empty() ? "no slurm.conf was found" : "according to " + site.slurm_conf;
    if (!site.plugstack) {
        return fail("cannot read " + site.plugstack_path + " (" + from +
                    "): " + why_not_readable(site.plugstack_path));
    }
    if (!site.plugstack->unreadable.empty()) {
        return warn("it includes " + site.plugstack->unreadable.front() + ", which cannot be read",
                    "make it readable by everyone");
    }
    return ok(site.plugstack_path + (site.is_configless ? " (configless)" : ""));
}

Finding check_line(const Site& site) {
    if (!site.plugstack) return skipped("no plugstack.conf was found");
    if (!site.line) {
        if (site.is_configless) {
            return fail(
                "no line of " + site.plugstack_path + " names spank_secrets.so",
                "add the line to plugstack.conf itself beside slurmctld's slurm.conf (files "
                "that it includes by a path with '/' are not sent), then: scontrol "
                "reconfigure");
        }
        return fail("no line of " + site.plugstack_path + " names spank_secrets.so");
    }
    const PluginLine& line = *site.line;
    if (line.commented_out) return fail(line.place() + " is commented out", "remove its '#'");
    const char* const full_path = "write the full path, so that it does not depend on PluginDir";
    if (site.plugin_path.empty()) {
        return fail(line.place() +
                        " names the plugin without its path, and it is not in PluginDir: " +
                        (line.required ? "every job and slurmd fail" : "it is not loaded"),
                    full_path);
    }
    if (!line.plugin.starts_with('/')) {
        return warn(line.place() + " names the plugin without its path", full_path);
    }
    if (!line.required) {
        return warn(line.place() + " says 'optional'",
                    "write 'required': otherwise jobs run without their secrets if it cannot be "
                    "loaded");
    }
    return ok(line.place());
}

Finding check_plugin_arguments(const Site& site) {
    if (!site.line || site.line->commented_out) return skipped("no line loads the plugin");
    std::vector<const char*> texts;
    for (const std::string& argument : site.line->arguments) texts.push_back(argument.c_str());
    PluginArguments arguments;
    const Status wrong =
        read_plugin_arguments(static_cast<int>(texts.size()), texts.data(), arguments);
    if (!wrong.ok()) {
        return fail(site.line->place() + ": " + wrong.message() +
                    "; this argument and those after it are not used, and every job prints this");
    }
    const std::string& jar = arguments.nextflow;
    if (std::error_code error; !jar.empty() && !fs::exists(jar, error)) {
        return warn(jar + " does not exist: Nextflow gets no plugin on this host",
                    "install it there, or correct the argument nextflow in " + site.line->place());
    }
    if (!jar.empty()) {
        Finding file = check_loaded_file(jar, "Nextflow loads the file in users' jobs");
        if (file.state != State::ok) return file;
    }
    return ok(texts.empty() ? "none: the defaults" : "all are known");
}

Finding check_plugin(const Site& site) {
    if (site.plugin_path.empty()) return skipped("no line of plugstack.conf has its path");
    const std::string& path = site.plugin_path;
    std::error_code error;
    if (!fs::exists(path, error)) {
        return fail(path + " does not exist",
                    "install it there, or correct the path in " + site.line->place());
    }
    return check_loaded_file(path, "slurmstepd loads the plugin as root");
}

Finding check_slurm_version(const Site& site) {
    if (site.plugin_path.empty()) return skipped("no line of plugstack.conf has the plugin's path");
    const auto file = read_text_file(site.plugin_path);
    if (!file) return skipped("cannot read " + site.plugin_path);
    const auto built_for = version_of_plugin(*file);
    if (!built_for) return fail(site.plugin_path + " is not a Slurm plugin", "install it again");
    if (!site.slurm) {
        return skipped("it is built for Slurm " + built_for->text() +
                       ", but no slurmd, srun or scontrol reports this host's version");
    }
    if (*built_for != *site.slurm) {
        return fail("it is built for Slurm " + built_for->text() + ", but this host has Slurm " +
                        site.slurm->text() + ", which will not load it",
                    "build it with the headers of Slurm " + site.slurm->text());
    }
    return ok("built for Slurm " + built_for->text() + ", which this host has");
}

}  // namespace secrets::ctl::doctor
