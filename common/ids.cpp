#include "common/ids.h"

#include "common/limits.h"
#include "common/names.h"

namespace secrets {

Result<RunId> RunId::parse(std::string_view text) {
    if (text.empty()) return Error{"a run id is missing"};
    if (text.size() > kMaxRunIdBytes) {
        return Error{"a run id has " + std::to_string(text.size()) + " characters; at most " +
                     std::to_string(kMaxRunIdBytes) + " are allowed"};
    }
    if (!is_letter(text.front()) && !is_digit(text.front())) {
        return Error{"the run id " + quoted(text) + " must begin with a letter or a digit"};
    }
    for (const char c : text) {
        if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' && c != '-') {
            return Error{"the run id " + quoted(text) + " holds " + quoted({&c, 1}) +
                         "; letters, digits, '.', '_' and '-' are allowed"};
        }
    }
    return RunId(text);
}

}  // namespace secrets
