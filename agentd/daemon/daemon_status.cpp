// SPDX-License-Identifier: Apache-2.0
// The facts about the daemon itself that its status shows.

#include "agentd/base/scope_exit.h"
#include "agentd/config/named_accounts.h"
#include "agentd/daemon/daemon.h"

namespace secrets {
namespace {

/// A result of check_surroundings() is used again for so long: every user may ask for one.
constexpr auto kCheckPause = std::chrono::seconds(1);

/// Limit for OpenBao's answer: a person waits.
constexpr auto kOpenBaoPatience = std::chrono::seconds(2);

/// The path of a run that nobody has pushed; any answer will do.
constexpr const char* kNoDocument = "runs/check";

}  // namespace

service::ConfigFileStatus Daemon::describe_config() {
    service::ConfigFileStatus status{config_file_.path()};
    switch (config_file_.look()) {
        case ConfigFile::State::broken:
            status.state = "broken";
            status.trouble = config_file_.trouble();
            break;
        case ConfigFile::State::changed:
            status.state = refused_reload_.empty() ? "changed" : "broken";
            status.trouble = refused_reload_;
            break;
        case ConfigFile::State::current:
            if (!needs_restart_.empty()) status.state = "restart";
            status.trouble = needs_restart_;
            break;
    }
    const NamedAccounts named = named_accounts_in(config_);
    status.users.assign(named.users.begin(), named.users.end());
    status.groups.assign(named.groups.begin(), named.groups.end());
    return status;
}

std::optional<service::OpenBaoStatus> Daemon::describe_openbao() const {
    if (!openbao_) return std::nullopt;
    service::OpenBaoStatus status{{}, openbao_->trouble()};
    for (const HttpsUrl& url : config_.openbao.urls) status.servers.push_back(url.text);
    return status;
}

/// Asks the hubs, munged and OpenBao, so that the status has their state of this moment.
asio::awaitable<void> Daemon::check_surroundings() {
    if (is_checking_) {
        ErrorCode ended;
        co_await check_ended_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
        co_return;
    }
    if (std::chrono::steady_clock::now() < next_check_) co_return;
    is_checking_ = true;
    check_ended_.expires_after(asio::steady_timer::duration::max());
    const ScopeExit over([this] {
        is_checking_ = false;
        check_ended_.cancel();
        next_check_ = std::chrono::steady_clock::now() + kCheckPause;
    });
    co_await membership_.check();
    if (!openbao_) co_return;
    const auto deadline = openbao::Clock::now() + kOpenBaoPatience;
    static_cast<void>(co_await openbao_->read(kNoDocument, deadline));
}

}  // namespace secrets
