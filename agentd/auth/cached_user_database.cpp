// SPDX-License-Identifier: Apache-2.0
#include "agentd/auth/cached_user_database.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "agentd/auth/lookup_attempts.h"
#include "agentd/base/scope_exit.h"

namespace secrets::auth {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// How old an answer is when the lookup is repeated, if a request uses the answer, ...
constexpr auto kFound = seconds(60);
constexpr auto kMissing = seconds(15);  ///< found before, and not found now
constexpr auto kNone = seconds(5);      ///< never found
constexpr auto kFailed = seconds(1);
// ... and if none does.
constexpr auto kFoundAndUnused = minutes(10);
constexpr auto kTroubled = seconds(15);  ///< missing or failed

/// The time after which a lookup that was not answered counts as lost.
constexpr auto kLost = minutes(5);

constexpr auto kInterval = seconds(5);

/// The most lookups that one turn of the background task starts.
constexpr std::size_t kMostRefreshes = 64;

/// Names of users and groups are shorter everywhere.
constexpr std::size_t kLongestName = 256;

bool can_be_name(const std::string& text) {
    return !text.empty() && text.size() <= kLongestName && text.find('\0') == text.npos;
}

std::string trouble_of(const Lookup& lookup, const std::string& why) {
    return "cannot look up " + lookup.words() + ": " + why +
           "; check the services that /etc/nsswitch.conf names";
}

}  // namespace

CachedUserDatabase::CachedUserDatabase(Workers workers, std::function<Time()> now)
    : workers_(std::move(workers)), now_(std::move(now)) {}

StatusOr<std::optional<Uid>> CachedUserDatabase::find_uid(const std::string& text,
                                                          Certainty certainty) {
    if (!can_be_name(text)) return std::optional<Uid>();
    const auto user = answer({Lookup::Kind::user_by_name, text, {}}, certainty, kPatience);
    if (!user) return user.status();
    return *user ? std::optional((*user)->uid) : std::nullopt;
}

StatusOr<std::optional<std::string>> CachedUserDatabase::find_name(Uid uid, Certainty certainty) {
    const auto user = answer({Lookup::Kind::user_by_uid, "", uid}, certainty, kPatience);
    if (!user) return user.status();
    return *user ? std::optional((*user)->name) : std::nullopt;
}

StatusOr<bool> CachedUserDatabase::is_group_member(Uid uid, const std::string& group,
                                                   Certainty certainty) {
    if (!can_be_name(group)) return false;
    const auto member = answer({Lookup::Kind::membership, group, uid}, certainty, kPatience);
    if (!member) return member.status();
    return member->has_value();
}

void CachedUserDatabase::prefetch(const std::string& user) {
    if (!can_be_name(user)) return;
    const Lookup lookup{Lookup::Kind::user_by_name, user, {}};
    const Time now = now_();
    Entry& entry = use(lookup, now);
    if (is_due(entry, now, false)) look_up(lookup, entry, false);
}

Status CachedUserDatabase::await_name(Uid uid) {
    const auto user =
        answer({Lookup::Kind::user_by_uid, "", uid}, Certainty::current, kPatienceForName);
    return is_pending(user) ? user.status() : Status();
}

StatusOr<std::optional<FoundUser>> CachedUserDatabase::answer(const Lookup& lookup,
                                                              Certainty certainty,
                                                              Clock::duration patience) {
    const Time now = now_();
    Entry& entry = use(lookup, now);
    const bool is_urgent = !entry.found;
    if (is_due(entry, now, false)) {
        look_up(lookup, entry, is_urgent);
    } else if (entry.asked_at && is_urgent && !entry.is_urgent) {
        entry.is_urgent = true;
        workers_.hurry(lookup);
    }
    if (entry.found) return entry.found;
    const bool is_certain = certainty == Certainty::current || is_established(entry) ||
                            (certainty == Certainty::plausible && entry.only_not_member);
    if (certainty == Certainty::established && is_certain) return entry.found;
    if (entry.asked_at) {
        if (entry.missing_since) patience = std::min<Clock::duration>(patience, kPatienceAfterNone);
        const Time until = *entry.asked_at + patience;
        if (now < until) return pending(lookup, until);
    }
    const std::string what = "cannot look up " + lookup.words() + ": ";
    if (!entry.failure.ok()) {
        return Status::unavailable(what + entry.failure.message() + "; try again in a moment");
    }
    if (!entry.missing_since) {
        return Status::unavailable(
            what + (entry.asked_at ? "the name service has not answered yet; try again in a moment"
                                   : "too many lookups are in progress; try again in a moment"));
    }
    if (!is_certain) {
        return Status::unavailable(
            what +
            "the name service does not find it; this is certain only after it has answered so for "
            "10 minutes");
    }
    return std::optional<FoundUser>();
}

Status CachedUserDatabase::pending(const Lookup& lookup, Time until) {
    std::string sentence = "cannot look up " + lookup.words() +
                           ": the name service has not answered yet; try again in a moment";
    if (LastAttempt::is_active()) return Status::unavailable(std::move(sentence));
    const auto same = std::find_if(misses_.begin(), misses_.end(),
                                   [&](const Miss& miss) { return miss.lookup == lookup; });
    if (same == misses_.end()) {
        misses_.push_back({lookup, until});
    } else {
        same->until = until;
    }
    return {StatusCode::pending, std::move(sentence)};
}

boost::asio::awaitable<void> CachedUserDatabase::lookup_answered(Time until) {
    const auto answered = std::make_shared<net::AsyncCondition>();
    for (const Miss& miss : std::exchange(misses_, {})) {
        const auto entry = entries_.find(miss.lookup);
        if (entry == entries_.end() || !entry->second.asked_at) co_return;
        auto& waiting = entry->second.waiting;
        std::erase_if(waiting, [](const auto& other) { return other.expired(); });
        waiting.push_back(answered);
        until = std::min(until, miss.until);
    }
    co_await answered->wait(until);
}

/// Returns the entry of the lookup, a new one if there is none.
CachedUserDatabase::Entry& CachedUserDatabase::use(const Lookup& lookup, Time now) {
    const auto [position, is_new] = entries_.try_emplace(lookup);
    Entry& entry = position->second;
    entry.used_at = now;
    if (is_new) {
        entry.place = unknown_.insert(unknown_.end(), lookup);
        make_room(unknown_);
    } else {
        auto& order = entry.found ? known_ : unknown_;
        order.splice(order.end(), order, entry.place);
    }
    return entry;
}

/// Forgets the entry that was used least recently if there are too many. One that is being looked
/// up stays.
void CachedUserDatabase::make_room(std::list<Lookup>& order) {
    if (order.size() <= kMostEntries) return;
    const auto oldest = entries_.find(order.front());
    if (oldest->second.asked_at) return;
    entries_.erase(oldest);
    order.pop_front();
}

void CachedUserDatabase::look_up(const Lookup& lookup, Entry& entry, bool urgent) {
    if (!workers_.start(lookup, urgent)) return;
    if (!entry.asked_at) ++stats_.waiting;
    entry.asked_at = now_();
    entry.is_urgent = urgent;
}

bool CachedUserDatabase::is_due(const Entry& entry, Time now, bool in_background) {
    if (entry.asked_at) return now - *entry.asked_at >= kLost;
    const auto age = now - entry.answered_at;
    if (!entry.failure.ok()) return age >= (in_background ? Clock::duration(kTroubled) : kFailed);
    if (entry.found && entry.missing_since) return age >= kMissing;
    if (entry.found) return age >= (in_background ? Clock::duration(kFoundAndUnused) : kFound);
    if (entry.missing_since) return age >= kNone && !in_background;
    return true;  // never answered
}

bool CachedUserDatabase::is_overdue(const Entry& entry, Time now) {
    return entry.asked_at && now - *entry.asked_at >= kPatience;
}

/// Returns whether "none" was the answer for so long that it is certain.
bool CachedUserDatabase::is_established(const Entry& entry) {
    return entry.missing_since && entry.absences >= kLeastAbsences &&
           entry.answered_at - *entry.missing_since >= kAbsence;
}

void CachedUserDatabase::take(const Lookup& lookup, const LookupAnswer& answer) {
    const auto position = entries_.find(lookup);
    if (position == entries_.end()) return;
    Entry& entry = position->second;
    if (!entry.asked_at) return;  // a late answer to a lookup that counted as lost
    const Time now = now_();
    --stats_.waiting;
    ++(answer.ok() ? stats_.answered : stats_.failed);
    if (is_overdue(entry, now)) ++stats_.slow;
    entry.asked_at.reset();
    entry.answered_at = now;
    entry.failure = answer.status();
    const bool was_found = entry.found.has_value();
    entry.only_not_member = answer.ok() && answer->only_not_member;
    if (!answer.ok() || answer->user) {
        entry.missing_since.reset();
        entry.absences = 0;
    } else {
        if (!entry.missing_since) entry.missing_since = now;
        ++entry.absences;
    }
    if (!answer.ok()) {
        set_trouble(trouble_of(lookup, answer.status().message()));
    } else if (answer->user) {
        entry.found = answer->user;
    } else if (is_established(entry)) {
        entry.found.reset();
    }
    if (was_found != entry.found.has_value()) {
        auto& from = was_found ? known_ : unknown_;
        auto& to = was_found ? unknown_ : known_;
        to.splice(to.end(), from, entry.place);
        make_room(to);
    }
    for (const auto& waiting : std::exchange(entry.waiting, {})) {
        if (const auto condition = waiting.lock()) condition->wake();
    }
}

void CachedUserDatabase::refresh() {
    const Time now = now_();
    std::size_t started = 0;
    std::string trouble;
    stats_.missing = 0;
    for (auto position = entries_.begin(); position != entries_.end();) {
        const Lookup& lookup = position->first;
        Entry& entry = position->second;
        const auto unused = entry.found ? Clock::duration(kUnused) : kUnusedWithoutAnswer;
        if (!entry.asked_at && now - entry.used_at >= unused) {
            (entry.found ? known_ : unknown_).erase(entry.place);
            position = entries_.erase(position);
            continue;
        }
        if (entry.found && entry.missing_since) ++stats_.missing;
        if (!entry.failure.ok() || is_overdue(entry, now)) {
            trouble = trouble_of(lookup, entry.failure.ok() ? "the name service does not answer"
                                                            : entry.failure.message());
        }
        if (started < kMostRefreshes && is_due(entry, now, true)) {
            look_up(lookup, entry, false);
            ++started;
        }
        ++position;
    }
    set_trouble(std::move(trouble));
}

void CachedUserDatabase::set_trouble(std::string trouble) {
    stats_.trouble = std::move(trouble);
    outage_.note(stats_.trouble);
}

LookupStats CachedUserDatabase::stats() const {
    return stats_;
}

void CachedUserDatabase::start(Supervisor& supervisor) {
    supervisor.start("user_database", [this] { return run(); });
}

void CachedUserDatabase::stop() {
    stopped_ = true;
    stopping_.wake();
}

boost::asio::awaitable<void> CachedUserDatabase::run() {
    while (!stopped_) {
        refresh();
        co_await stopping_.wait(Clock::now() + kInterval);
    }
}

}  // namespace secrets::auth
