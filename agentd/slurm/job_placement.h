#pragma once
// Asks slurm-secrets-view whether jobs run where nodes say that they do.

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "agentd/slurm/query_client.h"

namespace secrets::cluster {

/// What Slurm says of a place, or that nobody could say it in time.
struct PlaceAnswer {
    view_wire::Verdict verdict = view_wire::Verdict::unknown;
    std::string why{};  ///< of an unknown one
};

/// Questions that come while one is being asked are put together into the next: what a thousand
/// nodes ask about one job costs few of them. A place that nobody can tell of is asked about again
/// until its time is up. Must outlive the loop's run.
class Places {
  public:
    using Clock = std::chrono::steady_clock;

    Places(boost::asio::io_context& loop, std::string view_socket);

    /// By `deadline` at the latest.
    boost::asio::awaitable<PlaceAnswer> ask(view_wire::Place place, Clock::time_point deadline);

    /// Answers all that is asked with "unknown".
    void stop();

  private:
    struct Waiter {
        view_wire::Place place;
        boost::asio::steady_timer timer;
        std::optional<PlaceAnswer> answer{};
    };
    using Number = std::uint64_t;  ///< in the order of their coming

    boost::asio::awaitable<void> ask_view();
    std::map<Number, Waiter*> next_ones();

    boost::asio::io_context& loop_;
    ViewClient view_;
    boost::asio::steady_timer pause_;
    std::map<Number, Waiter*> waiters_;  ///< on the stacks of ask()
    Number next_number_ = 0;
    Number last_asked_ = 0;
    bool asking_ = false;
    bool stopped_ = false;
    std::string why_unknown_ = "slurm-secrets-view was not asked yet";
};

}  // namespace secrets::cluster
