// SPDX-License-Identifier: Apache-2.0
// Promise: the agent knows whether its configuration file is still what it runs with, and whether a
// reload would accept it; a file that is touched or replaced by the same text has not changed.

#include "agentd/config/config_file.h"

#include <filesystem>
#include <fstream>

#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

namespace fs = std::filesystem;
using State = ConfigFile::State;

/// Replaces the file by a rename, as editors do.
void replace(const std::string& path, const std::string& text) {
    std::ofstream(path + ".new") << text;
    fs::rename(path + ".new", path);
}

TEST_CASE("ConfigFile: tells a changed file from a broken and a missing one") {
    const TemporaryFolder folder;
    const std::string path = (fs::path(folder.path()) / "agentd.yaml").string();
    replace(path, "reaper: { interval: 1m }\n");
    ConfigFile file(path);
    CHECK(file.look() == State::current);
    replace(path, "reaper: { interval: 2m }\n");
    CHECK(file.look() == State::changed);
    CHECK(file.trouble().empty());
    replace(path, "nonsense: 1\n");
    CHECK(file.look() == State::broken);
    CHECK(file.trouble().find("agentd.yaml:1:1: ") != std::string::npos);
    CHECK(file.look() == State::broken);
    fs::remove(path);
    CHECK(file.look() == State::broken);
    CHECK(file.trouble().find("cannot read") != std::string::npos);
    replace(path, "reaper: { interval: 1m }\n");
    CHECK(file.look() == State::current);
    CHECK(file.trouble().empty());
}

TEST_CASE("ConfigFile: takes the text as current once it is loaded") {
    const TemporaryFolder folder;
    const std::string path = (fs::path(folder.path()) / "agentd.yaml").string();
    replace(path, "");
    ConfigFile file(path);
    replace(path, "reaper: { interval: 2m }\n");
    REQUIRE(file.look() == State::changed);
    file.note_loaded();
    CHECK(file.look() == State::current);
}

}  // namespace
}  // namespace secrets
