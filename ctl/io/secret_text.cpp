// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/secret_text.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <system_error>

#include "common/base/unique_fd.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr std::size_t kFirstCapacity = 64 * 1024;
/// Far above what an agent accepts: the limit only stops an endless input from filling the memory.
constexpr std::size_t kMaxInputBytes = 64 * 1024 * 1024;

CommandError cannot_read(const std::string& from, int error) {
    return CommandError(ExitCode::bad_input, "cannot read " + source_name(from) + ": " +
                                                 std::generic_category().message(error));
}

}  // namespace

void SecretText::check_room(std::size_t bytes) const {
    if (bytes > buffer_.size() - size_) std::abort();
}

void SecretText::append(std::string_view piece) {
    if (piece.empty()) return;
    check_room(piece.size());
    std::memcpy(free_space().data(), piece.data(), piece.size());
    size_ += piece.size();
}

void SecretText::append_base64(std::string_view piece) {
    static_assert(kMaxInputBytes <= std::numeric_limits<int>::max());
    if (piece.empty()) return;
    check_room(base64_size(piece.size()) + 1);  // OpenSSL appends a NUL
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(free_space().data()),
                    reinterpret_cast<const unsigned char*>(piece.data()),
                    static_cast<int>(piece.size()));
    size_ += base64_size(piece.size());
}

void SecretText::cut_back_to(std::size_t size) {
    if (size > size_) std::abort();
    wipe(buffer_.bytes().subspan(size, size_ - size));
    size_ = size;
}

std::string_view SecretText::characters() const {
    return {reinterpret_cast<const char*>(view().bytes().data()), size_};
}

bool is_standard_input(std::string_view from) {
    return from == "-";
}

std::string source_name(const std::string& from) {
    return is_standard_input(from) ? "standard input" : from;
}

SecretText read_secret_text(const std::string& from) {
    UniqueFd file;
    if (!is_standard_input(from)) {
        file.reset(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file) throw cannot_read(from, errno);
    }
    return read_secret_text(file ? file.get() : STDIN_FILENO, from);
}

SecretText read_secret_text(int fd, const std::string& from) {
    SecretText text(kFirstCapacity);
    while (true) {
        if (text.free_space().empty()) {
            if (text.size() >= kMaxInputBytes) {
                throw CommandError(ExitCode::bad_input,
                                   source_name(from) + " is larger than " +
                                       std::to_string(kMaxInputBytes / 1024 / 1024) +
                                       " MiB, the limit of a run; is it the right file?");
            }
            SecretText larger(text.size() * 2);
            larger.append(text.characters());
            text = std::move(larger);
        }
        const ssize_t got = ::read(fd, text.free_space().data(), text.free_space().size());
        if (got == 0) return text;
        if (got < 0 && errno != EINTR) throw cannot_read(from, errno);
        if (got > 0) text.filled(static_cast<std::size_t>(got));
    }
}

}  // namespace secrets::ctl
