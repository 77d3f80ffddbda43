// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads the body of an HTTP message into memory that grows with the bytes that arrive. The length
// that the other side announced costs nothing.

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include "agentd/net/asio.h"
#include "common/secure_memory/wipe.h"

namespace secrets::net {

/// A body of known length, of which a part has arrived. Usage: until it is complete, grow() if it
/// is full, then read_some().
class ArrivingBody {
  public:
    explicit ArrivingBody(std::uint64_t length) : length_(length) {}

    bool is_complete() const { return filled_ == length_; }
    /// Returns whether there is no memory for the next byte.
    bool is_full() const { return filled_ == buffer_.size(); }
    /// Returns how much memory the body has after grow().
    std::size_t grown_size() const {
        const std::uint64_t doubled = std::max(2 * buffer_.size(), kFirstBytes);
        return static_cast<std::size_t>(std::min(doubled, length_));
    }
    void grow() {
        SecretBuffer larger(grown_size());
        std::copy_n(buffer_.bytes().begin(), filled_, larger.bytes().begin());
        buffer_ = std::move(larger);  // wipes the smaller one
    }

    /// Reads bytes of the body from `read_ahead`, which has what came together with the head, or
    /// else from the stream. The body must not be full.
    template <typename Stream>
    asio::awaitable<void> read_some(Stream& stream, boost::beast::flat_buffer& read_ahead,
                                    ErrorCode& error) {
        const auto space = buffer_.bytes().subspan(filled_);
        const auto target = asio::buffer(space.data(), space.size());
        if (read_ahead.size() > 0) {
            const std::size_t taken = asio::buffer_copy(target, read_ahead.data());
            read_ahead.consume(taken);
            filled_ += taken;
            co_return;
        }
        filled_ += co_await stream.async_read_some(target, into(error));
    }

    /// Hands over the complete body.
    SecretBuffer take() { return std::move(buffer_); }

  private:
    static constexpr std::size_t kFirstBytes = 4 * 1024;

    std::uint64_t length_;
    std::size_t filled_ = 0;
    SecretBuffer buffer_;
};

}  // namespace secrets::net
