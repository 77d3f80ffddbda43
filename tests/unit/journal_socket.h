// SPDX-License-Identifier: Apache-2.0
#pragma once
// A stand-in for journald: a datagram socket like journald's own, and a reader of entries.

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.h"

namespace secrets::audit {

/// Listens at `path` from its construction on, and reads only in receive().
class JournalSocket {
  public:
    explicit JournalSocket(const std::string& path)
        : path_(path), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
            std::abort();
        }
    }
    JournalSocket(const JournalSocket&) = delete;
    JournalSocket& operator=(const JournalSocket&) = delete;
    ~JournalSocket() { unlink(path_.c_str()); }

    /// Returns the next datagram; nothing if none is queued.
    std::optional<std::string> receive() {
        std::string buffer(256 * 1024, '\0');
        const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (size < 0) return std::nullopt;
        buffer.resize(static_cast<std::size_t>(size));
        return buffer;
    }
    std::vector<std::string> receive_all() {
        std::vector<std::string> all;
        while (auto one = receive()) all.push_back(std::move(*one));
        return all;
    }

  private:
    std::string path_;
    UniqueFd fd_;
};

/// Reads an entry as journald does: NAME=value lines, or NAME, a length in 64 bits and as many
/// bytes. Returns an empty map for a malformed entry.
inline std::map<std::string, std::string> fields_of(std::string_view entry) {
    std::map<std::string, std::string> fields;
    while (!entry.empty()) {
        const auto end = entry.find('\n');
        if (end == entry.npos) return {};
        const std::string_view line = entry.substr(0, end);
        entry.remove_prefix(end + 1);
        const auto equals = line.find('=');
        if (equals != line.npos) {
            fields.emplace(line.substr(0, equals), line.substr(equals + 1));
            continue;
        }
        std::uint64_t length = 0;
        if (entry.size() < sizeof(length)) return {};
        for (std::size_t i = 0; i < sizeof(length); ++i) {
            length |= std::uint64_t{static_cast<unsigned char>(entry[i])} << (8 * i);
        }
        entry.remove_prefix(sizeof(length));
        if (entry.size() <= length || entry[length] != '\n') return {};
        fields.emplace(line, entry.substr(0, length));
        entry.remove_prefix(length + 1);
    }
    return fields;
}

inline std::string message_of(std::string_view entry) {
    return fields_of(entry)["MESSAGE"];
}

}  // namespace secrets::audit
