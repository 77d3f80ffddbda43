// SPDX-License-Identifier: Apache-2.0
// Follows OpenBao's clock, by which the data that hubs share expires: each hub reads the time that
// OpenBao's answers have. A hub whose own clock is wrong ends nothing too early or too late.

#include <cstdlib>
#include <variant>

#include "agentd/openbao/replica.h"

namespace secrets::openbao {
namespace {

/// OpenBao's clock has stepped, or differs from this host's, if it is off by more than that: an
/// answer takes a part of it, and its date has whole seconds.
constexpr auto kClockStep = std::chrono::seconds(5);

}  // namespace

void Replica::follow_clock() {
    own_ahead_ = services_.context.wall_ahead;
    services_.context.wall_ahead = [this] { return openbao_ahead_.value_or(own_ahead_()); };
    store_.set_wall_ahead(services_.context.wall_ahead);
}

/// Notes the time of OpenBao's clock. After a step of that clock, all that was read is read again:
/// its expiry was computed by the clock as it was.
void Replica::note_date(const Document& document) {
    if (!document.date || document.may_lag || !own_ahead_) return;
    const std::chrono::seconds ahead = *document.date - services_.context.now();
    const std::chrono::seconds before = openbao_ahead_.value_or(own_ahead_());
    const bool is_step = std::chrono::abs(ahead - before) > kClockStep;
    if (is_step || !openbao_ahead_) openbao_ahead_ = is_step ? ahead : before;
    const std::chrono::seconds apart = own_ahead_() - *openbao_ahead_;
    clocks_.note(std::chrono::abs(apart) <= kClockStep
                     ? ""
                     : "this host's clock is " + std::to_string(std::abs(apart.count())) + " s " +
                           (apart.count() > 0 ? "ahead" : "behind") +
                           "; check the time synchronization of this host and of OpenBao's "
                           "servers");
    if (!is_step) return;
    for (auto& [key, known] : known_) {
        known.read_at = {};
        known.is_stale = true;
    }
    store_.set_wall_ahead(services_.context.wall_ahead);
    services_.expiry.look_again();
    services_.context.events->expiry_changed();
}

/// Tells whether some content of a document has expired by this host's clock, too: a single clock
/// that is wrong destroys nothing that hubs share.
bool Replica::is_over_here(const DocumentState& known) const {
    if (!own_ahead_) return true;
    return openbao_ahead_ && known.expires <= services_.context.now() + own_ahead_();
}

/// Returns when the first of the local copy expires, on the wall clock.
vault::Time Replica::expiry_here(const Key& key) const {
    vault::Time first = vault::Time::max();
    if (const RunId* run = std::get_if<RunId>(&key)) {
        const vault::RunHead* head = vault_.find_run(*run);
        return head != nullptr ? services_.context.wall_of(head->expires) : first;
    }
    for (const store::SecretHead* head : store_.list(std::get<store::Owner>(key))) {
        first = std::min(first, head->expires.value_or(first));
    }
    return first;
}

}  // namespace secrets::openbao
