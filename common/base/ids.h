// SPDX-License-Identifier: Apache-2.0
#pragma once
// Distinct types for numbers and names that must not be confused.

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets {

/// A Slurm job id. Each task of an array and each part of a heterogeneous job has its own.
struct JobId {
    std::uint32_t value = 0;
    auto operator<=>(const JobId&) const = default;
};

/// A Slurm step id within a job; the batch script is one of the special ones (0xfffffffb).
struct StepId {
    std::uint32_t value = 0;
    auto operator<=>(const StepId&) const = default;
};

/// No step: of a request of a process of the job, whichever step that is in.
inline constexpr StepId kNoStep{0xfffffffe};

/// Returns the step as Slurm's own commands write it: a number, "batch", "interactive" or "extern".
std::string step_word(StepId step);

/// A local account, as the kernel or slurmstepd named it.
struct Uid {
    uid_t value = 0;
    auto operator<=>(const Uid&) const = default;
};

/// The id that a platform gave to one pipeline execution: letters, digits, `.`, `_` and `-`,
/// beginning with a letter or a digit, at most kMaxRunIdBytes. Only parse() creates one.
class RunId {
  public:
    static StatusOr<RunId> parse(std::string_view text);

    const std::string& text() const { return text_; }
    auto operator<=>(const RunId&) const = default;

  private:
    explicit RunId(std::string_view text) : text_(text) {}
    std::string text_;
};

}  // namespace secrets

template <>
struct std::hash<secrets::JobId> {
    std::size_t operator()(secrets::JobId job) const noexcept { return job.value; }
};

template <>
struct std::hash<secrets::RunId> {
    std::size_t operator()(const secrets::RunId& run) const noexcept {
        return std::hash<std::string>()(run.text());
    }
};
