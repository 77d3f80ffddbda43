// SPDX-License-Identifier: Apache-2.0
#include "common/secure_memory/delivery.h"

#include <string.h>

#include <string>

#include "common/base/byte_codec.h"
#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets {
namespace {

constexpr char kMagic[8] = {'S', 'L', 'S', 'D', 'E', 'L', 'I', 'V'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint16_t kKindVariable = 1;
constexpr std::uint16_t kKindFile = 2;
constexpr std::uint16_t kKindHeld = 3;

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

bool has_secret_name(const DeliveryEntry& entry) {
    return entry.is_file() || entry.is_held;
}

std::uint16_t kind_of(const DeliveryEntry& entry) {
    if (entry.is_held) return kKindHeld;
    return entry.is_file() ? kKindFile : kKindVariable;
}

Status check_entry(const DeliveryEntry& entry) {
    if (Status why = check_variable_name(entry.variable); !why.ok()) return why;
    if (entry.value.size() > kMaxValueBytes) {
        return Status::failed("the value for " + in_quotes(entry.variable) + " is too long for a " +
                              (has_secret_name(entry) ? "file" : "variable"));
    }
    if (has_secret_name(entry)) {
        if (Status why = check_secret_name(entry.secret); !why.ok()) return why;
        return Status();
    }
    if (entry.value.has_nul()) {
        return Status::failed("the value for " + in_quotes(entry.variable) +
                              " contains a NUL byte, which a variable cannot hold");
    }
    return Status();
}

void write_with_nul(ByteWriter& out, std::span<const std::byte> bytes) {
    out.bytes(bytes);
    out.number('\0');
}

/// Reads `length` bytes and the NUL after them. Rejects them if another byte follows.
std::span<const std::byte> read_with_nul(ByteReader& in, std::size_t length) {
    const auto taken = in.bytes(length);
    if (in.number<char>() != '\0') in.fail();
    return taken;
}

/// Reads a text, which holds no NUL, in the same way.
std::string_view read_text(ByteReader& in, std::size_t length) {
    const SecretView taken(read_with_nul(in, length));
    if (taken.has_nul()) in.fail();
    return {reinterpret_cast<const char*>(taken.bytes().data()), taken.size()};
}

Status damaged(const char* what) {
    return Status::failed(std::string("the delivery from the agent is damaged: ") + what);
}

StatusOr<DeliveryEntry> read_entry(ByteReader& in) {
    EntryHeader header;
    const auto bytes = in.bytes(sizeof(header));
    if (in.failed()) return damaged("an entry is cut off");
    memcpy(&header, bytes.data(), sizeof(header));
    const bool is_variable = header.kind == kKindVariable;
    if (!is_variable && header.kind != kKindFile && header.kind != kKindHeld)
        return damaged("an entry is of an unknown kind");
    DeliveryEntry entry;
    entry.is_held = header.kind == kKindHeld;
    entry.variable = read_text(in, header.variable_length);
    if (!is_variable) entry.secret = read_text(in, header.secret_length);
    entry.value = SecretView(read_with_nul(in, header.value_length));
    if (header.value_length > kMaxValueBytes || is_variable != (header.secret_length == 0) ||
        in.failed() || (is_variable && entry.value.has_nul())) {
        return damaged("an entry's length is wrong");
    }
    if (!check_variable_name(entry.variable).ok()) {
        return damaged("an entry names an invalid variable");
    }
    if (!is_variable && !check_secret_name(entry.secret).ok()) {
        return damaged("an entry names an invalid secret");
    }
    return entry;
}

}  // namespace

std::vector<DeliveryEntry> without_held(std::span<const DeliveryEntry> entries) {
    std::vector<DeliveryEntry> given;
    for (const DeliveryEntry& entry : entries) {
        if (!entry.is_held) given.push_back(entry);
    }
    return given;
}

std::size_t delivery_size(std::span<const DeliveryEntry> entries) {
    std::size_t size = sizeof(ImageHeader);
    for (const DeliveryEntry& entry : entries) {
        size += sizeof(EntryHeader) + entry.variable.size() + 1 + entry.value.size() + 1;
        if (has_secret_name(entry)) size += entry.secret.size() + 1;
    }
    return size;
}

std::size_t variables_size(std::span<const DeliveryEntry> entries) {
    std::size_t size = 0;
    for (const DeliveryEntry& entry : entries) {
        if (entry.is_held) continue;
        size += entry.variable.size() + 1 + (entry.is_file() ? 0 : entry.value.size()) + 1;
    }
    return size;
}

std::size_t files_size(std::span<const DeliveryEntry> entries) {
    std::size_t size = 0;
    for (const DeliveryEntry& entry : entries) {
        if (has_secret_name(entry)) size += entry.value.size();
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
    ByteWriter writer(out);
    writer.bytes(std::as_bytes(std::span(&header, 1)));
    for (const DeliveryEntry& entry : entries) {
        const EntryHeader entry_header{kind_of(entry),
                                       static_cast<std::uint8_t>(entry.variable.size()),
                                       static_cast<std::uint8_t>(entry.secret.size()),
                                       static_cast<std::uint32_t>(entry.value.size())};
        writer.bytes(std::as_bytes(std::span(&entry_header, 1)));
        write_with_nul(writer, bytes_of(entry.variable));
        if (has_secret_name(entry)) write_with_nul(writer, bytes_of(entry.secret));
        write_with_nul(writer, entry.value.bytes());
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
    const std::size_t length = header.length - sizeof(header);
    if (header.count > length / sizeof(EntryHeader)) return damaged("its count is wrong");
    ByteReader in(image.subspan(sizeof(header), length));
    std::vector<DeliveryEntry> entries;
    entries.reserve(header.count);
    for (std::uint32_t i = 0; i < header.count; ++i) {
        const auto entry = read_entry(in);
        if (!entry) return entry.status();
        entries.push_back(*entry);
    }
    if (!in.complete()) return damaged("bytes follow its last entry");
    return entries;
}

}  // namespace secrets
