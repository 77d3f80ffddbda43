// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string>

#include "agentd/base/supervisor.h"
#include "agentd/store/store_factory.h"

namespace secrets::store {

/// Opens a closed store once that is possible. Some reasons go by themselves: another process has
/// locked the file, its disk is full, or the agent before this one still runs.
class ClosedStore {
  public:
    /// Tries to open the store; an error of the configuration leaves it closed.
    using Open = std::function<OpenedStore()>;
    /// Gets the store when it is open, or why it is closed each time that this has changed.
    using Give = std::function<void(OpenedStore)>;

    ClosedStore(boost::asio::io_context& loop, Open open, Give give)
        : timer_(loop), open_(std::move(open)), give_(std::move(give)) {}

    /// Begins to try, with such pauses. `why`: why the store is closed now.
    void start(Supervisor& supervisor, std::string why,
               std::chrono::milliseconds pause = std::chrono::seconds(30));
    void stop();

  private:
    boost::asio::awaitable<void> run(std::chrono::milliseconds pause);

    boost::asio::steady_timer timer_;
    Open open_;
    Give give_;
    std::string why_;
    bool is_open_ = false;  ///< also if giving the store failed: opening it twice would close it
    bool stopped_ = false;
};

}  // namespace secrets::store
