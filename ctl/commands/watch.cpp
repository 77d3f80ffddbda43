// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/watch.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include <boost/json/serialize.hpp>
#include <iostream>

#include "ctl/client/answer.h"
#include "ctl/io/table.h"

namespace secrets::ctl {
namespace {

namespace json = boost::json;

constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 500'000'000};

/// SIGINT and SIGTERM, which stay blocked and pending until come_within() waits for them.
class EndSignals {
  public:
    EndSignals() {
        sigemptyset(&set_);
        sigaddset(&set_, SIGINT);
        sigaddset(&set_, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &set_, nullptr);
    }

    /// Returns whether one of the signals arrives within `time`.
    bool come_within(const timespec& time) const {
        int signal = -1;
        do {
            signal = ::sigtimedwait(&set_, nullptr, &time);
        } while (signal < 0 && errno == EINTR);
        return signal > 0;
    }

  private:
    sigset_t set_{};
};

std::uint64_t next_of(const json::object& answer) {
    const json::value* next = answer.if_contains("next");
    boost::system::error_code error;
    return next == nullptr ? 0 : next->to_number<std::uint64_t>(error);
}

Tone tone_of(const std::string& level) {
    if (level == "error") return Tone::bad;
    return level == "warn" || level == "warning" ? Tone::warning : Tone::plain;
}

void print_event(const json::object& event, const Session& agent) {
    if (agent.json()) {
        std::cout << json::serialize(event) << '\n';
        return;
    }
    std::cout << local_time_with_seconds(without_fraction(text_of(event, "time"))) << "  "
              << painted(text_of(event, "message"), tone_of(text_of(event, "level")), agent.paint())
              << '\n';
}

class Watch {
  public:
    explicit Watch(const Session& agent) : agent_(agent) {}

    /// Skips the events before this call.
    void begin() { next_ = next_of(read_object(agent_.ask_quietly({Method::get, kPath, {}}))); }

    void look() {
        json::object answer = ask();
        if (next_of(answer) < next_) {  // another agent, whose count starts at its own beginning
            next_ = 0;
            answer = ask();
        }
        for (const json::value& element : array_of(answer, "events")) {
            print_event(as_object(element), agent_);
        }
        std::cout.flush();
        next_ = next_of(answer);
    }

  private:
    static constexpr const char* kPath = "/v1/events";

    json::object ask() const {
        return read_object(
            agent_.ask_quietly({Method::get, kPath + ("?after=" + std::to_string(next_)), {}}));
    }

    const Session& agent_;
    std::uint64_t next_ = 0;
};

}  // namespace

ExitCode watch(const Session& agent) {
    const EndSignals end;
    Watch watch(agent);
    watch.begin();
    bool answers = true;
    while (std::cout && !end.come_within(kPause)) {
        try {
            watch.look();
            if (!answers) std::cerr << "secretctl: note: the agent responds again\n";
            answers = true;
        } catch (const CommandError& error) {
            if (error.code() != ExitCode::unreachable) throw;
            if (answers) std::cerr << "secretctl: note: " << error.what() << " (waiting for it)\n";
            answers = false;
        }
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl
