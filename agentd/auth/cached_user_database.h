// SPDX-License-Identifier: Apache-2.0
#pragma once
// The users and groups of this host as the name service last reported them. The event loop is
// answered from memory, and never waits for the name service.

#include <functional>
#include <list>
#include <map>
#include <vector>

#include "agentd/audit/outage_log.h"
#include "agentd/auth/name_service.h"
#include "agentd/auth/user_database.h"
#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"

namespace secrets::auth {

/// Remembers the last good answer to each lookup. An old answer is returned at once, while the
/// lookup is repeated in the background. A user or a membership that was there before and is not
/// found now counts as "none" only after kAbsence and kLeastAbsences lookups in a row, as a name
/// service that is away often answers "none". A lookup that fails changes nothing.
class CachedUserDatabase final : public UserDatabase {
  public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    static constexpr auto kAbsence = std::chrono::minutes(10);
    static constexpr unsigned kLeastAbsences = 3;
    /// The time that a request waits for a lookup, and for one whose last answer was "none".
    static constexpr auto kPatience = std::chrono::seconds(3);
    static constexpr auto kPatienceAfterNone = std::chrono::seconds(1);
    static constexpr auto kPatienceForName = std::chrono::milliseconds(250);
    /// An entry that nobody has used for so long is forgotten.
    static constexpr auto kUnused = std::chrono::hours(24);
    static constexpr auto kUnusedWithoutAnswer = std::chrono::minutes(15);
    static constexpr std::size_t kMostEntries = 16 * 1024;

    /// Passes a lookup to the threads that query the name service; their answers come to take().
    struct Workers {
        std::function<bool(const Lookup&, bool urgent)> start;
        std::function<void(const Lookup&)> hurry;
    };

    explicit CachedUserDatabase(Workers workers, std::function<Time()> now = Clock::now);

    StatusOr<std::optional<Uid>> find_uid(const std::string& text, Certainty certainty) override;
    StatusOr<std::optional<std::string>> find_name(Uid uid, Certainty certainty) override;
    StatusOr<bool> is_group_member(Uid uid, const std::string& group, Certainty certainty) override;
    void prefetch(const std::string& user) override;
    Status await_name(Uid uid) override;
    boost::asio::awaitable<void> lookup_answered(Time until) override;
    LookupStats stats() const override;

    /// Accepts the name service's answer to a lookup.
    void take(const Lookup& lookup, const LookupAnswer& answer);

    /// Starts the background task that repeats lookups without a request for them.
    void start(Supervisor& supervisor);
    void stop();
    /// Does what is due in the background; called at intervals by the task.
    void refresh();

  private:
    struct Entry {
        std::optional<FoundUser> found{};  ///< the last good answer, unless the user is gone since
        std::optional<Time> missing_since{};  ///< begin of an unbroken row of "none"
        unsigned absences = 0;                ///< length of that row
        bool only_not_member = false;         ///< as the last answer says
        Time answered_at{};                   ///< when the last answer came, or the last failure
        Status failure{};                     ///< of the last lookup, if it failed
        std::optional<Time> asked_at{};       ///< if a lookup is queued or in progress
        bool is_urgent = false;               ///< whether that lookup is
        Time used_at{};
        std::list<Lookup>::iterator place{};  ///< in known_ or unknown_
        std::vector<std::weak_ptr<net::AsyncCondition>> waiting{};
    };
    struct Miss {
        Lookup lookup;
        Time until;  ///< the time from which waiting no longer helps
    };

    StatusOr<std::optional<FoundUser>> answer(const Lookup& lookup, Certainty certainty,
                                              Clock::duration patience);
    Entry& use(const Lookup& lookup, Time now);
    void make_room(std::list<Lookup>& order);
    void look_up(const Lookup& lookup, Entry& entry, bool urgent);
    static bool is_due(const Entry& entry, Time now, bool in_background);
    static bool is_overdue(const Entry& entry, Time now);
    static bool is_established(const Entry& entry);
    Status pending(const Lookup& lookup, Time until);
    void set_trouble(std::string trouble);
    boost::asio::awaitable<void> run();

    Workers workers_;
    std::function<Time()> now_;
    std::map<Lookup, Entry> entries_;
    std::list<Lookup> known_;    ///< entries with a good answer, the least recently used first
    std::list<Lookup> unknown_;  ///< the others
    std::vector<Miss> misses_;   ///< what `pending` answers since the last wait depend on
    LookupStats stats_;
    audit::OutageLog outage_{"", "users and groups can be looked up again"};
    net::AsyncCondition stopping_;
    bool stopped_ = false;
};

}  // namespace secrets::auth
