// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/leak_scan.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "common/base/names.h"
#include "ctl/io/exit_codes.h"
#include "ctl/io/secret_text.h"

namespace secrets::ctl {
namespace {

namespace fs = std::filesystem;

std::string home() {
    if (const char* folder = std::getenv("HOME")) return folder;
    const passwd* account = ::getpwuid(::getuid());
    return account == nullptr ? "" : account->pw_dir;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

bool is_word_character(char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

bool holds(std::string_view text, const std::string& begin, const std::string& end) {
    const std::string sought = begin + end;
    for (std::size_t at = text.find(sought); at != text.npos; at = text.find(sought, at + 1)) {
        if (at == 0 || !is_word_character(text[at - 1])) return true;
    }
    return false;
}

/// Returns the names that appear in the file as assignments, or as strings of JSON.
std::vector<std::string> names_in(const fs::path& path, const std::vector<std::string>& names) {
    std::vector<std::string> found;
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return found;
    try {
        const SecretText text = read_secret_text(path.string());
        for (const std::string& name : names) {
            if (holds(text.characters(), name, "=") ||
                text.characters().find('"' + name + '"') != std::string_view::npos) {
                found.push_back(name);
            }
        }
    } catch (const CommandError&) {  // unreadable, or not such a text
    }
    return found;
}

std::string octal(mode_t mode) {
    std::string digits;
    for (int shift = 9; shift >= 0; shift -= 3) {
        digits += static_cast<char>('0' + ((mode >> shift) & 7U));
    }
    return digits;
}

bool is_in_git(const fs::path& file) {
    std::error_code error;
    for (fs::path folder = fs::absolute(file, error).parent_path(); folder.has_relative_path();
         folder = folder.parent_path()) {
        if (fs::exists(folder / ".git", error)) return true;
    }
    return false;
}

Leak imported_file(const std::string& path) {
    Leak copy{path, "still contains the imported values; remove it"};
    struct stat status {};
    constexpr mode_t kOthers = S_IRGRP | S_IROTH;
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & kOthers) != 0) {
        copy.sentence += "; its mode is " + octal(status.st_mode & 07777U) +
                         ", so others can read it: consider the values disclosed";
    }
    if (is_in_git(path)) {
        copy.sentence += "; it is in a git work tree: committed values stay in the history";
    }
    return copy;
}

bool is_same_file(const fs::path& one, const fs::path& other) {
    std::error_code error;
    return fs::equivalent(one, other, error);
}

class Search {
  public:
    Search(const std::string& imported, const std::vector<std::string>& names)
        : imported_(imported), names_(names) {}

    std::vector<Leak> take() { return std::move(copies_); }

    void look_at_imported() {
        if (is_standard_input(imported_)) return;
        copies_.push_back(imported_file(imported_));
    }

    void look_at_nextflow() {
        const char* file = std::getenv("NXF_SECRETS_FILE");
        const fs::path store =
            file != nullptr ? fs::path(file) : fs::path(home()) / ".nextflow/secrets/store.json";
        look_at(store, "remove them with: nextflow secrets delete NAME");
        look_beside(store);
        if (!is_standard_input(imported_) && !is_same_file(imported_, store)) {
            look_beside(imported_);
        }
    }

    void look_at_shells() {
        for (const char* name : {".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv",
                                 ".zprofile", ".config/fish/config.fish"}) {
            look_at(fs::path(home()) / name, "remove the lines");
        }
        for (const char* name : {".bash_history", ".zsh_history", ".history"}) {
            look_at(fs::path(home()) / name,
                    "remove the lines, and make sure that no open shell writes them again");
        }
    }

  private:
    void look_at(const fs::path& path, const std::string& what_to_do) {
        if (!is_standard_input(imported_) && is_same_file(imported_, path)) return;
        const std::vector<std::string> found = names_in(path, names_);
        if (found.empty()) return;
        copies_.push_back({path.string(), "contains " + joined(found) + "; " + what_to_do});
    }

    /// Nextflow writes all secrets of its store into such files for a run, and most versions leave
    /// the files behind.
    void look_beside(const fs::path& store) {
        std::error_code error;
        const fs::path folder = store.has_parent_path() ? store.parent_path() : fs::path(".");
        for (const auto& entry : fs::directory_iterator(folder, error)) {
            const std::string name = entry.path().filename().string();
            if (!name.starts_with(".nf-") || !name.ends_with(".secrets")) continue;
            look_at(entry.path(),
                    "Nextflow left it behind; remove it when none of its runs is active");
        }
    }

    const std::string& imported_;
    const std::vector<std::string>& names_;
    std::vector<Leak> copies_;
};

}  // namespace

std::vector<Leak> find_leaks(const std::string& imported, const std::vector<std::string>& names) {
    Search search(imported, names);
    search.look_at_imported();
    search.look_at_nextflow();
    search.look_at_shells();
    return search.take();
}

}  // namespace secrets::ctl
