// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "agentd/audit/recorder.h"

namespace secrets::audit {

/// Lets a recorder do its work in the event loop, when some has become due: no timer runs while
/// nothing waits. Must outlive the loop's run, and the recorder must outlive it.
class FlushTimer {
  public:
    FlushTimer(boost::asio::io_context& loop, Recorder& recorder);
    FlushTimer(const FlushTimer&) = delete;
    FlushTimer& operator=(const FlushTimer&) = delete;
    ~FlushTimer();

    /// Leaves the loop, which a journal that takes nothing would else keep busy.
    void stop();

  private:
    void arm();

    Recorder& recorder_;
    boost::asio::steady_timer timer_;
    std::optional<Recorder::Clock::time_point> armed_for_;
};

}  // namespace secrets::audit
