// SPDX-License-Identifier: Apache-2.0
#pragma once
// Words for the parts of a status that are about the cluster and the agent's surroundings.

#include <boost/json/object.hpp>
#include <optional>
#include <string_view>

#include "ctl/io/table.h"

namespace secrets::ctl {

/// Returns a member of the status in words; nothing if the member is of another kind.
std::optional<Cell> cluster_cell(std::string_view name, const boost::json::value& value);

/// Adds a row for each hub of the agent.
void add_hub_rows(Table& table, const boost::json::object& status);

}  // namespace secrets::ctl
