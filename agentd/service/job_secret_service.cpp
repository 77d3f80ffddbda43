// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/job_secret_service.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/grant_requests.h"
#include "common/base/names.h"
#include "common/secure_memory/locked_region.h"

namespace secrets::service {
namespace {

std::string word_of(JobId job) {
    return "job " + std::to_string(job.value);
}

/// Parses what a process requests: items only.
StatusOr<SecretSpec> parse_items(const std::string& text) {
    const auto parsed = parse_spec(text);
    if (!parsed.ok()) return parsed.status("the request");
    const SecretSpec& spec = *parsed.spec();
    const bool has_only_items =
        !spec.none && !spec.run && !spec.workspace && spec.without.empty() && spec.copies.empty();
    if (!has_only_items) {
        return Status::invalid(
            "only names of secrets are accepted in a job, which has its run and workspace already");
    }
    return spec;
}

/// A grant of the job, as find() looks through them.
struct Candidate {
    const std::string& ask;
    SecretSpec spec;
};

std::vector<Candidate> candidates_of(const vault::Hold& hold) {
    std::vector<Candidate> candidates;
    for (const vault::Grant& grant : hold.grants) {
        auto parsed = parse_spec(grant.ask);
        if (parsed.ok()) candidates.push_back({grant.ask, *parsed.spec()});
    }
    return candidates;
}

WantedPart& part_of(std::vector<WantedPart>& parts, const Candidate& candidate) {
    for (WantedPart& part : parts) {
        if (part.ask == candidate.ask) return part;
    }
    parts.push_back({candidate.ask, candidate.spec, {}});
    if (!candidate.spec.items.empty()) parts.back().narrowed.items.clear();
    return parts.back();
}

void add(WantedPart& part, SpecItem wanted, const SpecItem& granted) {
    auto& needed = part.narrowed.items;
    if (std::find(needed.begin(), needed.end(), granted) == needed.end()) needed.push_back(granted);
    part.values.push_back({std::move(wanted), granted.variable});
}

/// Adds the grant's item of that name; returns whether the job requested it.
bool add_named(std::vector<WantedPart>& parts, const std::vector<Candidate>& candidates,
               const SpecItem& wanted) {
    for (const Candidate& candidate : candidates) {
        for (const SpecItem& granted : candidate.spec.items) {
            if (granted.name != wanted.name) continue;
            add(part_of(parts, candidate), wanted, granted);
            return true;
        }
    }
    for (const Candidate& candidate : candidates) {
        if (!candidate.spec.wants_all_of_run()) continue;
        part_of(parts, candidate).values.push_back({wanted, variable_for(wanted.name)});
        return true;
    }
    return false;
}

/// Adds all that the grants name, each variable once.
void add_all(std::vector<WantedPart>& parts, const std::vector<Candidate>& candidates) {
    std::set<std::string> variables;
    for (const Candidate& candidate : candidates) {
        if (candidate.spec.wants_all_of_run()) part_of(parts, candidate).wants_all = true;
        for (const SpecItem& granted : candidate.spec.items) {
            if (!variables.insert(granted.variable).second) continue;
            SpecItem wanted = granted;
            wanted.optional = true;
            add(part_of(parts, candidate), std::move(wanted), granted);
        }
    }
}

/// Removes values of a run that is requested whole whose secret is not the one that is wanted, but
/// has the same variable: A_B for A-B.
void remove_namesakes(const WantedPart& part, std::span<const ItemAnswer> answers,
                      std::vector<DeliveryEntry>& entries) {
    if (!part.narrowed.wants_all_of_run()) return;
    for (const WantedValue& wanted : part.values) {
        for (const ItemAnswer& answer : answers) {
            if (answer.item.variable != wanted.variable || answer.item.name == wanted.item.name)
                continue;
            std::erase_if(entries, [&](const DeliveryEntry& entry) {
                return entry.variable == wanted.variable;
            });
        }
    }
}

/// Returns the entry for the process: as it is in the grant, but for its form and variable.
DeliveryEntry entry_for(const SpecItem& item, SecretView value) {
    const bool is_file = item.form == ItemForm::file;
    return {item.variable, value, is_file ? std::string_view(item.name) : ""};
}

bool has_nul(SecretView value) {
    const auto bytes = value.bytes();
    return std::find(bytes.begin(), bytes.end(), std::byte{0}) != bytes.end();
}

Status no_variable(const std::string& name) {
    return Status::invalid("secret " + name +
                           " has a NUL byte, which no variable can hold; request it as " + name +
                           ":file");
}

/// Adds the entries of one part. A value that no variable can hold is refused, or added to
/// `left_out`. `values` is what the grant has now.
Status add_entries(const WantedPart& part, std::span<const DeliveryEntry> values,
                   std::vector<DeliveryEntry>& entries, std::set<std::string>& names,
                   std::vector<std::string>* left_out) {
    for (const DeliveryEntry& value : values) {
        if (!part.wants_all) break;
        const auto same = [&](const DeliveryEntry& other) {
            return other.variable == value.variable;
        };
        if (std::none_of(entries.begin(), entries.end(), same)) entries.push_back(value);
        names.insert(std::string(value.variable));
    }
    for (const WantedValue& wanted : part.values) {
        const auto found = std::find_if(values.begin(), values.end(), [&](const auto& value) {
            return value.variable == wanted.variable;
        });
        if (found != values.end()) {
            const DeliveryEntry entry = entry_for(wanted.item, found->value);
            if (!entry.is_file() && has_nul(entry.value)) {
                if (left_out == nullptr) return no_variable(wanted.item.name);
                left_out->push_back(wanted.item.name);
                continue;
            }
            entries.push_back(entry);
            names.insert(wanted.item.name);
        } else if (!wanted.item.optional) {
            return {StatusCode::not_found,
                    "secret " + wanted.item.name + " is not among the secrets of this job"};
        }
    }
    return Status();
}

}  // namespace

Status JobSecretService::check_hold(JobId job, Uid uid) const {
    const vault::Hold* hold = context_.vault.find_hold(job);
    if (hold == nullptr || hold->grants.empty() || JobRandoms::is_of_hub(*hold)) {
        return {StatusCode::not_found,
                word_of(job) + " holds no secrets on this node: it requested none, or has ended"};
    }
    if (hold->owner == uid) return Status();
    return {StatusCode::permission_denied, word_of(job) + " belongs to another user"};
}

StatusOr<JobRead> JobSecretService::find(JobId job, Uid uid, const std::string& spec) const {
    if (Status denial = check_hold(job, uid); !denial.ok()) return denial;
    const vault::Hold& hold = *context_.vault.find_hold(job);
    const auto candidates = candidates_of(hold);
    JobRead request{job, uid, {}, spec};
    if (spec.empty()) {
        add_all(request.parts, candidates);
        return request;
    }
    const auto wanted = parse_items(spec);
    if (!wanted) return wanted.status();
    for (const SpecItem& item : wanted->items) {
        if (add_named(request.parts, candidates, item) || item.optional) continue;
        return Status(StatusCode::permission_denied,
                      word_of(job) + " did not request the secret " + item.name +
                          "; request it when you submit: sbatch --secret=" + item.name + ":hold");
    }
    return request;
}

plugin_protocol::GrantRequest JobSecretService::request_for(const JobRead& request,
                                                            const WantedPart& part) {
    plugin_protocol::GrantRequest grant;
    grant.job = request.job;
    grant.step = kNoStep;
    grant.uid = request.owner;
    grant.ask = part.ask;
    return grant;
}

StatusOr<vault::Delivery> JobSecretService::read(const JobRead& request, const WantedPart& part) {
    auto prepared = resolver_.prepare(request_for(request, part), part.narrowed, /*had_it=*/true);
    if (!prepared.ok()) return prepared.status();
    if (Status lost = prepared->made.why_lost(request.job); !lost.ok()) return lost;
    remove_namesakes(part, prepared->answers, prepared->entries);
    return context_.vault.deliver(prepared->entries);
}

StatusOr<ReadValues> JobSecretService::deliver(const JobRead& request,
                                               std::span<const vault::Delivery> grants) {
    // The job may have had its epilog while its values were read.
    if (Status denial = check_hold(request.job, request.owner); !denial.ok()) return denial;
    std::vector<RegionView> views;
    std::vector<DeliveryEntry> entries;
    std::set<std::string> names;
    std::vector<std::string> left_out;
    for (std::size_t i = 0; i < grants.size(); ++i) {
        auto view = RegionView::map(grants[i].fd.get());
        if (!view) return view.status();
        views.push_back(std::move(view).value());
        const auto values = read_delivery(views.back().bytes());
        if (!values) return values.status();
        Status missing = add_entries(request.parts[i], *values, entries, names,
                                     request.spec.empty() ? &left_out : nullptr);
        if (!missing.ok()) return missing;
    }
    auto delivery = context_.vault.deliver_read(request.job, request.spec, entries);
    if (!delivery) return delivery.status();
    ReadValues read{std::move(delivery).value()};
    if (!left_out.empty()) {
        read.note = "left out " + audit::listed(left_out) +
                    ": a NUL byte is in the value, which no variable can hold; request it as a "
                    "file: --secret=" +
                    left_out.front() + ":file";
    }
    if (Status wrong = record(request, names, read); !wrong.ok()) return wrong;
    return read;
}

/// Writes the event ahead, unless the log has it for these names: a process may ask at any rate.
Status JobSecretService::record(const JobRead& request, const std::set<std::string>& names,
                                ReadValues& read) {
    // A job that was requeued has another hold.
    std::erase_if(recorded_, [this](const auto& entry) {
        const vault::Hold* hold = context_.vault.find_hold(entry.first.first);
        return hold == nullptr || hold->since != entry.first.second;
    });
    auto& recorded = recorded_[{request.job, context_.vault.find_hold(request.job)->since}];
    const bool is_known =
        std::includes(recorded.begin(), recorded.end(), names.begin(), names.end());
    if (is_known) return Status();
    plugin_protocol::GrantRequest process;
    process.job = request.job;
    process.step = kNoStep;
    process.uid = request.owner;
    const std::vector<std::string> list(names.begin(), names.end());
    audit::Event event = grant_requests::event_of(audit::Kind::grant, process, "",
                                                  "was granted " + audit::listed(list));
    event.names = list;
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) return wrong;
    recorded.insert(names.begin(), names.end());
    read.event = std::move(event);
    return Status();
}

Status JobSecretService::deny(std::optional<JobId> job, Uid uid, const std::string& spec,
                              Status why) const {
    audit::Event event{.kind = audit::Kind::deny_grant, .job = job};
    event.sentence = "a process " + (job ? "of " + word_of(*job) + " " : std::string()) +
                     "of uid " + std::to_string(uid.value) +
                     " was refused secrets: " + why.message();
    event.caller = audit::Account{uid, ""};
    event.reason = why.message();
    const auto parsed = parse_spec(spec);
    if (parsed.ok()) {
        for (const SpecItem& item : parsed.spec()->items) event.names.push_back(item.name);
    }
    audit::record(event);
    return why;
}

}  // namespace secrets::service
