// The desk's answers to steps' asks: of this agent alone, of a hub to its nodes, and of a node of a
// hub.

#include <algorithm>
#include <cstring>

#include "agentd/audit/audit.h"
#include "agentd/desk/desk.h"
#include "agentd/digest.h"
#include "common/limits.h"

namespace secrets::desk {
namespace {

/// Distinct asks that one job may make on a node. Beyond it a job that invents a new ask for every
/// step would fill memory that others need.
constexpr std::size_t kMaxGrantsPerHold = 256;

/// What a node keeps of a hub's answers for one job; further ones are given to their steps, which
/// then need the hub.
constexpr std::size_t kMaxHubGrantBytesOfJob = 4 * kMaxDeliveryBytes;

/// What all events of a step's ask say of it, and a sentence that begins with the step. `node`: for
/// which it asks; empty: this one.
audit::Event event_of(audit::Kind kind, const wire::AskRequest& request, const std::string& node,
                      const std::string& what_happened) {
    return {.kind = kind,
            .sentence = "job " + std::to_string(request.job.value) + " step " +
                        step_word(request.step) + " of uid " + std::to_string(request.uid.value) +
                        (node.empty() ? "" : " on node " + node) + " " + what_happened,
            .job = request.job,
            .step = request.step,
            .owner = audit::Account{request.uid, ""}};
}

/// Writes down that a step was refused; `ask` where its ask could be read.
Refusal refused(const wire::AskRequest& request, const std::string& node, const Ask* ask,
                Refusal refusal) {
    audit::Event event = event_of(audit::Kind::refuse_ask, request, node,
                                  "was refused its secrets: " + refusal.sentence);
    if (ask != nullptr && ask->run) event.run = ask->run->text();
    if (ask != nullptr) {
        for (const AskItem& item : ask->items) event.names.push_back(item.name);
    }
    event.reason = refusal.sentence;
    audit::record(event);
    return refusal;
}

/// Whether the job's hold may take that grant: one of its own again, or a further one.
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

std::variant<Ask, Refusal> read_ask(const wire::AskRequest& request) {
    auto parsed = parse_ask(request.ask);
    if (const auto* wrong = std::get_if<AskError>(&parsed)) {
        return Refusal{Reason::malformed, "SLURM_SECRETS at character " +
                                              std::to_string(wrong->offset + 1) + ": " +
                                              wrong->sentence};
    }
    return std::get<Ask>(std::move(parsed));
}

/// Whether a step may be kept waiting for the run of its ask.
bool may_wait(const wire::AskRequest& request, const Ask& ask) {
    return ask.run && !ask.run_optional && request.wait_milliseconds > 0;
}

}  // namespace

/// What an ask is answered with, of which nothing has been given away yet.
struct Desk::Prepared {
    std::vector<ItemAnswer> answers;
    std::vector<SecretBuffer> opened;    ///< values of kept secrets
    std::vector<DeliveryEntry> entries;  ///< views into `opened` and the run's record
    const vault::RunHead* run = nullptr;
};

Answer<Desk::Prepared> Desk::prepare(const wire::AskRequest& request, const Ask& ask) {
    auto resolved = resolve_for(request.uid, ask, Operation::use_run);
    if (auto* refusal = std::get_if<Refusal>(&resolved)) return std::move(*refusal);
    Prepared prepared{std::get<std::vector<ItemAnswer>>(std::move(resolved)), {}, {}, nullptr};
    if (std::string missing = failures_of(prepared.answers); !missing.empty()) {
        return Refusal{Reason::not_found, std::move(missing)};
    }
    auto opened = open_kept(prepared.answers, {store_, request.uid, "", {}, {}, now_()});
    if (!opened) return Refusal{Reason::unavailable, opened.error().sentence};
    prepared.opened = std::move(opened).value();
    prepared.entries = entries_of(prepared.answers);
    if (auto refusal = check_sizes(prepared.entries)) return std::move(*refusal);
    prepared.run = ask.run ? vault_.find_run(*ask.run) : nullptr;
    return prepared;
}

AskAnswer Desk::ask(const wire::AskRequest& request) {
    expire();
    auto read = read_ask(request);
    if (auto* refusal = std::get_if<Refusal>(&read)) {
        return refused(request, "", nullptr, std::move(*refusal));
    }
    const Ask& ask = std::get<Ask>(read);
    if (ask.none) return Nothing{};
    if (may_wait(request, ask) && vault_.find_run(*ask.run) == nullptr) return WaitFor{*ask.run};
    AskAnswer answer = grant(request, ask);
    if (auto* refusal = std::get_if<Refusal>(&answer)) {
        return refused(request, "", &ask, std::move(*refusal));
    }
    return answer;
}

AskAnswer Desk::grant(const wire::AskRequest& request, const Ask& ask) {
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
        audit::Kind::ask, request, "",
        "was granted " + listed(prepared.answers) + (run != nullptr ? " of run " + grant.run : ""));
    event.run = grant.run;
    event.names = names_of(prepared.answers);
    if (auto wrong = audit::write_ahead(event)) {
        return Refusal{Reason::unavailable, wrong->sentence};
    }
    if (auto wrong = vault_.hold(request.job, request.uid, grant, now_())) {
        audit::take_back(event, *wrong);
        return Refusal{Reason::unavailable, wrong->sentence};
    }
    audit::tell(event);
    granted_in_round_.insert(request.job);
    note_uses(prepared.answers, request.uid, request.job);
    on_change_();
    return Granted{std::move(delivery).value(), std::move(note)};
}

Refusal Desk::never_pushed(const wire::AskRequest& request, const std::string& node,
                           const RunId& run) const {
    const auto parsed = parse_ask(request.ask);
    return refused(
        request, node, std::get_if<Ask>(&parsed),
        {Reason::not_found, "run " + run.text() + " was not pushed within " +
                                std::to_string(request.wait_milliseconds / 1000) + " s"});
}

Refusal Desk::refuse_ask(const wire::AskRequest& request, const std::string& node,
                         Refusal refusal) const {
    const auto parsed = parse_ask(request.ask);
    return refused(request, node, std::get_if<Ask>(&parsed), std::move(refusal));
}

/// The same for the same answer, whichever hub gives it, and says nothing of a value.
std::string Desk::tag_of(const wire::AskRequest& request, const Prepared& prepared) const {
    std::string text;
    const auto add = [&](std::string_view part) { text += std::string(part) + "\n"; };
    if (prepared.run != nullptr) {
        add(prepared.run->id.text());
        add(std::to_string(prepared.run->generation));
        add(std::to_string(prepared.run->created.time_since_epoch().count()));
    }
    for (const ItemAnswer& answer : prepared.answers) {
        if (!answer.found) continue;
        add(answer.item.name);
        add(answer.item.variable);
        add(answer.item.form == ItemForm::file ? "file" : "variable");
        add(source_word(answer.source));
        if (answer.source == Source::run) continue;
        const auto* head = store_->find(answer.owner(request.uid), answer.item.name);
        add(answer.workspace);
        add(std::to_string(head->generation));
        add(std::to_string(head->set.time_since_epoch().count()));
    }
    const Digest digest = digest_of(std::as_bytes(std::span(text)));
    return "\"" + hexadecimal(std::span(digest).first(16)) + "\"";
}

NodeAnswer Desk::ask_of_node(const wire::AskRequest& request, const std::string& node,
                             std::string_view has_tag) {
    expire();
    auto read = read_ask(request);
    if (auto* refusal = std::get_if<Refusal>(&read)) {
        return refused(request, node, nullptr, std::move(*refusal));
    }
    const Ask& ask = std::get<Ask>(read);
    if (ask.none) return Nothing{};
    if (may_wait(request, ask) && vault_.find_run(*ask.run) == nullptr) return WaitFor{*ask.run};
    auto answer = prepare(request, ask);
    if (auto* refusal = std::get_if<Refusal>(&answer)) {
        return refused(request, node, &ask, std::move(*refusal));
    }
    const Prepared& prepared = std::get<Prepared>(answer);
    if (prepared.entries.empty()) return Nothing{};
    NodeGranted granted{SecretBuffer(), tag_of(request, prepared), expiry_note(prepared.answers)};
    const bool unchanged = granted.tag == has_tag;
    const std::string run = prepared.run != nullptr ? prepared.run->id.text() : "";
    audit::Event event =
        event_of(audit::Kind::ask, request, node,
                 (unchanged ? "still has " : "was granted ") + listed(prepared.answers) +
                     (run.empty() ? "" : " of run " + run));
    event.run = run;
    event.names = names_of(prepared.answers);
    if (!unchanged) {
        granted.image = SecretBuffer(delivery_size(prepared.entries));
        if (const auto wrong = write_delivery(prepared.entries, granted.image.bytes())) {
            return refused(request, node, &ask, {Reason::unavailable, wrong->sentence});
        }
    }
    if (auto wrong = audit::write_ahead(event)) {
        return refused(request, node, &ask, {Reason::unavailable, wrong->sentence});
    }
    audit::tell(event);
    note_uses(prepared.answers, request.uid, request.job);
    if (unchanged) return Unchanged{};
    return granted;
}

std::optional<AskAnswer> Desk::ask_before_hub(const wire::AskRequest& request) const {
    auto read = read_ask(request);
    if (auto* refusal = std::get_if<Refusal>(&read)) {
        return refused(request, "", nullptr, std::move(*refusal));
    }
    const Ask& ask = std::get<Ask>(read);
    if (ask.none) return Nothing{};
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    if (!has_room_for(vault_.find_hold(request.job), grant)) {
        return refused(request, "", &ask, too_many_asks());
    }
    return std::nullopt;
}

const vault::HubGrant* Desk::find_hub_grant(const wire::AskRequest& request) const {
    const vault::HubGrant* grant = vault_.find_hub_grant(request.job, request.ask);
    return grant != nullptr && grant->owner == request.uid ? grant : nullptr;
}

AskAnswer Desk::take_hub_grant(const wire::AskRequest& request, const std::string& tag,
                               SecretView image, std::string note) {
    const auto entries = read_delivery(image.bytes());
    if (!entries) return refuse_ask(request, "", {Reason::unavailable, entries.error().sentence});
    auto read = read_ask(request);
    const Ask& ask = std::get<Ask>(read);
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    const bool is_first = vault_.find_hold(request.job) == nullptr;
    const auto refuse = [&](std::string why) {
        return refused(request, "", &ask, {Reason::unavailable, std::move(why)});
    };
    auto delivery = vault_.deliver(*entries);
    if (!delivery) return refuse(delivery.error().sentence);
    audit::Event event =
        event_of(audit::Kind::ask, request, "",
                 "was granted " + audit::counted(entries->size(), "secret", "secrets") +
                     " by the hub" + (grant.run.empty() ? "" : " of run " + grant.run));
    event.run = grant.run;
    for (const AskItem& item : ask.items) event.names.push_back(item.name);
    if (auto wrong = audit::write_ahead(event)) return refuse(wrong->sentence);
    if (auto wrong = vault_.hold(request.job, request.uid, grant, now_())) {
        audit::take_back(event, *wrong);
        return refuse(wrong->sentence);
    }
    audit::tell(event);
    keep_hub_grant({request.job, request.uid, request.ask, grant.run, tag}, image);
    granted_in_round_.insert(request.job);
    on_change_();
    return Granted{std::move(delivery).value(), is_first ? std::move(note) : ""};
}

/// A grant that can't be kept is good for its step all the same.
void Desk::keep_hub_grant(const vault::HubGrant& grant, SecretView image) {
    vault_.wipe_hub_grant(grant.job, grant.ask);
    if (vault_.hub_grant_bytes_of(grant.job) + image.size() > kMaxHubGrantBytesOfJob) return;
    if (const auto wrong = vault_.put_hub_grant(grant, image)) {
        audit::trouble("what the hub granted to job " + std::to_string(grant.job.value) +
                       " is not kept for its next steps: " + wrong->sentence);
    }
}

AskAnswer Desk::give_hub_grant(const wire::AskRequest& request, const std::string& why) {
    auto delivery = vault_.deliver_hub_grant(request.job, request.ask);
    if (!delivery) {
        return refuse_ask(request, "", {Reason::unavailable, delivery.error().sentence});
    }
    audit::Event event =
        event_of(audit::Kind::ask, request, "", "was given what it had been granted" + why);
    event.run = vault_.find_hub_grant(request.job, request.ask)->run;
    if (auto wrong = audit::write_ahead(event)) {
        return refuse_ask(request, "", {Reason::unavailable, wrong->sentence});
    }
    audit::tell(event);
    granted_in_round_.insert(request.job);
    return Granted{std::move(delivery).value(), ""};
}

Refusal Desk::refused_by_hub(const wire::AskRequest& request, Refusal refusal) {
    vault_.wipe_hub_grant(request.job, request.ask);
    on_change_();
    return refuse_ask(request, "", std::move(refusal));
}

}  // namespace secrets::desk
