// SPDX-License-Identifier: Apache-2.0
#pragma once
// A hub's replica of what hubs share, at an OpenBao that a test controls.

#include "agentd/openbao/document_codec.h"
#include "agentd/openbao/replica.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/fake_openbao.h"
#include "tests/unit/office.h"

namespace secrets::openbao {

/// A hub with its replica, in a loop that the test turns.
struct HubReplica : EventLoop {
    explicit HubReplica(Clock::duration request_time = std::chrono::seconds(10))
        : patience(request_time) {
        REQUIRE(context.ok());
        bao.clock = [this] { return office.time + openbao_ahead; };
        office.services.context.wall_ahead = [this] { return own_ahead; };
        replica.follow_clock();
    }
    ~HubReplica() {
        bao.hold_answers_to("");
        replica.stop();
        kv.stop_renewing();
        supervisor.stop();
        kv.stop();
        bao.stop();
        turn(std::chrono::milliseconds(50));
        pass(std::chrono::seconds(10));
        turn(std::chrono::milliseconds(20));
    }
    HubReplica(const HubReplica&) = delete;
    HubReplica& operator=(const HubReplica&) = delete;

    static service::DocumentKeys about(std::string_view run) {
        service::DocumentKeys keys;
        keys.runs.insert(run_id(run));
        return keys;
    }
    static service::DocumentKeys about(const store::Owner& owner) {
        service::DocumentKeys keys;
        keys.owners.insert(owner);
        return keys;
    }

    asio::awaitable<Status> refreshing(service::DocumentKeys keys, Clock::duration age = {}) {
        return replica.refresh(std::move(keys), Clock::now() + patience, age);
    }
    Status refresh(service::DocumentKeys keys, Clock::duration age = {}) {
        return result_of(refreshing(std::move(keys), age));
    }
    asio::awaitable<Status> changing(service::DocumentKeys keys, std::function<void()> change) {
        return replica.change(std::move(keys), std::move(change), Clock::now() + patience);
    }
    /// Pushes a run of alice with the secret A to this hub.
    asio::awaitable<Status> pushing(std::string run, std::string value) {
        return changing(about(run), [this, run, value] {
            ++pushes;
            (void)office.push(office.alice, run, {}, list_of(user_secret("A", value)));
        });
    }
    Status push(std::string run, std::string value) {
        return result_of(pushing(std::move(run), std::move(value)));
    }
    /// Completes a run of alice at this hub.
    Status complete(const std::string& run) {
        return result_of(changing(about(run), [this, run] {
            (void)office.services.runs.complete_run(office.alice, run_id(run));
        }));
    }

    /// Writes the document of a run of alice to OpenBao, as another hub does.
    void push_elsewhere(const std::string& run, const std::string& value,
                        std::uint64_t generation = 1) {
        const vault::RunHead head{run_id(run), office.alice, generation, office.time,
                                  office.time + std::chrono::hours(1)};
        const SecretBuffer bytes = buffer_of(value);
        const vault::RunSecret secret{vault::Scope::user, "A", bytes.view()};
        bao.put("runs/" + run, serialize(write_run(head, {&secret, 1})));
    }
    /// Writes the stored secrets of an owner to OpenBao likewise, each with its name as value.
    void store_elsewhere(const store::Owner& owner, const std::vector<std::string>& names,
                         std::optional<vault::Time> expires = {}) {
        std::vector<service::ReplicatedSecret> secrets;
        for (const std::string& name : names) {
            secrets.push_back({{name, 1, office.time, expires}, buffer_of(name)});
        }
        bao.put(path_of(owner), serialize(write_secrets(secrets)));
    }

    /// Returns the value of A that a step is granted of a run, or the denial.
    std::string granted(const std::string& run) {
        return service::given(office.ask(office.alice, "run:" + run));
    }
    bool has_run(const std::string& run) const {
        return office.vault.find_run(run_id(run)) != nullptr;
    }
    std::size_t reads_of(const std::string& path) const {
        return bao.count_of("GET /v1/secret/data/slurm-secrets/" + path);
    }

    Clock::duration patience;               ///< of each request
    std::chrono::seconds own_ahead{0};      ///< of this host's clock against the agent's
    std::chrono::seconds openbao_ahead{0};  ///< of OpenBao's clock likewise
    int pushes = 0;                         ///< how often a change of push() was made
    FakeOpenBao bao{io};
    Supervisor supervisor{io, [](const auto&, const auto&, auto) {}};
    std::unique_ptr<store::SecretStore> store =
        store::SecretStore::in_memory("OpenBao", best_memory_kind()).value();
    service::Office office{service::Office::large(), 64UL * 1024 * 1024, store.get()};
    StatusOr<std::unique_ptr<asio::ssl::context>> context =
        net::make_client_context(bao.config().ca, "ca");
    KvClient kv{io, supervisor, bao.config(), std::move(context).value()};
    Replica replica{io, kv, office.vault, *store, office.services};
};

}  // namespace secrets::openbao
