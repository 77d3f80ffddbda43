// SPDX-License-Identifier: Apache-2.0
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

Status check_sizes(const std::vector<DeliveryEntry>& entries) {
    if (const std::size_t bytes = variables_size(entries); bytes > kMaxVariablesBytes) {
        return Status(StatusCode::too_large,
                      "the secrets asked for take " + std::to_string(bytes) +
                          " bytes as variables and at most " + std::to_string(kMaxVariablesBytes) +
                          " fit; name those that the step needs with --secret, or "
                          "ask for large ones as files (NAME:file)");
    }
    if (const std::size_t bytes = files_size(entries); bytes > kMaxFilesBytes) {
        return Status(StatusCode::too_large,
                      "the secrets asked for as files have " + std::to_string(bytes) +
                          " bytes together and at most " + std::to_string(kMaxFilesBytes) +
                          " fit; ask for those that the step needs");
    }
    return Status();
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

Status refused(const plugin_protocol::GrantRequest& request, const std::string& node,
               const SecretSpec* ask, Status refusal) {
    audit::Event event = event_of(audit::Kind::deny_grant, request, node,
                                  "was refused its secrets: " + refusal.message());
    if (ask != nullptr && ask->run) event.run = ask->run->text();
    if (ask != nullptr) {
        for (const SpecItem& item : ask->items) event.names.push_back(item.name);
    }
    event.reason = refusal.message();
    audit::record(event);
    return refusal;
}

bool has_room_for(const vault::Hold* hold, const vault::Grant& grant) {
    if (hold == nullptr || hold->grants.size() < kMaxGrantsPerHold) return true;
    return std::any_of(hold->grants.begin(), hold->grants.end(), [&](const vault::Grant& other) {
        return other.ask == grant.ask && other.run == grant.run;
    });
}

Status too_many_asks() {
    return {StatusCode::resource_exhausted,
            "this job has made " + std::to_string(kMaxGrantsPerHold) +
                " different asks on this node, and no more are taken"};
}

StatusOr<SecretSpec> read_ask(const plugin_protocol::GrantRequest& request) {
    auto parsed = parse_spec(request.ask);
    if (!parsed.ok()) return parsed.status("SLURM_SECRETS");
    return *parsed.spec();
}

bool may_wait(const plugin_protocol::GrantRequest& request, const SecretSpec& ask) {
    return ask.run && !ask.run_optional && request.wait_milliseconds > 0;
}

}  // namespace asks

StatusOr<Desk::Prepared> Desk::prepare(const plugin_protocol::GrantRequest& request,
                                       const SecretSpec& ask) {
    auto resolved = resolve_for(request.uid, ask, auth::Permission::use_run);
    if (!resolved.ok()) return resolved.status();
    Prepared prepared{std::move(resolved).value(), {}, {}, nullptr};
    if (std::string missing = failures_of(prepared.answers); !missing.empty()) {
        return Status(StatusCode::not_found, std::move(missing));
    }
    auto opened = open_stored(prepared.answers, {store_, request.uid, "", {}, {}, now_()});
    if (!opened) return Status(StatusCode::unavailable, opened.status().message());
    prepared.opened = std::move(opened).value();
    prepared.entries = entries_of(prepared.answers);
    if (Status refusal = check_sizes(prepared.entries); !refusal.ok()) return refusal;
    prepared.run = ask.run ? vault_.find_run(*ask.run) : nullptr;
    return prepared;
}

GrantAnswer Desk::ask(const plugin_protocol::GrantRequest& request) {
    expire();
    auto read = read_ask(request);
    if (!read.ok()) {
        return refused(request, "", nullptr, read.status());
    }
    const SecretSpec& ask = *read;
    if (ask.none) return Nothing{};
    if (may_wait(request, ask) && vault_.find_run(*ask.run) == nullptr) return WaitForRun{*ask.run};
    GrantAnswer answer = grant(request, ask);
    if (auto* refusal = std::get_if<Status>(&answer)) {
        return refused(request, "", &ask, std::move(*refusal));
    }
    return answer;
}

GrantAnswer Desk::grant(const plugin_protocol::GrantRequest& request, const SecretSpec& ask) {
    auto answer = prepare(request, ask);
    if (!answer.ok()) return answer.status();
    const Prepared& prepared = answer.value();
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
    if (!delivery) return Status(StatusCode::unavailable, delivery.status().message());
    audit::Event event = event_of(
        audit::Kind::grant, request, "",
        "was granted " + listed(prepared.answers) + (run != nullptr ? " of run " + grant.run : ""));
    event.run = grant.run;
    event.names = names_of(prepared.answers);
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return Status(StatusCode::unavailable, wrong.message());
    }
    if (Status wrong = vault_.hold(request.job, request.uid, grant, now_()); !wrong.ok()) {
        audit::revert(event, wrong);
        return Status(StatusCode::unavailable, wrong.message());
    }
    audit::publish(event);
    granted_in_round_.insert(request.job);
    note_uses(prepared.answers, request.uid, request.job);
    on_change_();
    return Granted{std::move(delivery).value(), std::move(note)};
}

Status Desk::deny_unpushed(const plugin_protocol::GrantRequest& request, const std::string& node,
                           const RunId& run) const {
    const auto parsed = parse_spec(request.ask);
    return refused(
        request, node, parsed.spec(),
        {StatusCode::not_found, "run " + run.text() + " was not pushed within " +
                                    std::to_string(request.wait_milliseconds / 1000) + " s"});
}

Status Desk::deny(const plugin_protocol::GrantRequest& request, const std::string& node,
                  Status refusal) const {
    const auto parsed = parse_spec(request.ask);
    return refused(request, node, parsed.spec(), std::move(refusal));
}

}  // namespace secrets::service
