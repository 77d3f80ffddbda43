#include "common/ids.h"

#include "common/limits.h"
#include "common/names.h"

namespace secrets {

Result<RunId> RunId::parse(std::string_view text) {
    if (auto why = why_not_an_identifier("run id", text, kMaxRunIdBytes)) return Error{*why};
    return RunId(text);
}

}  // namespace secrets
