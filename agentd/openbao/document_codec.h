// SPDX-License-Identifier: Apache-2.0
#pragma once
// How runs and kept secrets stand in OpenBao: one secret of KV v2 each. A format, for those who
// read it with other tools. Times are seconds since 1970, values are base64.
//
//     runs/RUN           {"format": 1, "owner": UID, "generation": N, "created": T, "expires": T,
//                         "platform": "" or its name,
//                         "secrets": [{"scope": "user" or "workspace", "name", "value"}, ...]}
//     users/UID,         {"format": 1,
//     workspaces/NAME     "secrets": [{"name", "generation": N, "set": T, "expires": T or null,
//                                      "value"}, ...]}
//
// All that one owner keeps is one document, so that what must hold of it as a whole (its limits, no
// two names of one variable) holds by one check-and-set. Each has a "writer", too: a number that
// tells a writer whose answer was lost that it was heard.

#include <boost/json/object.hpp>
#include <span>
#include <vector>

#include "agentd/service/services.h"

namespace secrets::openbao {

/// Where they are: a path in the folder that the configuration names.
std::string path_of(const RunId& run);
std::string path_of(const store::Owner& owner);

inline constexpr char kRunsFolder[] = "runs";
inline constexpr char kUsersFolder[] = "users";
inline constexpr char kWorkspacesFolder[] = "workspaces";
/// Whose document has that name in that folder of users or workspaces; nothing for another's.
std::optional<store::Owner> owner_at(const std::string& folder, const std::string& name);

struct RunDocument {
    vault::RunHead head;
    std::vector<vault::NewSecret> secrets;
};

boost::json::object write_run(const vault::RunHead& head,
                              std::span<const vault::RunSecret> secrets);
boost::json::object write_secrets(std::span<const service::ReplicatedSecret> secrets);

/// The Status says what is wrong with it, and nothing of a value.
StatusOr<RunDocument> read_run(const RunId& run, const boost::json::object& data);
StatusOr<std::vector<service::ReplicatedSecret>> read_secrets(const boost::json::object& data);

}  // namespace secrets::openbao
