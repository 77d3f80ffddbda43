// SPDX-License-Identifier: Apache-2.0
#include "common/ipc/message.h"

#include <string.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::ipc {
namespace {

struct Header {
    char magic[4];
    std::uint16_t version;
    std::uint16_t type;
    std::uint32_t length;
};
static_assert(sizeof(Header) == 12);

}  // namespace

MessageWriter::MessageWriter(const Protocol& protocol, std::uint16_t type, std::uint16_t version)
    : message_(sizeof(Header)) {
    Header header{{}, version, type, 0};
    memcpy(header.magic, protocol.magic.data(), sizeof(header.magic));
    memcpy(message_.data(), &header, sizeof(header));
}

MessageWriter& MessageWriter::number(std::uint32_t value) {
    append(&value, sizeof(value));
    return *this;
}

MessageWriter& MessageWriter::text(std::string_view text) {
    number(static_cast<std::uint32_t>(text.size()));
    append(text.data(), text.size());
    return *this;
}

MessageWriter& MessageWriter::sentence(std::string_view sentence) {
    return text(printable_ascii(sentence.substr(0, kMaxSentenceBytes)));
}

Message MessageWriter::finish() {
    const auto length = static_cast<std::uint32_t>(message_.size());
    memcpy(message_.data() + offsetof(Header, length), &length, sizeof(length));
    return std::move(message_);
}

void MessageWriter::append(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    message_.insert(message_.end(), bytes, bytes + size);
}

MessageReader::MessageReader(std::span<const std::byte> message)
    : body_(message.subspan(sizeof(Header))) {}

std::string MessageReader::text(std::size_t limit) {
    const std::uint32_t length = number();
    if (length > limit) body_.fail();
    const auto bytes = body_.bytes(length);
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::string MessageReader::sentence() {
    std::string sentence = text(kMaxSentenceBytes);
    if (!std::all_of(sentence.begin(), sentence.end(), is_printable_ascii)) body_.fail();
    return sentence;
}

StatusOr<std::uint16_t> message_type(const Protocol& protocol, std::span<const std::byte> message) {
    Header header;
    if (message.size() < sizeof(header))
        return Status::failed("an invalid message: it is shorter than its header");
    memcpy(&header, message.data(), sizeof(header));
    if (memcmp(header.magic, protocol.magic.data(), sizeof(header.magic)) != 0) {
        return Status::failed("an invalid message: it does not belong to a slurm-secrets protocol");
    }
    if (header.version < protocol.version || header.version > protocol.newest_version) {
        return Status::failed(std::string(kOtherVersion) + std::to_string(header.version) +
                              ", but this side has version " +
                              std::to_string(protocol.newest_version) + "; install " +
                              std::string(protocol.speakers) + " of one release");
    }
    if (header.length != message.size() || message.size() > protocol.max_message_bytes) {
        return Status::failed("an invalid message: it declares " + std::to_string(header.length) +
                              " bytes but has " + std::to_string(message.size()));
    }
    return header.type;
}

std::uint16_t message_version(std::span<const std::byte> message) {
    Header header;
    memcpy(&header, message.data(), sizeof(header));
    return header.version;
}

Status malformed_message(std::string_view what) {
    return Status::failed("a malformed " + std::string(what) + " message");
}

Status unknown_message_type(std::uint16_t type) {
    return Status::failed(std::string(kUnknownType) + std::to_string(type));
}

}  // namespace secrets::ipc
