// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/flush_timer.h"

namespace secrets::audit {

FlushTimer::FlushTimer(boost::asio::io_context& loop, Recorder& recorder)
    : recorder_(recorder), timer_(loop) {
    recorder_.on_work([this] { arm(); });
    arm();
}

FlushTimer::~FlushTimer() {
    stop();
}

void FlushTimer::stop() {
    recorder_.on_work([] {});
    timer_.cancel();
}

void FlushTimer::arm() {
    const auto next = recorder_.next_work();
    if (!next || (armed_for_ && *armed_for_ <= *next)) return;
    armed_for_ = next;
    timer_.expires_at(*next);  // cancels a later wait
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        armed_for_.reset();
        recorder_.work(Recorder::Clock::now());
    });
}

}  // namespace secrets::audit
