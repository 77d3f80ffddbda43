// SPDX-License-Identifier: Apache-2.0
#pragma once
// Text that contains values, on its way from the input to the agent.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "common/secure_memory/wipe.h"

namespace secrets::ctl {

/// Secret text that is written piece by piece into one buffer of a fixed capacity and overwritten
/// by its destructor. Move only. A piece that does not fit ends the process: the caller
/// miscalculated.
class SecretText {
  public:
    explicit SecretText(std::size_t capacity) : buffer_(capacity) {}

    void append(std::string_view piece);
    void append_base64(std::string_view piece);

    /// Overwrites the bytes after the first `size`; their space becomes free again.
    void cut_back_to(std::size_t size);

    /// The free space to read into; filled() then adds the bytes that were read.
    std::span<std::byte> free_space() { return buffer_.bytes().subspan(size_); }
    void filled(std::size_t bytes) { size_ += bytes; }

    std::size_t size() const { return size_; }
    SecretView view() const { return SecretView(buffer_.view().bytes().first(size_)); }

    /// Returns the same bytes for a parser.
    std::string_view characters() const;

  private:
    void check_room(std::size_t bytes) const;

    SecretBuffer buffer_;
    std::size_t size_ = 0;
};

/// Returns the number of characters of `bytes` bytes as base64, padding included.
constexpr std::size_t base64_size(std::size_t bytes) {
    return (bytes + 2) / 3 * 4;
}

/// The sources of values: `-` is standard input, anything else a file.
bool is_standard_input(std::string_view from);
std::string source_name(const std::string& from);

/// Reads the whole source; throws CommandError if it can't be read or is larger than any run may
/// be.
SecretText read_secret_text(const std::string& from);
/// Reads an open file likewise, from where it stands; `from` names it in errors.
SecretText read_secret_text(int fd, const std::string& from);

}  // namespace secrets::ctl
