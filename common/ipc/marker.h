// SPDX-License-Identifier: Apache-2.0
#pragma once
// The marker: what an inner sbatch, srun or salloc needs to know of the secrets that its job was
// given. It holds names and keyed hashes, and no value. The plugin sets it in each task as the
// variable SECRETS_GIVEN; the agent sends it to a process of a job that has lost the variable.
//
//     MARKER = "1" "/" KEY "/" SPEC *( "/" VARIABLE KIND HASH "." LENGTH "." START )
//     KIND   = "=" | ":" | "@" | "+" | "%"
//
// KEY and HASH are 32 hexadecimal digits, LENGTH and START hexadecimal numbers. SPEC is the text of
// SLURM_SECRETS, and may be empty. HASH is the SipHash-128 of the variable's value under KEY,
// LENGTH the value's length, and START a 16-bit hash of its first bytes, by which the value is
// found in the middle of a longer text without a SipHash for each position. The KINDs "+" and "%"
// come last.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/siphash.h"

namespace secrets {

/// The variable. Not a SLURM_* variable: scripts and tools unset all of those before they submit.
inline constexpr char kMarkerVariable[] = "SECRETS_GIVEN";

struct ValueDigest {
    SipHash hash{};
    std::uint32_t bytes = 0;
    std::uint16_t start = 0;

    bool operator==(const ValueDigest&) const = default;
};

/// The bytes that start_hash() reads. A shorter value is known by its variable's name only: it
/// might be a number or a word that other variables hold, too.
inline constexpr std::size_t kStartBytes = 8;

/// Returns the hash of the first kStartBytes bytes at `bytes`.
std::uint16_t start_hash(const SipKey& key, const std::byte* bytes);

ValueDigest digest_of(const SipKey& key, std::span<const std::byte> value);

/// How a marked variable is recognized in other variables.
enum class MarkKind : char {
    value = '=',  ///< by its value, which is a secret
    named = ':',  ///< by its name only: the value is short, or the job had it from elsewhere, too
    path = '@',   ///< by its value, which is the path of a secret's file
    /// By a secret that is not the variable's value, but what `$(cat FILE)` makes of the file's
    /// content, or `$(…)` of a value: without the newlines at the end.
    content = '+',
    /// By a secret that the job reads from its agent, again without the newlines at the end. Not in
    /// a task's first marker: the agent's has it, with the secret's name as a variable's, and that
    /// of a command of `secretctl exec`, with the variable that the command was given.
    held = '%',
};

/// Tells whether what is marked is not the value of a variable that the job was given.
constexpr bool is_read(MarkKind kind) {
    return kind == MarkKind::content || kind == MarkKind::held;
}

struct MarkedVariable {
    std::string variable;
    MarkKind kind = MarkKind::value;
    ValueDigest digest;

    bool operator==(const MarkedVariable&) const = default;
};

/// Returns the mark of kind `content` of a value, or of the content of the file in a variable;
/// nothing if it is short, or a value that is recognized by itself.
std::optional<MarkedVariable> content_mark(const SipKey& key, std::string_view variable,
                                           std::span<const std::byte> secret, bool is_file);

struct Marker {
    SipKey key{};
    std::string spec;
    std::vector<MarkedVariable> variables;

    bool operator==(const Marker&) const = default;
};

/// Returns the marker as text of at most kMaxMarkerBytes. Leaves out variables that do not fit.
std::string print_marker(const Marker& marker);

/// Returns nothing if `text` is not a marker of this version.
std::optional<Marker> parse_marker(std::string_view text);

}  // namespace secrets
