// SPDX-License-Identifier: Apache-2.0
#include "common/secure_memory/delivery.h"

#include <string.h>

#include <string>

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets {
namespace {

constexpr char kMagic[8] = {'S', 'L', 'S', 'D', 'E', 'L', 'I', 'V'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kKindVariable = 1;
constexpr std::uint16_t kKindFile = 2;

struct ImageHeader {
    char magic[8];
    std::uint32_t version;
    std::uint32_t count;
    std::uint64_t length;
};
static_assert(sizeof(ImageHeader) == 24);

struct EntryHeader {
    std::uint16_t kind;
    std::uint8_t variable_length;
    std::uint8_t secret_length;
    std::uint32_t value_length;
};
static_assert(sizeof(EntryHeader) == 8);
static_assert(kMaxNameBytes <= 0xff);

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

Status check_entry(const DeliveryEntry& entry) {
    if (Status why = check_variable_name(entry.variable); !why.ok()) return why;
    if (entry.value.size() > kMaxValueBytes) {
        return Status::failed("the value for " + quoted(entry.variable) + " is too long for a " +
                              (entry.is_file() ? "file" : "variable"));
    }
    if (entry.is_file()) {
        if (Status why = check_secret_name(entry.secret); !why.ok()) return why;
        return Status();
    }
    if (entry.value.has_nul()) {
        return Status::failed("the value for " + quoted(entry.variable) +
                              " contains a NUL byte, which a variable cannot hold");
    }
    return Status();
}

/// Copies `bytes` to the front of `out` and advances `out` past them.
void put(std::span<std::byte>& out, std::span<const std::byte> bytes) {
    if (!bytes.empty()) memcpy(out.data(), bytes.data(), bytes.size());
    out = out.subspan(bytes.size());
}

void put_with_nul(std::span<std::byte>& out, std::span<const std::byte> bytes) {
    put(out, bytes);
    out.front() = std::byte{0};
    out = out.subspan(1);
}

/// Takes `length` bytes and the NUL after them off the front of `rest`. Returns false if they are
/// missing or not followed by a NUL.
bool take_with_nul(std::span<const std::byte>& rest, std::size_t length,
                   std::span<const std::byte>& taken) {
    if (rest.size() < length + 1 || rest[length] != std::byte{0}) return false;
    taken = rest.first(length);
    rest = rest.subspan(length + 1);
    return true;
}

/// Takes a text, which holds no NUL, in the same way.
bool take_text(std::span<const std::byte>& rest, std::size_t length, std::string_view& text) {
    std::span<const std::byte> taken;
    if (!take_with_nul(rest, length, taken) || SecretView(taken).has_nul()) return false;
    text = {reinterpret_cast<const char*>(taken.data()), taken.size()};
    return true;
}

Status damaged(const char* what) {
    return Status::failed(std::string("the delivery from the agent is damaged: ") + what);
}

/// Reads the entry at the front of `rest` and advances `rest` past it.
StatusOr<DeliveryEntry> take_entry(std::span<const std::byte>& rest) {
    EntryHeader header;
    if (rest.size() < sizeof(header)) return damaged("an entry is cut off");
    memcpy(&header, rest.data(), sizeof(header));
    rest = rest.subspan(sizeof(header));
    const bool is_file = header.kind == kKindFile;
    if (!is_file && header.kind != kKindVariable) return damaged("an entry is of an unknown kind");
    DeliveryEntry entry;
    std::span<const std::byte> value;
    if (header.value_length > kMaxValueBytes || is_file != (header.secret_length > 0) ||
        !take_text(rest, header.variable_length, entry.variable) ||
        (is_file && !take_text(rest, header.secret_length, entry.secret)) ||
        !take_with_nul(rest, header.value_length, value) ||
        (!is_file && SecretView(value).has_nul())) {
        return damaged("an entry's length is wrong");
    }
    if (!check_variable_name(entry.variable).ok()) {
        return damaged("an entry names an invalid variable");
    }
    if (is_file && !check_secret_name(entry.secret).ok()) {
        return damaged("an entry names an invalid secret");
    }
    entry.value = SecretView(value);
    return entry;
}

}  // namespace

std::size_t delivery_size(std::span<const DeliveryEntry> entries) {
    std::size_t size = sizeof(ImageHeader);
    for (const DeliveryEntry& entry : entries) {
        size += sizeof(EntryHeader) + entry.variable.size() + 1 + entry.value.size() + 1;
        if (entry.is_file()) size += entry.secret.size() + 1;
    }
    return size;
}

std::size_t variables_size(std::span<const DeliveryEntry> entries) {
    std::size_t size = 0;
    for (const DeliveryEntry& entry : entries) {
        size += entry.variable.size() + 1 + (entry.is_file() ? 0 : entry.value.size()) + 1;
    }
    return size;
}

std::size_t files_size(std::span<const DeliveryEntry> entries) {
    std::size_t size = 0;
    for (const DeliveryEntry& entry : entries) {
        if (entry.is_file()) size += entry.value.size();
    }
    return size;
}

Status write_delivery(std::span<const DeliveryEntry> entries, std::span<std::byte> out) {
    for (const DeliveryEntry& entry : entries) {
        if (Status wrong = check_entry(entry); !wrong.ok()) return wrong;
    }
    const std::size_t size = delivery_size(entries);
    if (size > out.size()) return Status::failed("the delivery does not fit into its region");
    ImageHeader header{{}, kVersion, static_cast<std::uint32_t>(entries.size()), size};
    memcpy(header.magic, kMagic, sizeof(kMagic));
    put(out, std::as_bytes(std::span(&header, 1)));
    for (const DeliveryEntry& entry : entries) {
        const EntryHeader entry_header{entry.is_file() ? kKindFile : kKindVariable,
                                       static_cast<std::uint8_t>(entry.variable.size()),
                                       static_cast<std::uint8_t>(entry.secret.size()),
                                       static_cast<std::uint32_t>(entry.value.size())};
        put(out, std::as_bytes(std::span(&entry_header, 1)));
        put_with_nul(out, bytes_of(entry.variable));
        if (entry.is_file()) put_with_nul(out, bytes_of(entry.secret));
        put_with_nul(out, entry.value.bytes());
    }
    return Status();
}

StatusOr<std::vector<DeliveryEntry>> read_delivery(std::span<const std::byte> image) {
    ImageHeader header;
    if (image.size() < sizeof(header)) return damaged("it is shorter than its header");
    memcpy(&header, image.data(), sizeof(header));
    if (memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) return damaged("it is not a delivery");
    if (header.version != kVersion) {
        return Status::failed("the agent's delivery has format version " +
                              std::to_string(header.version) + " and this plugin reads version " +
                              std::to_string(kVersion) +
                              "; install agent and plugin of one release");
    }
    if (header.length < sizeof(header) || header.length > image.size()) {
        return damaged("its length is wrong");
    }
    std::span<const std::byte> rest = image.subspan(sizeof(header), header.length - sizeof(header));
    if (header.count > rest.size() / sizeof(EntryHeader)) return damaged("its count is wrong");
    std::vector<DeliveryEntry> entries;
    entries.reserve(header.count);
    for (std::uint32_t i = 0; i < header.count; ++i) {
        const auto entry = take_entry(rest);
        if (!entry) return entry.status();
        entries.push_back(*entry);
    }
    if (!rest.empty()) return damaged("bytes follow its last entry");
    return entries;
}

}  // namespace secrets
