// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes the control socket's responses as JSON: names, sizes and dates, never a value.

#include <string>
#include <string_view>
#include <vector>

#include "agentd/service/services.h"

namespace secrets::api {

std::string run_json(const service::RunInfo& run);
/// Returns a run as an element of a list.
std::string run_head_json(const service::RunInfo& run);
/// `items`: such elements, with commas between them. `next`: the cursor of the next page; empty for
/// none.
std::string runs_json(std::string_view items, std::string_view next);
std::string secret_json(const store::SecretHead& secret);
/// `whose`: "owner" or "workspace".
std::string secrets_json(std::string_view whose, const std::string& name,
                         const service::SecretList& secrets);
std::string workspaces_json(const std::vector<service::WorkspaceInfo>& workspaces);
std::string check_json(const service::SpecCheck& check);
std::string events_json(const service::EventsInfo& events);
std::string status_json(const service::StatusInfo& status);

/// RFC 9457: {"type":…,"title":…,"status":…,"detail":…}
std::string problem_json(unsigned status, std::string_view title, std::string_view detail,
                         std::string_view type);

}  // namespace secrets::api
