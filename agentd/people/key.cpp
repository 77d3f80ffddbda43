#include "agentd/people/key.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "common/call_failed.h"

namespace secrets::people {
namespace {

constexpr std::string_view kIdText = "slurm-secrets store key";
constexpr std::size_t kIdBytes = 8;

std::string id_of(SecretView key) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(kIdText.data()), kIdText.size(), digest.data(),
         &length);
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < kIdBytes && i < length; ++i) {
        text += kDigits[digest[i] >> 4];
        text += kDigits[digest[i] & 15];
    }
    return text;
}

/// Reads until `out` is full or the file ends; how much it was.
Result<std::size_t> read_into(int fd, std::span<std::byte> out) {
    std::size_t size = 0;
    while (size < out.size()) {
        const ssize_t got = ::read(fd, out.data() + size, out.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return call_failed("reading");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    return size;
}

}  // namespace

StoreKey::StoreKey(LockedRegion region) : region_(std::move(region)), id_(id_of(bytes())) {}

Result<StoreKey> StoreKey::read(const std::string& path, bool is_credential, MemoryKind memory) {
    const std::string which = "the store's key " + path;
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file) return Error{which + " can't be opened: " + call_failed("open()").sentence};
    struct stat status {};
    if (fstat(file.get(), &status) != 0) return call_failed("looking at " + which);
    if (!S_ISREG(status.st_mode)) return Error{which + " is not a file"};
    if (!is_credential && (status.st_mode & 077) != 0) {
        return Error{which + " may be read by others than its owner; run: chmod 0400 " + path};
    }
    // One byte more, to see that the file ends there.
    auto region = LockedRegion::create(kBytes + 1, memory);
    if (!region) return region.error();
    const auto size = read_into(file.get(), region->bytes().first(kBytes + 1));
    if (!size) return Error{which + " can't be read: " + size.error().sentence};
    if (*size != kBytes) {
        return Error{which + " has " + (*size > kBytes ? "more" : std::to_string(*size)) +
                     (*size > kBytes ? " than " : " bytes and not ") + std::to_string(kBytes) +
                     (*size > kBytes ? " bytes" : "") +
                     "; make a new one with: head -c 32 /dev/urandom"};
    }
    return StoreKey(std::move(region).value());
}

}  // namespace secrets::people
