// SPDX-License-Identifier: Apache-2.0
#pragma once
// Encodes runs and stored secrets as documents in OpenBao: one secret of KV v2 each. The format is
// also for readers that use other tools. Times are seconds since 1970, values are base64.
//
//     runs/RUN           {"format": 1, "owner": UID, "generation": N, "created": T, "expires": T,
//                         "platform": "" or its name, "until_job": N, if the run ends with a job,
//                         "secrets": [{"scope": "user" or "workspace", "name", "value"}, ...]}
//     users/UID,         {"format": 1, "user": the name that the user with this uid had,
//     workspaces/NAME     "secrets": [{"name", "generation": N, "set": T, "expires": T or null,
//                                      "value"}, ...]}
//
// All secrets of one owner are one document, so that one check-and-set protects what must hold for
// them as a whole (limits, no two names of one variable). Each document also has a "writer": a
// number that tells a writer whose answer was lost that its write was made.

#include <boost/json/object.hpp>
#include <span>
#include <vector>

#include "agentd/service/services.h"

namespace secrets::openbao {

/// Returns the path of a document in the folder that the configuration names.
std::string path_of(const RunId& run);
std::string path_of(const store::Owner& owner);

inline constexpr char kRunsFolder[] = "runs";
inline constexpr char kUsersFolder[] = "users";
inline constexpr char kWorkspacesFolder[] = "workspaces";
/// Returns the owner of the document `name` in a folder of users or workspaces; nothing for any
/// other name.
std::optional<store::Owner> owner_at(const std::string& folder, const std::string& name);

struct RunDocument {
    vault::RunHead head;
    std::vector<vault::NewSecret> secrets;
};

boost::json::object write_run(const vault::RunHead& head,
                              std::span<const vault::RunSecret> secrets);
/// `user`: the name of the user whose secrets they are; empty for a workspace, or if not known.
boost::json::object write_secrets(std::span<const service::ReplicatedSecret> secrets,
                                  const std::string& user = "");
/// Returns that name in a document of stored secrets; empty if there is none.
std::string user_in(const boost::json::object& data);

/// Reads a document. The Status says what is wrong with it, and nothing of a value.
StatusOr<RunDocument> read_run(const RunId& run, const boost::json::object& data);
StatusOr<std::vector<service::ReplicatedSecret>> read_secrets(const boost::json::object& data);

}  // namespace secrets::openbao
