// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/credential_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/errno_status.h"
#include "common/base/unique_fd.h"

namespace secrets {
namespace {

/// Ids of AppRoles have 36 bytes; an admin may choose longer ones.
constexpr std::size_t kMaxLine = 4096;

}  // namespace

StatusOr<CredentialPath> credential_path(const std::string& configured, const std::string& name,
                                         const std::string& key) {
    if (!configured.empty()) return CredentialPath{configured, false};
    const char* folder = getenv("CREDENTIALS_DIRECTORY");
    if (folder != nullptr && *folder != '\0')
        return CredentialPath{std::string(folder) + "/" + name, true};
    return Status::failed("set " + key + " in the configuration, or give the unit the credential " +
                          name + " (LoadCredentialEncrypted=)");
}

StatusOr<std::size_t> read_private_file(const CredentialPath& file, const std::string& which,
                                        std::span<std::byte> out) {
    const UniqueFd fd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) return errno_status("cannot open " + which + ": open()");
    struct stat status {};
    if (fstat(fd.get(), &status) != 0) return errno_status("cannot read " + which + ": fstat()");
    if (!S_ISREG(status.st_mode))
        return Status::failed("cannot read " + which + ": it is not a regular file");
    if (!file.is_credential && (status.st_mode & 077) != 0) {
        return Status::failed("cannot use " + which +
                              ": other users than its owner may read it; run: chmod 0400 " +
                              file.path);
    }
    std::size_t size = 0;
    while (size < out.size()) {
        const ssize_t got = ::read(fd.get(), out.data() + size, out.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_status("cannot read " + which + ": read()");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    return size;
}

StatusOr<SecretBuffer> read_private_line(const CredentialPath& file, const std::string& which) {
    SecretBuffer read(kMaxLine + 1);
    const auto size = read_private_file(file, which, read.bytes());
    if (!size) return size.status();
    auto text = read.bytes().first(*size);
    if (!text.empty() && text.back() == std::byte{'\n'}) text = text.first(text.size() - 1);
    const bool printable = std::all_of(text.begin(), text.end(), [](std::byte byte) {
        return byte > std::byte{' '} && byte <= std::byte{'~'};
    });
    if (text.empty() || text.size() > kMaxLine || !printable) {
        return Status::failed("cannot use " + which + ": expected one line without spaces");
    }
    SecretBuffer line(text.size());
    std::copy(text.begin(), text.end(), line.bytes().begin());
    return line;
}

}  // namespace secrets
