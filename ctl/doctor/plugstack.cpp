// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/plugstack.h"

#include <glob.h>
#include <strings.h>

#include <filesystem>
#include <sstream>

#include "ctl/doctor/text_file.h"

namespace secrets::ctl::doctor {
namespace {

constexpr std::string_view kPlugin = "spank_secrets.so";
constexpr int kDeepestInclude = 8;

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

bool is_word(const std::string& word, const char* known) {
    return ::strcasecmp(word.c_str(), known) == 0;
}

std::vector<std::string> matching(const std::string& pattern, const std::string& beside) {
    const std::string all = pattern.starts_with('/')
                                ? pattern
                                : (std::filesystem::path(beside).parent_path() / pattern).string();
    std::vector<std::string> paths;
    glob_t found{};
    if (::glob(all.c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
    }
    ::globfree(&found);
    return paths;
}

std::optional<PluginLine> plugin_line(const std::string& text, const std::string& file,
                                      std::size_t number) {
    PluginLine line{file, number, false, false, {}, {}};
    const std::size_t first = text.find_first_not_of(" \t#");
    if (first == text.npos) return std::nullopt;
    line.commented_out = text.find('#') < first;
    const std::vector<std::string> words = words_of(text.substr(first));
    if (words.size() < 2 || !(is_word(words[0], "required") || is_word(words[0], "optional"))) {
        return std::nullopt;
    }
    if (!words[1].ends_with(kPlugin)) return std::nullopt;
    line.required = is_word(words[0], "required");
    line.plugin = words[1];
    line.arguments.assign(words.begin() + 2, words.end());
    return line;
}

bool read_into(Plugstack& stack, const std::string& path, int depth) {
    const auto text = read_text_file(path);
    if (!text) return false;
    std::istringstream in(*text);
    std::size_t number = 0;
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (auto found = plugin_line(line, path, number)) stack.lines.push_back(std::move(*found));
        const std::vector<std::string> words = words_of(line);
        if (words.size() < 2 || !is_word(words[0], "include") || depth >= kDeepestInclude) continue;
        for (const std::string& included : matching(words[1], path)) {
            if (!read_into(stack, included, depth + 1)) stack.unreadable.push_back(included);
        }
    }
    return true;
}

/// Returns the text after the line's `=` if the line sets `key`.
std::optional<std::string> value_of_line(const std::string& line, const std::string& key) {
    const std::string text = line.substr(0, line.find('#'));
    const std::size_t equals = text.find('=');
    if (equals == text.npos) return std::nullopt;
    const std::vector<std::string> name = words_of(text.substr(0, equals));
    const std::vector<std::string> value = words_of(text.substr(equals + 1));
    if (name.size() != 1 || !is_word(name[0], key.c_str()) || value.empty()) return std::nullopt;
    return value[0];
}

std::optional<std::string> value_in(const std::string& path, const std::string& key, int depth) {
    const auto text = read_text_file(path);
    if (!text) return std::nullopt;
    std::istringstream in(*text);
    std::optional<std::string> value;
    for (std::string line; std::getline(in, line);) {
        const std::vector<std::string> words = words_of(line.substr(0, line.find('#')));
        if (words.empty()) continue;
        if (auto there = value_of_line(line, key)) value = std::move(there);
        if (words.size() < 2 || !is_word(words[0], "include") || depth >= kDeepestInclude) continue;
        for (const std::string& included : matching(words[1], path)) {
            if (auto there = value_in(included, key, depth + 1)) value = std::move(there);
        }
    }
    return value;
}

}  // namespace

std::string PluginLine::place() const {
    return "line " + std::to_string(number) + " of " + file;
}

std::optional<std::string> PluginLine::argument(const std::string& name) const {
    for (const std::string& each : arguments) {
        if (each.starts_with(name + "=")) return each.substr(name.size() + 1);
    }
    return std::nullopt;
}

std::optional<Plugstack> read_plugstack(const std::string& path) {
    Plugstack stack;
    if (!read_into(stack, path, 0)) return std::nullopt;
    return stack;
}

std::optional<std::string> slurm_conf_value(const std::string& path, const std::string& key) {
    return value_in(path, key, 0);
}

}  // namespace secrets::ctl::doctor
