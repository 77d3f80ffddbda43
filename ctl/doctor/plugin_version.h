// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Slurm version that a plugin was built for, read from its file without loading it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace secrets::ctl::doctor {

/// A Slurm version; a plugin and a daemon are compatible if both numbers are equal.
struct SlurmVersion {
    unsigned major = 0;  ///< 22
    unsigned minor = 0;  ///< 5
    bool operator==(const SlurmVersion&) const = default;
    std::string text() const;  ///< "22.05"
};

/// Returns the number that the shared object `file` (the whole content) exports as `symbol`;
/// nothing if `file` is not a 64-bit ELF file of this machine's byte order, or has no such symbol.
std::optional<std::uint32_t> exported_number(std::string_view file, std::string_view symbol);

/// Returns the version of a plugin's file, from the number that Slurm itself compares
/// (plugin_version).
std::optional<SlurmVersion> version_of_plugin(std::string_view file);

/// Returns the version that `slurmd -V` and similar print: "slurm 22.05.8", "slurm-wlm 24.11.5".
std::optional<SlurmVersion> version_in(std::string_view printed);

}  // namespace secrets::ctl::doctor
