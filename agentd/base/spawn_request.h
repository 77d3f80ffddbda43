// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <string>
#include <utility>

namespace secrets {

/// Starts a coroutine that serves one client or performs one action and ends: a request, not a
/// background task. `on_failure` is called with what() of an exception that ended the coroutine, as
/// a std::string, and must report the client and the request.
template <typename OnFailure>
void spawn_request(boost::asio::io_context& loop, boost::asio::awaitable<void> coroutine,
                   OnFailure on_failure) {
    boost::asio::co_spawn(loop, std::move(coroutine),
                          [on_failure = std::move(on_failure)](const std::exception_ptr& thrown) {
                              if (!thrown) return;
                              std::string why = "an unknown exception";
                              try {
                                  std::rethrow_exception(thrown);
                              } catch (const std::exception& error) {
                                  why = error.what();
                              } catch (...) {
                              }
                              on_failure(why);
                          });
}

}  // namespace secrets
