#pragma once
// What the control door answers, as JSON: names, sizes and dates, never a value.

#include <string>
#include <vector>

#include "agentd/desk/desk.h"

namespace secrets::doors {

std::string run_json(const desk::RunInfo& run);
std::string runs_json(const std::vector<desk::RunInfo>& runs);
std::string check_json(const desk::CheckInfo& check);
std::string status_json(const desk::StatusInfo& status);

/// RFC 9457: {"type":"about:blank","title":…,"status":…,"detail":…}
std::string problem_json(unsigned status, std::string_view title, std::string_view detail);

}  // namespace secrets::doors
