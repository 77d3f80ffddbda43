#pragma once
// What the agent writes down: who pushed, asked, was refused, wiped which names. Never values. This
// is the one place that knows the log's library.

#include <string>
#include <string_view>

#include "agentd/config.h"
#include "common/ids.h"

namespace secrets::audit {

/// To the journal or standard error, as configured; to be called once, before anything is written.
void open(const Config& config);

/// Events: what happened, as a sentence for an admin.
void event(std::string_view sentence);

/// A request was refused: who asked for what, and why not.
void refused(std::string_view who, std::string_view what, std::string_view why);

/// Something went wrong that an admin should mend.
void trouble(std::string_view sentence);

/// Nothing could be done; the agent ends.
void fatal(std::string_view sentence);

}  // namespace secrets::audit
