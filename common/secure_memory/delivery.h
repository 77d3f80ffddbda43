// SPDX-License-Identifier: Apache-2.0
#pragma once
// The delivery image: what one step is given, in one locked region, written by the agent and read
// by the plugin on the same machine. Format version 1; numbers are in the machine's own byte order:
//
//     offset  size  what
//          0     8  magic "SLSDELIV"
//          8     4  version, 1
//         12     4  count of entries
//         16     8  length of the whole image, this header included
//     then `count` entries, one after the other without padding:
//          0     2  kind, 1 = variable, 2 = file, 3 = held
//          2     1  length V of the variable's name
//          3     1  length N of the secret's name, 0 in an entry of kind 1
//          4     4  length L of the value
//          8   V+1  the variable's name and a NUL
//              N+1  the secret's name and a NUL, not in an entry of kind 1
//              L+1  the value and a NUL
//     The image ends with its last entry.
//
// An entry of kind 1 sets the variable to the value. An entry of kind 2 creates a file that holds
// the value and is named after the secret, and sets the variable to its path; the value may hold
// NUL bytes. Two entries of kind 2 may name one secret: the result is one file and two variables.
// An entry of kind 3 sets and creates nothing: it is what a job reads from its agent. A hub sends
// such entries to a node; the agent leaves them out of what a step is given.
//
// Names and values are NUL-terminated, so that the plugin passes them to spank_setenv() directly
// from the mapping: a value is never copied into slurmstepd's heap.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets {

/// One variable or file to give to a step, or a value that its job may read. Holds views: their
/// targets must outlive the entry.
struct DeliveryEntry {
    std::string_view variable;
    SecretView value;
    std::string_view secret{};  ///< a file's or a held secret's name; empty for a variable
    bool is_held = false;

    bool is_file() const { return !secret.empty() && !is_held; }
};

/// Returns the entries that a step is given: all but those that are held.
std::vector<DeliveryEntry> without_held(std::span<const DeliveryEntry> entries);

/// Returns the number of bytes of an image of `entries`.
std::size_t delivery_size(std::span<const DeliveryEntry> entries);

/// Returns the bytes that `entries` use in a process's environment: names, values, `=` and NUL. For
/// a file only the variable's name is counted, since the plugin chooses the path; what is held is
/// not counted.
std::size_t variables_size(std::span<const DeliveryEntry> entries);

/// Returns the total size of the values of those `entries` that are files or held.
std::size_t files_size(std::span<const DeliveryEntry> entries);

/// Writes the image of `entries` to the beginning of `out`. Fails, with nothing written, if the
/// image does not fit or an entry breaks a limit (a name's or the value's length, a NUL that is not
/// allowed).
Status write_delivery(std::span<const DeliveryEntry> entries, std::span<std::byte> out);

/// Reads the image at the beginning of `image`; trailing bytes (the rest of a page) are ignored.
/// Every length is checked before use. The returned entries are NUL-terminated and point into
/// `image`.
StatusOr<std::vector<DeliveryEntry>> read_delivery(std::span<const std::byte> image);

}  // namespace secrets
