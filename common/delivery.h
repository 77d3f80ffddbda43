#pragma once
// The delivery image: what one step is given, in one locked region, made by the agent and read by
// the plugin on the same machine. Format, version 1; numbers are in the machine's own byte order:
//
//     offset  size  what
//          0     8  magic "SLSDELIV"
//          8     4  version, 1
//         12     4  count of entries
//         16     8  length of the whole image, this header included
//     then `count` entries, one after the other without padding:
//          0     2  kind, 1 = variable
//          2     2  length V of the variable's name
//          4     4  length L of the value
//          8   V+1  the name and a NUL
//      8+V+1   L+1  the value and a NUL
//     The image ends with its last entry.
//
// Names and values stand NUL-terminated, so that the plugin hands them to spank_setenv() straight
// from the mapping: a value is never copied into slurmstepd's heap.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/wipe.h"

namespace secrets {

/// One thing to give to a step. Views: what they point at must outlive the use.
struct DeliveryEntry {
    std::string_view variable;
    SecretView value;
};

/// The bytes that an image of `entries` takes.
std::size_t delivery_size(std::span<const DeliveryEntry> entries);

/// What setting `entries` takes of a process's environment: names, values, `=` and NUL.
std::size_t variables_size(std::span<const DeliveryEntry> entries);

/// Writes the image of `entries` to the beginning of `out`. Fails, with nothing written, when it
/// does not fit or an entry breaks a limit (the name's or the value's length, a NUL in either).
Failure write_delivery(std::span<const DeliveryEntry> entries, std::span<std::byte> out);

/// Reads the image at the beginning of `image`; trailing bytes (the rest of a page) are ignored.
/// Every length is checked before it is used. The entries point into `image`, NUL-terminated.
Result<std::vector<DeliveryEntry>> read_delivery(std::span<const std::byte> image);

}  // namespace secrets
