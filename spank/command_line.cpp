// SPDX-License-Identifier: Apache-2.0
#include "spank/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "common/base/unique_fd.h"
#include "common/secure_memory/wipe.h"

namespace secrets::spank {
namespace {

constexpr std::string_view kNextComponent = ":";

/// The kernel holds at most a quarter of the stack's limit; a longer line is read in part.
constexpr std::size_t kMaxBytes = 8 * 1024 * 1024;

void wipe_text(std::string& text) {
    wipe(std::as_writable_bytes(std::span(text)));
}

}  // namespace

CommandLine CommandLine::read() {
    const UniqueFd file(open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC));
    std::string bytes;
    // Grows by hand: a string that moves leaves its old bytes behind.
    for (std::size_t size = 64 * 1024; file && size <= kMaxBytes; size *= 4) {
        wipe_text(bytes);
        bytes.assign(size, '\0');
        const ssize_t count = pread(file.get(), bytes.data(), bytes.size(), 0);
        const bool whole = count >= 0 && static_cast<std::size_t>(count) < size;
        if (!whole && count > 0) continue;
        bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        break;
    }
    return CommandLine(std::move(bytes));
}

CommandLine::CommandLine(std::string bytes) : bytes_(std::move(bytes)) {
    std::string_view rest = bytes_;
    while (!rest.empty()) {
        const std::string_view argument = rest.substr(0, rest.find('\0'));
        arguments_.push_back(argument);
        rest.remove_prefix(std::min(argument.size() + 1, rest.size()));
    }
    end_ = arguments_.size();
}

CommandLine::~CommandLine() {
    wipe_text(bytes_);
}

void CommandLine::set_parsed(int optind) {
    const std::size_t count = optind > 0 ? static_cast<std::size_t>(optind) : arguments_.size();
    end_ = std::min(begin_ + std::min(count, arguments_.size()), arguments_.size());
}

std::span<const std::string_view> CommandLine::options() const {
    if (end_ <= begin_ + 1) return {};
    return std::span(arguments_).subspan(begin_ + 1, end_ - begin_ - 1);
}

std::span<const std::string_view> CommandLine::up_to_colon(std::size_t begin) const {
    const auto first = arguments_.begin() + static_cast<std::ptrdiff_t>(begin);
    return {first, std::find(first, arguments_.end(), kNextComponent)};
}

std::vector<std::span<const std::string_view>> CommandLine::following() const {
    std::vector<std::span<const std::string_view>> components;
    for (std::size_t at = end_; at < arguments_.size() && arguments_[at] == kNextComponent;) {
        components.push_back(up_to_colon(at + 1));
        at += 1 + components.back().size();
    }
    return components;
}

void CommandLine::next_component(bool after_command) {
    const std::size_t colon = after_command ? end_ + up_to_colon(end_).size() : end_;
    if (colon == arguments_.size() || arguments_[colon] != kNextComponent) return;
    begin_ = colon;
    end_ = arguments_.size();
}

bool has_option(std::span<const std::string_view> options, std::string_view name,
                std::size_t shortest) {
    return std::any_of(options.begin(), options.end(), [&](std::string_view option) {
        const std::string_view word = option.substr(0, option.find('='));
        return word.size() >= shortest && name.starts_with(word);
    });
}

std::string_view option_value(std::span<const std::string_view> options, std::string_view name) {
    std::string_view value;
    for (std::size_t at = 0; at < options.size(); ++at) {
        const std::string_view option = options[at];
        if (option == name && at + 1 < options.size()) {
            value = options[at + 1];
        } else if (option.starts_with(name) && option.substr(name.size()).starts_with('=')) {
            value = option.substr(name.size() + 1);
        }
    }
    return value;
}

}  // namespace secrets::spank
