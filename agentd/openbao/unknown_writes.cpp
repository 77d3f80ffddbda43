// SPDX-License-Identifier: Apache-2.0
// Decides what became of a write whose answer was lost, by what OpenBao has now.

#include "agentd/openbao/document_codec.h"
#include "agentd/openbao/document_lock.h"
#include "agentd/openbao/replica.h"

namespace secrets::openbao {

namespace asio = boost::asio;

/// Reads whether the write in `unknown_write` was made: there was no answer, or the write was
/// rejected, since it had been sent again and found its own version, or another one.
asio::awaitable<Replica::WriteResult> Replica::look_up_write(DocumentRef& use,
                                                             const std::string& state,
                                                             bool is_rejected,
                                                             Clock::time_point deadline) {
    DocumentState& known = use.known();
    std::string path = path_of_key(use.key());
    auto answer = co_await kv_.read(std::move(path), deadline);
    if (!answer.ok()) co_return Status::unavailable(answer.status().message());
    const Document& document = *answer;
    if (document.may_lag) co_return Status::unavailable("no server is active");
    switch (fate_of(*known.unknown_write, document)) {
        case Fate::made:
            note_written(known, document.version, state);
            co_return Outcome::written;
        case Fate::not_made:
            co_return Outcome::another_was_faster;
        case Fate::unknown:
            break;
    }
    if (is_rejected) co_return Outcome::another_was_faster;
    co_return Status::unavailable("another hub has changed it since");
}

Replica::Fate Replica::fate_of(const UnknownWrite& write, const Document& document) {
    if (write.writer.empty()) {
        if (!document.data) return Fate::made;
        return document.version <= write.based_on ? Fate::not_made : Fate::unknown;
    }
    const auto* writer = document.data ? document.data->if_contains("writer") : nullptr;
    if (writer != nullptr && *writer == boost::json::value(write.writer)) return Fate::made;
    if (document.version <= write.based_on) return Fate::not_made;
    // Only one write gets the next version. A later one may be based on that of this agent.
    const bool is_next = document.version == write.based_on + 1;
    return is_next && document.data ? Fate::not_made : Fate::unknown;
}

/// Publishes or reverts the events of a write whose outcome was unknown until this read.
void Replica::settle(DocumentState& known, const Document& document) {
    if (!known.unknown_write || document.may_lag) return;
    UnknownWrite write = std::move(*known.unknown_write);
    known.unknown_write.reset();
    switch (fate_of(write, document)) {
        case Fate::made:
            write.events.keep();
            return;
        case Fate::not_made:
            write.events.abandon(Status::failed("OpenBao did not get it"));
            return;
        case Fate::unknown:
            return;
    }
}

}  // namespace secrets::openbao
