// SPDX-License-Identifier: Apache-2.0
// Promise: the doctor finds the plugin's line wherever Slurm would, and reads of a plugin's file
// which Slurm it was built for, whatever the file is.

#include <cstring>
#include <filesystem>
#include <fstream>

#include "ctl/doctor/command_output.h"
#include "ctl/doctor/plugin_version.h"
#include "ctl/doctor/plugstack.h"
#include "ctl/doctor/text_file.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::ctl::doctor {
namespace {

namespace fs = std::filesystem;

std::string write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
}

TEST_CASE("Plugstack: finds the plugin line with its arguments") {
    const TemporaryFolder folder;
    const std::string path =
        write(fs::path(folder.path()) / "plugstack.conf",
              "# required /old/spank_secrets.so\n"
              "optional /usr/lib/pyxis.so\n"
              "\tREQUIRED  /usr/lib/spank_secrets.so  timeout=5 node_socket=/x/node.sock\n");
    const auto stack = read_plugstack(path);
    REQUIRE(stack);
    REQUIRE(stack->lines.size() == 2);
    CHECK(stack->lines[0].commented_out);
    const PluginLine& line = stack->lines[1];
    CHECK_FALSE(line.commented_out);
    CHECK(line.required);
    CHECK(line.plugin == "/usr/lib/spank_secrets.so");
    CHECK(line.place() == "line 3 of " + path);
    CHECK(line.argument("node_socket") == "/x/node.sock");
    CHECK_FALSE(line.argument("socket"));
}

TEST_CASE("Plugstack: follows includes and ends when a file includes itself") {
    const TemporaryFolder folder;
    write(fs::path(folder.path()) / "plugstack.conf.d/10-secrets.conf",
          "optional spank_secrets.so\n");
    write(fs::path(folder.path()) / "plugstack.conf.d/20-none.conf",
          "include " + (fs::path(folder.path()) / "plugstack.conf").string());
    const auto stack = read_plugstack(
        write(fs::path(folder.path()) / "plugstack.conf", "include plugstack.conf.d/*\n"));
    REQUIRE(stack);
    REQUIRE_FALSE(stack->lines.empty());  // one that includes itself comes to an end
    CHECK(stack->lines[0].file.ends_with("plugstack.conf.d/10-secrets.conf"));
    CHECK_FALSE(stack->lines[0].required);
    CHECK_FALSE(read_plugstack((fs::path(folder.path()) / "none").string()));
}

TEST_CASE("Plugstack: reads the path of plugstack.conf from slurm.conf and its includes") {
    const TemporaryFolder folder;
    const std::string path = write(fs::path(folder.path()) / "slurm.conf",
                                   "ClusterName=c\n#PlugStackConfig=/no\n"
                                   "plugstackconfig = /etc/one.conf # said\ninclude more.conf\n");
    CHECK(slurm_conf_value(path, "PlugStackConfig") == "/etc/one.conf");
    write(fs::path(folder.path()) / "more.conf", "PlugStackConfig=/etc/two.conf\n");
    CHECK(slurm_conf_value(path, "PlugStackConfig") == "/etc/two.conf");
    CHECK_FALSE(slurm_conf_value(path, "PluginDir"));
}

TEST_CASE("Plugin version: reads the Slurm version from a plugin file") {
    const auto file = read_text_file(PLUGIN_FILE);
    REQUIRE(file);
    const auto version = version_of_plugin(*file);
    REQUIRE(version);
    CHECK(version->major >= 22);
    CHECK(version->minor >= 1);
    CHECK(version->minor <= 12);
    CHECK_FALSE(exported_number(*file, "plugin_versio"));
    CHECK_FALSE(exported_number(*file, "spank_setenv"));  // wanted, not exported
}

TEST_CASE("Plugin version: returns nothing for a foreign or truncated file") {
    const std::string file = *read_text_file(PLUGIN_FILE);
    CHECK_FALSE(version_of_plugin(""));
    CHECK_FALSE(version_of_plugin("required /usr/lib/spank_secrets.so\n"));
    // In the last half of it may stand only what is not read: debugging, and the headers of that.
    for (std::size_t size = 0; size <= file.size() / 2; size += 4999) {
        CHECK_FALSE(version_of_plugin(std::string_view(file).substr(0, size)));
    }
    // Numbers that lie: nothing outside of the file is read (under the sanitizers this would show).
    for (std::size_t at = 0; at < 64; ++at) {
        std::string wrong = file;
        wrong[at] = static_cast<char>(0xff);
        version_of_plugin(wrong);
    }
}

TEST_CASE("Plugin version: parses the version that Slurm programs print") {
    CHECK(version_in("slurm-wlm 22.05.8\n") == SlurmVersion{22, 5});
    CHECK(version_in("slurm 24.11.5") == SlurmVersion{24, 11});
    CHECK_FALSE(version_in("slurm"));
    CHECK_FALSE(version_in("slurm 99999999999.1.1"));
    CHECK(SlurmVersion{22, 5}.text() == "22.05");
    CHECK(SlurmVersion{24, 11}.text() == "24.11");
}

TEST_CASE("Command output: returns the output and gives up at its deadline") {
    using std::chrono::seconds;
    CHECK(output_of({"echo", "a b"}, seconds(10)) == "a b\n");
    CHECK_FALSE(output_of({"/no/such/command"}, seconds(10)));
    CHECK_FALSE(output_of({"false"}, seconds(10)));
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(output_of({"sleep", "30"}, seconds(1)));
    CHECK(std::chrono::steady_clock::now() - begin < seconds(10));
}

}  // namespace
}  // namespace secrets::ctl::doctor
