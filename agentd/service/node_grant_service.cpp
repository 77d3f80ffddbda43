// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/node_grant_service.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/service/grant_requests.h"
#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"

namespace secrets::service {

using namespace grant_requests;

/// Returns the entity tag of an answer. All hubs compute the same tag for the same answer, and the
/// tag reveals nothing of a value.
std::string NodeGrantService::tag_of(Uid uid, const vault::RunHead* run,
                                     const std::vector<ItemAnswer>& answers) const {
    std::string text;
    const auto add = [&](std::string_view part) { text += std::string(part) + "\n"; };
    if (run != nullptr) {
        add(run->id.text());
        add(std::to_string(run->generation));
        add(std::to_string(run->created.time_since_epoch().count()));
    }
    for (const ItemAnswer& answer : answers) {
        if (!answer.found) continue;
        add(answer.item.name);
        add(answer.item.variable);
        add(answer.item.form == ItemForm::file ? "file" : "variable");
        add(source_word(answer.source));
        if (answer.source == Source::run) continue;
        const auto* head = context_.store->find(answer.owner(uid), answer.item.name);
        add(answer.workspace);
        add(std::to_string(head->generation));
        add(std::to_string(head->set.time_since_epoch().count()));
    }
    const Digest digest = sha256_of(std::as_bytes(std::span(text)));
    return "\"" + to_hex(std::span(digest).first(16)) + "\"";
}

NodeGrantAnswer NodeGrantService::grant_to_node(const plugin_protocol::GrantRequest& request,
                                                const std::string& node, std::string_view has_tag) {
    expiry_.expire();
    auto read = read_spec(request);
    if (!read.ok()) {
        return refused(request, node, nullptr, read.status());
    }
    const SecretSpec& ask = *read;
    if (ask.none) return Nothing{};
    if (may_wait(request, ask) && resolver_.may_be_pushed(*ask.run, request.uid))
        return WaitForRun{*ask.run};
    auto answer = resolver_.prepare(request, ask, !has_tag.empty());
    if (!answer.ok()) return refused(request, node, &ask, answer.status());
    const PreparedGrant& prepared = answer.value();
    if (prepared.entries.empty()) return Nothing{};
    NodeGranted granted{SecretBuffer(), tag_of(request.uid, prepared.run, prepared.answers),
                        secrets_.expiry_note(prepared.answers)};
    const bool unchanged = granted.tag == has_tag;
    const std::string run = prepared.run != nullptr ? prepared.run->id.text() : "";
    audit::Event event =
        event_of(audit::Kind::grant, request, node,
                 (unchanged ? "still has " : "was granted ") + listed(prepared.answers) +
                     (run.empty() ? "" : " of run " + run));
    event.run = run;
    event.names = names_of(prepared.answers);
    if (!unchanged) {
        granted.image = SecretBuffer(delivery_size(prepared.entries));
        if (Status wrong = write_delivery(prepared.entries, granted.image.bytes()); !wrong.ok()) {
            return refused(request, node, &ask, std::move(wrong));
        }
    }
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refused(request, node, &ask, std::move(wrong));
    }
    audit::publish(event);
    secrets_.note_uses(prepared.answers, request.uid, request.job);
    context_.node_holds.granted(node, {run, request.job}, context_.now());
    if (unchanged) return Unchanged{};
    return granted;
}

/// Returns why the hub's answer would differ by now; empty if it would not, or that cannot be known
/// with this certainty at the moment.
std::string NodeGrantService::why_revoked(const vault::CachedGrant& held,
                                          auth::Certainty certainty) {
    const auto parsed = parse_spec(held.ask);
    if (!parsed.ok()) return "its secret spec is invalid";
    const SecretSpec& ask = *parsed.spec();
    const auto resolved =
        resolver_.resolve_spec(held.owner, ask, auth::Permission::use_run, certainty);
    if (!resolved.ok()) {
        return is_denial(resolved.status()) ? resolved.status().message() : "";
    }
    const auto& answers = resolved.value();
    if (std::string missing = failures_of(answers); !missing.empty()) return missing;
    const vault::RunHead* const run = ask.run ? context_.vault.find_run(*ask.run) : nullptr;
    return tag_of(held.owner, run, answers) != held.tag ? "its secrets have changed" : "";
}

/// Returns whether the grant must be wiped, and records the reason in the audit log.
bool NodeGrantService::revoke(const std::string& node, const vault::CachedGrant& held) {
    std::string why = why_revoked(held, auth::Certainty::current);
    if (!why.empty()) why = why_revoked(held, auth::Certainty::established);
    if (why.empty()) return false;
    audit::Event event{
        .kind = audit::Kind::revoke,
        .sentence = "the grant of job " + std::to_string(held.job.value) + " on node " + node +
                    (held.run.empty() ? "" : " of run " + held.run) + " was revoked: " + why,
        .job = held.job,
        .run = held.run,
        .owner = audit::Account{held.owner, ""},
        .reason = why};
    audit::record(event);
    return true;
}

bool NodeGrantService::process_report(const NodeReport& report, ReportProgress& progress) {
    expiry_.expire();
    const auto& held = report.held;
    const std::size_t end = std::min(held.size(), progress.processed + kGrantsPerStep);
    for (std::size_t& i = progress.processed; i < end; ++i) {
        const auto parsed = parse_spec(held[i].ask);
        const auto* ask = parsed.spec();
        const std::string run = ask != nullptr && ask->run ? ask->run->text() : "";
        progress.remembered.push_back({run, held[i].job});
        if (report.is_current && revoke(report.node, held[i])) progress.revoked.push_back(i);
    }
    if (progress.processed < held.size()) return false;
    if (report.is_there) {
        context_.node_holds.reported(report.node, progress.remembered, context_.now());
    }
    return true;
}

}  // namespace secrets::service
