#include "agentd/doors/listener.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "agentd/audit/audit.h"
#include "common/unix_socket.h"

namespace secrets::doors {
namespace {

constexpr auto kPauseWithoutDescriptors = std::chrono::milliseconds(100);

}  // namespace

Listener::Listener(asio::io_context& loop, UniqueFd listener, std::string name,
                   std::function<void(UniqueFd)> take)
    : listener_(loop, listener.release()),
      pause_(loop),
      name_(std::move(name)),
      take_(std::move(take)) {
    asio::co_spawn(loop, accept(), asio::detached);
}

void Listener::stop() {
    stopped_ = true;
    ErrorCode ignored;
    listener_.close(ignored);
    pause_.cancel();
}

asio::awaitable<void> Listener::accept() {
    while (!stopped_) {
        ErrorCode error;
        co_await listener_.async_wait(asio::posix::stream_descriptor::wait_read, into(error));
        if (error || stopped_) co_return;
        auto connection = accept_from(listener_.native_handle());
        if (!connection) {
            audit::trouble(name_ + ": " + connection.error().sentence);
            pause_.expires_after(kPauseWithoutDescriptors);
            co_await pause_.async_wait(into(error));
        } else if (*connection) {
            take_(std::move(connection).value());
        }
    }
}

}  // namespace secrets::doors
