// SPDX-License-Identifier: Apache-2.0
// Promise: what slurmctld said about the accounts that the configuration names is known, and what
// it never said is not; nobody is out of an account before slurmctld has said so for ten minutes;
// whatever the view does, that is written down once.

#include "agentd/slurm/account_watcher.h"

#include <algorithm>
#include <mutex>

#include "agentd/audit/audit_log.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/view_server.h"

namespace secrets::slurm {
namespace {

using slurm_query::Refused;
using slurm_query::Reply;
using slurm_query::Users;
using std::chrono::milliseconds;

/// A view whose answers the test chooses.
class View {
  public:
    void answer(const std::string& account, Reply reply) {
        const std::lock_guard lock(mutex_);
        answers_.insert_or_assign(account, std::move(reply));
    }
    std::vector<std::string> questions() {
        const std::lock_guard lock(mutex_);
        return std::exchange(asked_, {});
    }
    std::string path() const { return server_.path(); }

  private:
    Reply reply_to(const slurm_query::Request& request) {
        const std::lock_guard lock(mutex_);
        const std::string account = std::get<slurm_query::AccountRequest>(request).account;
        asked_.push_back(account);
        return answers_.at(account);
    }

    std::mutex mutex_;
    std::map<std::string, Reply> answers_;
    std::vector<std::string> asked_;
    ViewServer server_{[this](const slurm_query::Request& request) { return reply_to(request); }};
};

/// A watch that asks every second about these accounts.
struct Watched {
    explicit Watched(const View& view, std::vector<std::string> accounts)
        : view_socket(view.path()) {
        service::keep_the_log_quiet();
        watch.emplace(
            loop, supervisor, config(std::move(accounts)),
            [this](auth::SlurmAccountMembers told) {
                known = std::move(told);
                ++given;
            },
            [this] { return AccountWatcher::Clock::now() + passed; });
    }
    ~Watched() {
        supervisor.stop();
        watch->stop();
        loop.restart();
        loop.run_for(milliseconds(100));
    }

    Config config(std::vector<std::string> accounts) const {
        Config config;
        config.view_socket = view_socket;
        config.slurm_accounts_interval = std::chrono::seconds(1);
        config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {}, std::move(accounts)}}};
        return config;
    }
    /// Lets so many queries be answered from now on.
    void answers(View& view, std::size_t count) {
        view.questions();
        std::size_t asked = 0;
        REQUIRE(turns_until([&] { return (asked += view.questions().size()) >= count; }));
        loop.restart();
        loop.run_for(milliseconds(50));
    }
    template <typename Condition>
    bool turns_until(Condition condition) {
        for (int i = 0; i < 500; ++i) {
            if (condition()) return true;
            loop.restart();
            loop.run_for(milliseconds(10));
        }
        return false;
    }

    std::string view_socket;
    boost::asio::io_context loop;
    Supervisor supervisor{loop, [](const auto&, const auto&, auto) {}};
    auth::SlurmAccountMembers known;
    int given = 0;
    AccountWatcher::Clock::duration passed{};  ///< added to the watcher's clock
    std::optional<AccountWatcher> watch;
};

std::uint64_t troubles() {
    return audit::count_of(audit::Kind::trouble);
}
std::uint64_t mendings() {
    return audit::count_of(audit::Kind::mended);
}

TEST_CASE("AccountWatcher: knows the members of an account only after the first answer",
          "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice", "bob"}});
    Watched here(view, {"chem"});
    CHECK_FALSE(here.known.knows("chem"));
    CHECK_FALSE(here.known.has("chem", "alice").has_value());
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(900));
    CHECK(here.known.has("chem", "alice") == std::optional(true));
    CHECK(here.known.has("chem", "carol") == std::optional(false));
    CHECK_FALSE(here.known.has("bio", "alice").has_value());
}

TEST_CASE("AccountWatcher: picks up joined members at the next interval, departed ones later",
          "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice"}});
    Watched here(view, {"chem"});
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    const int given = here.given;
    view.questions();
    REQUIRE(here.turns_until([&] { return view.questions().size() == 1; }));
    CHECK(here.given == given);  // nothing has changed
    view.answer("chem", Users{true, false, {"bob"}});
    REQUIRE(here.turns_until([&] { return here.known.has("chem", "bob") == true; }));
    CHECK(here.known.has("chem", "alice") == std::optional(true));
    here.answers(view, 3);
    CHECK(here.known.has("chem", "alice") == std::optional(true));  // for some seconds only
    here.passed = std::chrono::minutes(10);
    REQUIRE(here.turns_until([&] { return here.known.has("chem", "alice") == false; }));
    CHECK(here.known.has("chem", "bob") == std::optional(true));
}

TEST_CASE("AccountWatcher: counts a departure anew when the member is listed again",
          "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice", "bob"}});
    Watched here(view, {"chem"});
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    view.answer("chem", Users{true, false, {"bob"}});
    here.answers(view, 2);
    view.answer("chem", Users{true, false, {"alice", "bob"}});
    here.answers(view, 1);
    view.answer("chem", Users{true, false, {"bob"}});
    here.passed = std::chrono::minutes(11);
    here.answers(view, 3);
    CHECK(here.known.has("chem", "alice") == std::optional(true));
}

TEST_CASE("AccountWatcher: believes in a lost account after several answers in ten minutes",
          "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice"}});
    Watched here(view, {"chem"});
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    const std::uint64_t troubled = troubles();
    view.answer("chem", Users{});
    here.answers(view, 1);
    here.passed = std::chrono::minutes(11);
    here.answers(view, 1);  // long enough, but two answers
    CHECK(here.known.has("chem", "alice") == std::optional(true));
    CHECK_FALSE(here.known.is_missing("chem"));
    CHECK(troubles() == troubled);
    REQUIRE(here.turns_until([&] { return here.known.is_missing("chem"); }));
    CHECK(here.known.has("chem", "alice") == std::optional(false));
    CHECK(troubles() == troubled + 1);
}

TEST_CASE("AccountWatcher: is certain of who is no member only after ten minutes of answers",
          "[account_watch]") {
    using auth::Certainty;
    View view;
    view.answer("chem", Users{true, false, {"alice"}});
    Watched here(view, {"chem"});
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    CHECK(here.known.has("chem", "bob", Certainty::current) == std::optional(false));
    CHECK_FALSE(here.known.has("chem", "bob", Certainty::established).has_value());
    here.answers(view, 3);
    CHECK_FALSE(here.known.has("chem", "bob", Certainty::established).has_value());
    here.passed = std::chrono::minutes(10);
    REQUIRE(here.turns_until(
        [&] { return here.known.has("chem", "bob", Certainty::established).has_value(); }));
    CHECK(here.known.has("chem", "bob", Certainty::established) == std::optional(false));
}

TEST_CASE("AccountWatcher: keeps the last known members while queries fail and logs that once",
          "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice"}});
    view.answer("bio", Users{true, false, {"bob"}});
    Watched here(view, {"chem", "bio"});
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    const auto [troubled, mended] = std::pair(troubles(), mendings());
    view.answer("bio", Refused{"slurmctld sleeps"});
    view.answer("chem", Users{true, false, {"carol"}});
    // The trouble with one account keeps nobody from the other.
    REQUIRE(here.turns_until([&] { return here.known.has("chem", "carol") == true; }));
    view.answer("bio", Refused{"slurmctld sleeps for 2 s"});
    REQUIRE(here.turns_until([&] { return here.known.trouble() == "slurmctld sleeps for 2 s"; }));
    CHECK(here.known.has("bio", "bob") == std::optional(true));
    CHECK(troubles() == troubled + 1);
    CHECK(mendings() == mended);
    view.answer("bio", Users{true, false, {"carol"}});
    REQUIRE(here.turns_until([&] { return here.known.has("bio", "carol") == true; }));
    REQUIRE(here.turns_until([&] { return mendings() == mended + 1; }));
    CHECK(troubles() == troubled + 1);
}

TEST_CASE("AccountWatcher: treats an account unknown to slurmctld as empty and logs that once",
          "[account_watch]") {
    View view;
    view.answer("physics", Users{});
    const auto [troubled, mended] = std::pair(troubles(), mendings());
    Watched here(view, {"physics"});
    REQUIRE(here.turns_until([&] { return here.known.knows("physics"); }));
    CHECK(here.known.has("physics", "alice") == std::optional(false));
    view.questions();
    REQUIRE(here.turns_until([&] { return view.questions().size() == 1; }));
    CHECK(troubles() == troubled + 1);
    view.answer("physics", Users{true, false, {"alice"}});
    REQUIRE(here.turns_until([&] { return here.known.has("physics", "alice") == true; }));
    CHECK(mendings() == mended + 1);
}

TEST_CASE("AccountWatcher: queries newly configured accounts at once and forgets removed ones",
          "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice"}});
    view.answer("bio", Users{true, false, {"bob"}});
    Watched here(view, {"chem"});
    REQUIRE(here.turns_until([&] { return here.known.knows("chem"); }));
    Config config = here.config({"bio"});
    config.slurm_accounts_interval = std::chrono::hours(1);
    here.watch->configure(config);
    CHECK_FALSE(here.known.knows("chem"));
    REQUIRE(here.turns_until([&] { return here.known.knows("bio"); }));
    view.questions();
    here.watch->configure(here.config({}));
    CHECK_FALSE(here.known.knows("bio"));
    here.loop.restart();
    here.loop.run_for(milliseconds(1200));
    CHECK(view.questions().empty());
    here.watch->configure(here.config({"chem"}));
    CHECK(here.turns_until([&] { return here.known.knows("chem"); }));
}

TEST_CASE("AccountWatcher: retries before the interval while an account was never known",
          "[account_watch]") {
    View view;
    view.answer("chem", Refused{"slurmctld sleeps"});
    Watched here(view, {"chem"});
    Config config = here.config({"chem"});
    config.slurm_accounts_interval = std::chrono::hours(1);
    here.watch->configure(config);
    REQUIRE(here.turns_until([&] { return !view.questions().empty(); }));
    view.answer("chem", Users{true, false, {"alice"}});
    CHECK(here.turns_until([&] { return here.known.knows("chem"); }));
}

TEST_CASE("AccountWatcher: clears an outage and logs no recovery when no account is configured",
          "[account_watch]") {
    View view;
    view.answer("chem", Refused{"slurmctld sleeps"});
    Watched here(view, {"chem"});
    REQUIRE(here.turns_until([&] { return here.known.trouble() == "slurmctld sleeps"; }));
    const std::uint64_t mended = mendings();
    here.watch->configure(here.config({}));
    CHECK(here.known.trouble().empty());
    here.loop.restart();
    here.loop.run_for(milliseconds(100));
    CHECK(mendings() == mended);
}

TEST_CASE("AccountWatcher: continues after a round that throws bad_alloc", "[account_watch]") {
    View view;
    view.answer("chem", Users{true, false, {"alice"}});
    service::keep_the_log_quiet();
    boost::asio::io_context loop;
    Supervisor supervisor(loop, [](const auto&, const auto&, auto) {}, {milliseconds(1)});
    Config config;
    config.view_socket = view.path();
    config.slurm_accounts_interval = std::chrono::seconds(1);
    config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {}, {"chem"}}}};
    auth::SlurmAccountMembers known;
    bool failed = false;
    AccountWatcher watch(loop, supervisor, config, [&](auth::SlurmAccountMembers told) {
        if (told.has("chem", "alice") == true && !std::exchange(failed, true))
            throw std::bad_alloc();
        known = std::move(told);
    });
    for (int i = 0; i < 50 && !failed; ++i) loop.run_for(milliseconds(10));
    REQUIRE(failed);
    view.answer("chem", Users{true, false, {"bob"}});
    for (int i = 0; i < 300 && known.has("chem", "bob") != true; ++i)
        loop.run_for(milliseconds(10));
    CHECK(known.has("chem", "bob") == std::optional(true));
    supervisor.stop();
    watch.stop();
    loop.run_for(milliseconds(100));
}

TEST_CASE("AccountWatcher: stops while a query is unanswered", "[account_watch]") {
    const TemporaryFolder folder;
    const auto listener = listen_at(folder.file("view.sock"), SocketKind::seqpacket, 0600);
    REQUIRE(listener.ok());
    boost::asio::io_context loop;
    Supervisor supervisor(loop, [](const auto&, const auto&, auto) {});
    Config config;
    config.view_socket = folder.file("view.sock");
    config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {}, {"chem"}}}};
    AccountWatcher watch(loop, supervisor, config, [](const auth::SlurmAccountMembers&) {});
    loop.run_for(milliseconds(50));
    CHECK_FALSE(loop.stopped());
    supervisor.stop();
    watch.stop();
    loop.restart();
    loop.run_for(std::chrono::seconds(5));
    CHECK(loop.stopped());
}

}  // namespace
}  // namespace secrets::slurm
