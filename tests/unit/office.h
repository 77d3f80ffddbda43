// SPDX-License-Identifier: Apache-2.0
#pragma once
// The services, for tests to make requests to. The accounts are those of fake_users.h: root, alice
// and bob, and www-data, the account of a platform that may act for alice.

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "agentd/service/services.h"
#include "common/base/unique_fd.h"
#include "tests/unit/catch.h"
#include "tests/unit/fake_users.h"
#include "tests/unit/secrets_of.h"

namespace secrets::service {

inline const Uid kRoot{0};

/// Limits the log to errors, once for the process. Tests that open an audit file call this function
/// before that.
inline void keep_the_log_quiet() {
    static const bool done = [] {
        Config log;
        log.log_level = "error";
        return audit::open(log).ok();
    }();
    (void)done;
}

/// Events as functions, for tests that watch them.
struct WatchedEvents final : Events {
    void run_pushed(const RunId& run) override { on_push(run); }
    void held_changed() override { on_change(); }
    void expiry_changed() override { on_expiry_change(); }

    std::function<void(const RunId&)> on_push = [](const RunId&) {};
    std::function<void()> on_change = [] {};
    std::function<void()> on_expiry_change = [] {};
};

/// Services with small limits, whose clock the test turns.
struct Office {
    static Config small() {
        Config config = large();
        config.limits.runs_per_owner = 2;
        config.limits.run_bytes = 100;
        config.limits.value_bytes = 60;
        config.max_ttl = std::chrono::hours(48);
        return config;
    }
    /// The limits of a configuration that sets none.
    static Config large() {
        Config config;
        config.platforms = {{"tower", "www-data", {"alice"}, {}}};
        return config;
    }

    explicit Office(const Config& config = small(), std::size_t vault_bytes = 64UL * 1024 * 1024,
                    store::SecretStore* store = nullptr)
        : vault(best_memory_kind(), vault_bytes),
          services(
              config, vault, [this] { return time; }, store) {
        services.context.events = &events;
        vault.begin_memory();
        keep_the_log_quiet();
    }

    StatusOr<PushResult> push(Uid caller, std::string_view run, std::optional<std::string> owner,
                              std::vector<vault::NewSecret> secrets,
                              std::optional<std::string> ttl = std::nullopt) {
        return services.runs.push_run(caller, run_id(run),
                                      {std::move(owner), std::move(ttl), std::move(secrets)});
    }
    /// Requests a grant for a step, which receives it.
    GrantAnswer ask(Uid uid, std::string text, std::uint32_t wait = 0, JobId job = JobId{1}) {
        const plugin_protocol::GrantRequest request{job, StepId{0}, uid, wait, std::move(text)};
        GrantAnswer answer = services.grants.grant_step(request);
        if (const auto* granted = std::get_if<Granted>(&answer)) {
            services.grants.record_handed_over(request, *granted);
        }
        return answer;
    }
    RunInfo info(std::string_view run) {
        return services.runs.read_run(kRoot, run_id(run)).value();
    }

    /// Returns the vault's whole content as text, for tests that nothing has changed.
    std::string state() const {
        std::string text;
        for (const vault::RunHead* head : vault.runs()) {
            text += head->id.text() + " of " + std::to_string(head->owner.value) + " generation " +
                    std::to_string(head->generation) + " created " + seconds(head->created) +
                    " expires " + seconds(head->expires) + "\n";
            for (const vault::RunSecret& secret : vault.secrets_of(head->id)) {
                text += std::string(vault::scope_word(secret.scope)) + " " +
                        std::string(secret.name) + "=" +
                        std::string(text_of(secret.value.bytes())) + "\n";
            }
        }
        for (const vault::Hold* hold : vault.holds()) {
            text += "job " + std::to_string(hold->job.value) + " since " + seconds(hold->since);
            for (const vault::Grant& grant : hold->grants) {
                text += " [" + grant.ask + "|" + grant.run + "|" +
                        std::to_string(grant.generation) + "]";
            }
            text += "\n";
        }
        return text + std::to_string(vault.inventory().slab_bytes);
    }

    vault::Vault vault;
    vault::Time time = at(1'000'000);
    WatchedEvents events;
    Services services;
    const Uid alice = auth::uid_of("alice");
    const Uid bob = auth::uid_of("bob");
    const Uid tower = auth::uid_of("www-data");

  private:
    static std::string seconds(vault::Time time) {
        return std::to_string(time.time_since_epoch().count());
    }
};

inline Status status_of(const NodeGrantAnswer& answer) {
    if (const auto* denied = std::get_if<GrantDenied>(&answer)) return denied->why;
    const auto* denial = std::get_if<Status>(&answer);
    return denial != nullptr ? *denial : Status();
}
template <typename... Answers>
Status status_of(const std::variant<Answers...>& answer) {
    const auto* denial = std::get_if<Status>(&answer);
    return denial != nullptr ? *denial : Status();
}
template <typename T>
Status status_of(const StatusOr<T>& answer) {
    return answer.status();
}
inline Status status_of(const Status& answer) {
    return answer;
}

template <typename Answer>
std::string refusal_of(const Answer& answer) {
    const Status status = status_of(answer);
    return status.ok() ? "(granted)" : status.message();
}

/// Returns a delivery as NAME=value lines, files as NAME=file SECRET value.
inline std::string text_of_delivery(std::span<const std::byte> image) {
    std::string text;
    const auto entries = read_delivery(image);
    REQUIRE(entries.ok());
    for (const DeliveryEntry& entry : *entries) {
        std::string file;
        if (!entry.secret.empty()) {
            file = (entry.is_held ? "held " : "file ") + std::string(entry.secret) + " ";
        }
        text += std::string(entry.variable) + "=" + file +
                std::string(text_of(entry.value.bytes())) + "\n";
    }
    return text;
}
inline std::string text_of_delivery(const UniqueFd& region) {
    const auto view = RegionView::map(region.get());
    REQUIRE(view.ok());
    return text_of_delivery(view->bytes());
}

/// Returns the secrets given to a step as text_of_delivery() has them, or the denial.
inline std::string given(const GrantAnswer& answer) {
    const auto* granted = std::get_if<Granted>(&answer);
    return granted != nullptr ? text_of_delivery(granted->delivery.fd) : refusal_of(answer);
}

}  // namespace secrets::service
