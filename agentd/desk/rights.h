#pragma once
// Who may do what: one table.

#include <span>
#include <vector>

#include "agentd/config.h"
#include "common/ids.h"

namespace secrets::desk {

/// What somebody is to the user that a request is about.
enum class Principal {
    root,
    owner,     ///< that user
    platform,  ///< an account that the configuration lets act for that user
    stranger,  ///< any other local account
};

/// What can be done to a run of that user. (Status, checks of one's own asks and the list, in which
/// each sees the runs that it may read, are open to every local account.)
enum class Operation {
    push_run,
    read_run,
    complete_run,
    use_run,  ///< have a job's ask answered from it
};

/// The table.
bool may(Principal principal, Operation operation);

/// Tells what `caller` is to `about`.
class People {
  public:
    explicit People(std::vector<Platform> platforms) : platforms_(std::move(platforms)) {}

    Principal principal(Uid caller, Uid about) const;

    /// Whether the caller is an account that a platform connects as.
    bool is_platform(Uid caller) const;

  private:
    std::vector<Platform> platforms_;
};

}  // namespace secrets::desk
