// SPDX-License-Identifier: Apache-2.0
#pragma once
// The client of the agent's job socket: values for a process of a job.

#include <string>
#include <vector>

#include "common/secure_memory/delivery.h"
#include "common/secure_memory/locked_region.h"

namespace secrets::ctl {

/// Values in the memory that the agent made for this process; the last copy of it is cleared by the
/// kernel when this object and the process end.
class JobValues {
  public:
    /// Reads what `spec` requests of the job around this process; all that the job requested if it
    /// is empty. Throws CommandError: `refused` if the process may not have it, and `unreachable`
    /// if that cannot be known now.
    static JobValues read(const std::string& job_socket, const std::string& spec);

    /// The names and values are NUL-terminated, and live as long as this object.
    const std::vector<DeliveryEntry>& entries() const { return entries_; }

    /// A sentence of the agent's for stderr; may be empty.
    const std::string& note() const { return note_; }

  private:
    JobValues(RegionView view, std::vector<DeliveryEntry> entries, std::string note)
        : view_(std::move(view)), entries_(std::move(entries)), note_(std::move(note)) {}

    RegionView view_;
    std::vector<DeliveryEntry> entries_;
    std::string note_;
};

}  // namespace secrets::ctl
