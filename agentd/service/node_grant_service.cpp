// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/node_grant_service.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/service/grant_requests.h"
#include "common/auth/sha256.h"
#include "common/base/limits.h"
#include "common/base/text_encoding.h"

namespace secrets::service {

using namespace grant_requests;

namespace {

/// What a tag has instead of a memory's id if the answer was not made from a run.
constexpr std::string_view kNoRun = "none";

/// The parts of a tag: "DIGEST-MEMORY". Where hubs share runs, and in tags of an earlier version,
/// there is no memory.
struct TagParts {
    explicit TagParts(std::string_view tag) {
        if (tag.size() < 2) return;
        tag = tag.substr(1, tag.size() - 2);
        const std::size_t dash = tag.find('-');
        digest = tag.substr(0, dash);
        if (dash != tag.npos) memory = tag.substr(dash + 1);
    }
    std::string_view digest{};
    std::string_view memory{};  ///< the id of the vault that had the run
};

vault::CachedGrant held_by(const plugin_protocol::GrantRequest& request, std::string_view tag) {
    return {request.job, request.uid, request.ask, "", std::string(tag)};
}

/// A host that is not known to be the node may say anything about it, and is the one that is named.
Reporter reporter_of(const NodeReport& report) {
    return {report.node, report.is_there ? "" : report.address};
}

}  // namespace

/// Returns the entity tag of an answer, which reveals nothing of a value. All hubs that share runs
/// compute the same tag for the same answer; another hub adds which memory its run was in.
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
        add(answer.item.form == ItemForm::env ? "variable" : form_word(answer.item.form));
        add(source_word(answer.source));
        if (answer.source == Source::random) add(std::to_string(answer.bytes));
        if (!answer.is_stored()) continue;
        const auto* head = context_.store->find(answer.owner(uid), answer.item.name);
        add(answer.workspace);
        add(std::to_string(head->generation));
        add(std::to_string(head->set.time_since_epoch().count()));
    }
    const Digest digest = sha256_of(std::as_bytes(std::span(text)));
    std::string tag = to_hex(std::span(digest).first(16));
    const bool has_made = std::any_of(answers.begin(), answers.end(), [](const auto& answer) {
        return answer.found && answer.source == Source::random;
    });
    if (!context_.shares_runs) {
        const bool is_of_memory = run != nullptr || has_made;
        tag += "-" + (is_of_memory ? context_.vault.memory_id() : std::string(kNoRun));
    }
    return "\"" + tag + "\"";
}

/// Returns why it is not known whether the run of an earlier grant has ended; empty if it is known.
/// A run that is not in the vault may have been lost with a memory before.
std::string NodeGrantService::why_undecided(Uid owner, const SecretSpec& ask,
                                            std::string_view tag) const {
    if (!ask.run || context_.vault.find_run(*ask.run) != nullptr ||
        !resolver_.how_ended(*ask.run, owner).empty()) {
        return "";
    }
    const std::string_view memory = TagParts(tag).memory;
    if (memory == kNoRun) return "";
    const bool is_known =
        memory.empty() ? context_.shares_runs : memory == context_.vault.memory_id();
    if (is_known) return "";
    return "this hub has lost what it held then, and cannot tell whether run " + ask.run->text() +
           " has ended";
}

/// Tells whether an earlier answer has random values of a memory that this hub has lost.
bool NodeGrantService::is_of_lost_memory(const SecretSpec& ask, std::string_view tag) const {
    const std::string_view memory = TagParts(tag).memory;
    return requests_random(ask) && !context_.shares_runs && !memory.empty() &&
           memory != context_.vault.memory_id();
}

/// Returns why no values are made for a job: another node has values that this hub made and lost,
/// or a process asks for those that its job was given.
Status NodeGrantService::why_not_make(const plugin_protocol::GrantRequest& request,
                                      const PreparedGrant& prepared) const {
    if (!prepared.made.has_new) return Status();
    const bool is_lost =
        request.step == kNoStep ||
        std::any_of(lost_values_.begin(), lost_values_.end(),
                    [&](const auto& of_node) { return of_node.second.contains(request.job); });
    if (!is_lost) return Status();
    return Status::unavailable(
        "this hub has lost the values that it made for the job, which other nodes of the job may "
        "have; requeue it: scontrol requeuehold " +
        std::to_string(request.job.value) + ", and release it half a minute later");
}

/// Records that a step was denied its secrets and, if that was decided about the grant itself, that
/// the step's earlier grant was revoked.
NodeGrantAnswer NodeGrantService::denied(const plugin_protocol::GrantRequest& request,
                                         const std::string& node, const SecretSpec& ask,
                                         std::string_view has_tag, Status denial) {
    Status why = refused(request, node, &ask, std::move(denial));
    if (!is_denial(why) && why.code() != StatusCode::too_large) return why;
    if (!has_tag.empty()) {
        const std::string run = ask.run ? ask.run->text() : "";
        if (revocations_.record({node, ""}, held_by(request, has_tag), run, why.message()))
            audit::sync();
    }
    return GrantDenied{std::move(why)};
}

/// Answers a step whose earlier grant is neither known to be valid nor to have ended: it stays.
NodeGrantAnswer NodeGrantService::undecided(const plugin_protocol::GrantRequest& request,
                                            const std::string& node, const SecretSpec& ask,
                                            const std::string& why) {
    audit::Event event =
        event_of(audit::Kind::grant, request, node, "still has what it was granted before: " + why);
    event.run = ask.run ? ask.run->text() : "";
    if (request.step != kNoStep) {
        if (Status wrong = audit::write_ahead(event); !wrong.ok())
            return refused(request, node, &ask, std::move(wrong));
        audit::publish(event);
    }
    context_.node_holds.granted(node, {event.run, request.job}, context_.now());
    return Unchanged{};
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
    // A job with an earlier grant need not wait: its run was pushed before.
    if (!has_tag.empty()) {
        const std::string why = why_undecided(request.uid, ask, has_tag);
        if (!why.empty()) return undecided(request, node, ask, why);
    } else if (may_wait(request, ask) && resolver_.may_be_pushed(*ask.run, request.uid)) {
        return WaitForRun{*ask.run};
    }
    auto answer = resolver_.prepare(request, ask, !has_tag.empty());
    if (!answer.ok()) return denied(request, node, ask, has_tag, answer.status());
    const PreparedGrant& prepared = answer.value();
    const bool lacks_value = !has_tag.empty() && prepared.made.has_new;
    if (lacks_value || is_of_lost_memory(ask, has_tag)) {
        lost_values_[node].insert(request.job);
        return undecided(request, node, ask,
                         "this hub has lost the values that it made for the job");
    }
    if (Status lost = why_not_make(request, prepared); !lost.ok())
        return refused(request, node, &ask, std::move(lost));
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
    if (Status wrong = keep_made(request, prepared); !wrong.ok()) {
        return refused(request, node, &ask, std::move(wrong));
    }
    // A process may ask at any rate whether its values are still right.
    const bool is_recorded = !unchanged || request.step != kNoStep;
    if (is_recorded) {
        if (Status wrong = audit::write_ahead(event); !wrong.ok())
            return refused(request, node, &ask, std::move(wrong));
        audit::publish(event);
    }
    secrets_.note_uses(prepared.answers, request.uid, request.job);
    context_.node_holds.granted(node, {run, request.job}, context_.now());
    if (unchanged) return Unchanged{};
    return granted;
}

/// Keeps the values that were made for the job, for its other nodes and steps, until slurmctld says
/// that it has ended.
Status NodeGrantService::keep_made(const plugin_protocol::GrantRequest& request,
                                   const PreparedGrant& prepared) {
    // Slurm may have said of a requeued job, before this grant, that it does not run.
    if (!prepared.made.values.empty()) context_.granted_in_round.insert(request.job);
    if (!prepared.made.has_new) return Status();
    Status failure =
        context_.vault.hold(request.job, request.uid, JobRandoms::hold_of_hub(), context_.now());
    if (failure.ok()) failure = randoms_.keep(request.job, request.uid, prepared.made);
    context_.events->held_changed();
    return failure;
}

/// Returns why the hub's answer would differ by now; empty if it would not, or that cannot be known
/// with this certainty at the moment.
std::string NodeGrantService::why_revoked(const vault::CachedGrant& held, const SecretSpec& ask,
                                          auth::Certainty certainty) {
    if (!why_undecided(held.owner, ask, held.tag).empty()) return "";
    const auto resolved =
        resolver_.resolve_spec(held.owner, ask, auth::Permission::use_run, certainty);
    if (!resolved.ok()) {
        return is_denial(resolved.status()) ? resolved.status().message() : "";
    }
    const auto& answers = resolved.value();
    if (std::string missing = failures_of(answers); !missing.empty()) return missing;
    const vault::RunHead* const run = ask.run ? context_.vault.find_run(*ask.run) : nullptr;
    const std::string tag = tag_of(held.owner, run, answers);
    return TagParts(tag).digest != TagParts(held.tag).digest ? "its secrets have changed" : "";
}

std::size_t end_of_step(const std::vector<vault::CachedGrant>& held, std::size_t from) {
    const std::size_t most = std::min(held.size(), from + kGrantsPerStep);
    std::size_t spec_bytes = 0;
    std::size_t end = from;
    while (end < most && spec_bytes < kMaxSpecBytes) spec_bytes += held[end++].ask.size();
    return end;
}

/// Processes a grant of a report. Returns whether it must be wiped.
bool NodeGrantService::process(const NodeReport& report, const vault::CachedGrant& held,
                               ReportProgress& progress) {
    const auto parsed = parse_spec(held.ask);
    const SecretSpec* const ask = parsed.spec();
    const std::string run = ask != nullptr && ask->run ? ask->run->text() : "";
    progress.remembered.push_back({run, held.job});
    // A spec that this version can't read is one of another version's.
    if (ask != nullptr && is_of_lost_memory(*ask, held.tag)) progress.lost.insert(held.job);
    if (!report.is_current || ask == nullptr) return false;
    std::string why = why_revoked(held, *ask, auth::Certainty::current);
    if (!why.empty()) why = why_revoked(held, *ask, auth::Certainty::established);
    if (why.empty()) return false;
    progress.records |= revocations_.record(reporter_of(report), held, run, why);
    return true;
}

bool NodeGrantService::process_report(const NodeReport& report, ReportProgress& progress) {
    expiry_.expire();
    const auto& held = report.held;
    const std::size_t end = end_of_step(held, progress.processed);
    progress.records = false;
    for (std::size_t& i = progress.processed; i < end; ++i) {
        if (process(report, held[i], progress)) progress.revoked.push_back(i);
    }
    // Once for all of them: root of a node may report any number of grants that it never had.
    if (progress.records) audit::sync();
    if (progress.processed < held.size()) return false;
    revocations_.end_report(reporter_of(report), held, progress.revoked);
    if (report.is_there) {
        lost_values_.erase(report.node);
        if (!progress.lost.empty()) lost_values_[report.node] = std::move(progress.lost);
        const auto gone =
            context_.node_holds.reported(report.node, progress.remembered, context_.now());
        for (const JobId job : gone) context_.events->job_may_have_ended(job);
    }
    return true;
}

}  // namespace secrets::service
