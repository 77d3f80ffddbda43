// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/config_file.h"

#include <fstream>
#include <iterator>

namespace secrets {
namespace {

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

ConfigFile::ConfigFile(std::string path) : path_(std::move(path)) {
    note_loaded();
}

void ConfigFile::note_loaded() {
    seen_ = stamp();
    loaded_ = content_of(path_);
    state_ = State::current;
    trouble_.clear();
}

ConfigFile::State ConfigFile::look() {
    const Stamp now = stamp();
    if (is_same(now, seen_)) return state_;
    seen_ = now;
    trouble_.clear();
    if (now.exists && content_of(path_) == loaded_) return state_ = State::current;
    const auto config = load_config(path_);
    if (config) return state_ = State::changed;
    trouble_ = config.status().message();
    return state_ = State::broken;
}

ConfigFile::Stamp ConfigFile::stamp() const {
    struct stat file {};
    if (stat(path_.c_str(), &file) != 0) return {};
    return {true, file.st_dev, file.st_ino, file.st_size, file.st_ctim};
}

bool ConfigFile::is_same(const Stamp& one, const Stamp& other) {
    return one.exists == other.exists && one.device == other.device && one.number == other.number &&
           one.size == other.size && one.changed.tv_sec == other.changed.tv_sec &&
           one.changed.tv_nsec == other.changed.tv_nsec;
}

}  // namespace secrets
