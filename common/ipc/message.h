// SPDX-License-Identifier: Apache-2.0
#pragma once
// The message format that all local protocols share: a header, and a body of numbers and texts.
// Numbers are in the machine's own byte order:
//
//     header       0  4  magic, which names the protocol
//                  4  2  version
//                  6  2  type
//                  8  4  length of the whole message, this header included
//     text         length u32 and as many bytes
//
// Notes and sentences are texts of printable ASCII, at most kMaxSentenceBytes.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/byte_codec.h"
#include "common/base/status.h"

namespace secrets::ipc {

using Message = std::vector<std::byte>;

/// The properties that all messages of one protocol share.
struct Protocol {
    std::string_view magic;  ///< four characters
    std::uint16_t version;
    std::size_t max_message_bytes;
    std::string_view speakers;  ///< the programs that must be of one release, as in "a and b"
    std::uint16_t newest_version = version;  ///< of messages whose form has changed since `version`
};

/// The first words of the refusal of a message whose version the other side does not have.
inline constexpr std::string_view kOtherVersion = "a message of protocol version ";

/// The first words of the refusal of a message whose type the other side does not know.
inline constexpr std::string_view kUnknownType = "a message of unknown type ";

/// Composes a message field by field.
class MessageWriter {
  public:
    MessageWriter(const Protocol& protocol, std::uint16_t type)
        : MessageWriter(protocol, type, protocol.version) {}
    MessageWriter(const Protocol& protocol, std::uint16_t type, std::uint16_t version);

    MessageWriter& number(std::uint32_t value);
    MessageWriter& text(std::string_view text);
    /// Appends a text for a person, cut to its limit and made printable.
    MessageWriter& sentence(std::string_view sentence);
    Message finish();

  private:
    void append(const void* data, std::size_t size);

    Message message_;
};

/// Parses a body field by field. A missing field reads as 0 or as empty, and makes complete()
/// false.
class MessageReader {
  public:
    /// `message` must be one that message_type() accepted.
    explicit MessageReader(std::span<const std::byte> message);

    std::uint32_t number() { return body_.number<std::uint32_t>(); }
    std::string text(std::size_t limit);
    std::string sentence();
    /// Whether every field was present and no bytes remain.
    bool complete() const { return body_.complete(); }

  private:
    ByteReader body_;
};

/// Returns the type if magic, version and length are right. Reads no byte of the body.
StatusOr<std::uint16_t> message_type(const Protocol& protocol, std::span<const std::byte> message);

/// Returns the version of a message that message_type() accepted.
std::uint16_t message_version(std::span<const std::byte> message);

Status malformed_message(std::string_view what);
Status unknown_message_type(std::uint16_t type);

}  // namespace secrets::ipc
