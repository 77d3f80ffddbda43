// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/session.h"

#include <iostream>

#include "ctl/client/answer.h"

namespace secrets::ctl {

Answer Session::ask(const Request& request, ExitCode unavailable) const {
    Answer answer = ask_quietly(request, unavailable);
    if (json_ && !answer.body.empty()) {
        std::cout << answer.body.substr(0, answer.body.find_last_not_of('\n') + 1) << '\n';
    }
    return answer;
}

Answer Session::ask_quietly(const Request& request, ExitCode unavailable) const {
    Answer answer = client_.send(request);
    check_success(answer, unavailable);
    return answer;
}

}  // namespace secrets::ctl
