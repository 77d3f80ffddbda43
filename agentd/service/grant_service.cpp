// The desk's answers to the asks of steps on its own host. What a hub answers its nodes is in
// asks_of_nodes.cpp, what these do with it in cached_grants.cpp.

#include "agentd/service/grant_service.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "common/base/limits.h"

namespace secrets::service {

using namespace asks;

namespace {

/// Distinct asks that one job may make on a node. Beyond it a job that invents a new ask for every
/// step would fill memory that others need.
constexpr std::size_t kMaxGrantsPerHold = 256;

std::optional<Refusal> check_sizes(const std::vector<DeliveryEntry>& entries) {
    if (const std::size_t bytes = variables_size(entries); bytes > kMaxVariablesBytes) {
        return Refusal{Reason::too_large,
                       "the secrets asked for take " + std::to_string(bytes) +
                           " bytes as variables and at most " + std::to_string(kMaxVariablesBytes) +
                           " fit; name those that the step needs with --secret, or "
                           "ask for large ones as files (NAME:file)"};
    }
    if (const std::size_t bytes = files_size(entries); bytes > kMaxFilesBytes) {
        return Refusal{Reason::too_large,
                       "the secrets asked for as files have " + std::to_string(bytes) +
                           " bytes together and at most " + std::to_string(kMaxFilesBytes) +
                           " fit; ask for those that the step needs"};
    }
    return std::nullopt;
}

}  // namespace

namespace asks {

audit::Event event_of(audit::Kind kind, const plugin_protocol::GrantRequest& request,
                      const std::string& node, const std::string& what_happened) {
    return {.kind = kind,
            .sentence = "job " + std::to_string(request.job.value) + " step " +
                        step_word(request.step) + " of uid " + std::to_string(request.uid.value) +
                        (node.empty() ? "" : " on node " + node) + " " + what_happened,
            .job = request.job,
            .step = request.step,
            .owner = audit::Account{request.uid, ""}};
}

Refusal refused(const plugin_protocol::GrantRequest& request, const std::string& node,
                const SecretSpec* ask, Refusal refusal) {
    audit::Event event = event_of(audit::Kind::deny_grant, request, node,
                                  "was refused its secrets: " + refusal.sentence);
    if (ask != nullptr && ask->run) event.run = ask->run->text();
    if (ask != nullptr) {
        for (const SpecItem& item : ask->items) event.names.push_back(item.name);
    }
    event.reason = refusal.sentence;
    audit::record(event);
    return refusal;
}

bool has_room_for(const vault::Hold* hold, const vault::Grant& grant) {
    if (hold == nullptr || hold->grants.size() < kMaxGrantsPerHold) return true;
    return std::any_of(hold->grants.begin(), hold->grants.end(), [&](const vault::Grant& other) {
        return other.ask == grant.ask && other.run == grant.run;
    });
}

Refusal too_many_asks() {
    return {Reason::too_many, "this job has made " + std::to_string(kMaxGrantsPerHold) +
                                  " different asks on this node, and no more are taken"};
}

std::variant<SecretSpec, Refusal> read_ask(const plugin_protocol::GrantRequest& request) {
    auto parsed = parse_spec(request.ask);
    if (const auto* wrong = std::get_if<SpecError>(&parsed)) {
        return Refusal{Reason::malformed, "SLURM_SECRETS at character " +
                                              std::to_string(wrong->offset + 1) + ": " +
                                              wrong->sentence};
    }
    return std::get<SecretSpec>(std::move(parsed));
}

bool may_wait(const plugin_protocol::GrantRequest& request, const SecretSpec& ask) {
    return ask.run && !ask.run_optional && request.wait_milliseconds > 0;
}

}  // namespace asks

Answer<Desk::Prepared> Desk::prepare(const plugin_protocol::GrantRequest& request,
                                     const SecretSpec& ask) {
    auto resolved = resolve_for(request.uid, ask, auth::Permission::use_run);
    if (auto* refusal = std::get_if<Refusal>(&resolved)) return std::move(*refusal);
    Prepared prepared{std::get<std::vector<ItemAnswer>>(std::move(resolved)), {}, {}, nullptr};
    if (std::string missing = failures_of(prepared.answers); !missing.empty()) {
        return Refusal{Reason::not_found, std::move(missing)};
    }
    auto opened = open_stored(prepared.answers, {store_, request.uid, "", {}, {}, now_()});
    if (!opened) return Refusal{Reason::unavailable, opened.error().sentence};
    prepared.opened = std::move(opened).value();
    prepared.entries = entries_of(prepared.answers);
    if (auto refusal = check_sizes(prepared.entries)) return std::move(*refusal);
    prepared.run = ask.run ? vault_.find_run(*ask.run) : nullptr;
    return prepared;
}

GrantAnswer Desk::ask(const plugin_protocol::GrantRequest& request) {
    expire();
    auto read = read_ask(request);
    if (auto* refusal = std::get_if<Refusal>(&read)) {
        return refused(request, "", nullptr, std::move(*refusal));
    }
    const SecretSpec& ask = std::get<SecretSpec>(read);
    if (ask.none) return Nothing{};
    if (may_wait(request, ask) && vault_.find_run(*ask.run) == nullptr) return WaitForRun{*ask.run};
    GrantAnswer answer = grant(request, ask);
    if (auto* refusal = std::get_if<Refusal>(&answer)) {
        return refused(request, "", &ask, std::move(*refusal));
    }
    return answer;
}

GrantAnswer Desk::grant(const plugin_protocol::GrantRequest& request, const SecretSpec& ask) {
    auto answer = prepare(request, ask);
    if (auto* refusal = std::get_if<Refusal>(&answer)) return std::move(*refusal);
    const Prepared& prepared = std::get<Prepared>(answer);
    if (prepared.entries.empty()) return Nothing{};
    const vault::RunHead* const run = prepared.run;
    const vault::Grant grant{request.ask, run != nullptr ? run->id.text() : "",
                             run != nullptr ? run->generation : 0};
    if (!has_room_for(vault_.find_hold(request.job), grant)) return too_many_asks();
    // Each job is told once on a node.
    std::string note =
        vault_.find_hold(request.job) == nullptr ? expiry_note(prepared.answers) : "";
    // The delivery first: it reads from the record, which the hold's may move.
    auto delivery = vault_.deliver(prepared.entries);
    if (!delivery) return Refusal{Reason::unavailable, delivery.error().sentence};
    audit::Event event = event_of(
        audit::Kind::grant, request, "",
        "was granted " + listed(prepared.answers) + (run != nullptr ? " of run " + grant.run : ""));
    event.run = grant.run;
    event.names = names_of(prepared.answers);
    if (auto wrong = audit::write_ahead(event)) {
        return Refusal{Reason::unavailable, wrong->sentence};
    }
    if (auto wrong = vault_.hold(request.job, request.uid, grant, now_())) {
        audit::revert(event, *wrong);
        return Refusal{Reason::unavailable, wrong->sentence};
    }
    audit::publish(event);
    granted_in_round_.insert(request.job);
    note_uses(prepared.answers, request.uid, request.job);
    on_change_();
    return Granted{std::move(delivery).value(), std::move(note)};
}

Refusal Desk::deny_unpushed(const plugin_protocol::GrantRequest& request, const std::string& node,
                            const RunId& run) const {
    const auto parsed = parse_spec(request.ask);
    return refused(
        request, node, std::get_if<SecretSpec>(&parsed),
        {Reason::not_found, "run " + run.text() + " was not pushed within " +
                                std::to_string(request.wait_milliseconds / 1000) + " s"});
}

Refusal Desk::deny(const plugin_protocol::GrantRequest& request, const std::string& node,
                   Refusal refusal) const {
    const auto parsed = parse_spec(request.ask);
    return refused(request, node, std::get_if<SecretSpec>(&parsed), std::move(refusal));
}

}  // namespace secrets::service
