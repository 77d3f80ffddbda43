// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agentd/audit/recorder.h"

namespace secrets::audit {

/// Runs a recorder's work in the event loop when it is due; no timer runs while there is none. Must
/// outlive the loop's run; the recorder must outlive it.
class FlushTimer {
  public:
    FlushTimer(boost::asio::io_context& loop, Recorder& recorder);
    FlushTimer(const FlushTimer&) = delete;
    FlushTimer& operator=(const FlushTimer&) = delete;
    ~FlushTimer();

    /// Removes the timer from the loop, which a journal that accepts nothing would otherwise keep
    /// busy.
    void stop();

  private:
    void arm();

    Recorder& recorder_;
    boost::asio::steady_timer timer_;
    std::optional<Recorder::Clock::time_point> armed_for_;
};

}  // namespace secrets::audit
