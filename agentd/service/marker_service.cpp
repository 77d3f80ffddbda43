// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/marker_service.h"

#include <algorithm>

namespace secrets::service {
namespace {

void add(Marker& marker, MarkedVariable marked) {
    const auto& all = marker.variables;
    if (std::find(all.begin(), all.end(), marked) == all.end())
        marker.variables.push_back(std::move(marked));
}

/// Adds the variables of the entries, each value once. The paths of files are unknown to the agent,
/// and what is held is in no variable of the job's own.
void add(Marker& marker, std::span<const DeliveryEntry> entries) {
    for (const DeliveryEntry& entry : entries) {
        const bool is_variable = entry.secret.empty();
        auto content = content_mark(marker.key, entry.variable, entry.value.bytes(), !is_variable);
        if (content && entry.is_held) content->kind = MarkKind::held;
        if (content) add(marker, std::move(*content));
        if (!is_variable) continue;
        const bool is_long = entry.value.size() >= kStartBytes;
        add(marker, {std::string(entry.variable), is_long ? MarkKind::value : MarkKind::named,
                     digest_of(marker.key, entry.value.bytes())});
    }
}

}  // namespace

StatusOr<Marker> MarkerService::marker_of(JobId job, Uid uid) {
    const vault::Hold* hold = context_.vault.find_hold(job);
    if (hold == nullptr || hold->owner != uid || hold->grants.empty() ||
        JobRandoms::is_of_hub(*hold)) {
        return Status(StatusCode::not_found,
                      "job " + std::to_string(job.value) + " was granted no secrets here");
    }
    Marker marker;
    if (!make_random(marker.key)) {
        return Status::unavailable("cannot make a marker: no random bytes");
    }
    for (const vault::Grant& grant : hold->grants) {
        if (!parse_spec(grant.ask).ok()) continue;  // a hub's own
        if (marker.spec.empty()) marker.spec = grant.ask;
        Status failure = add_grant(marker, *hold, grant.ask);
        if (!failure.ok()) return failure;
    }
    std::stable_partition(marker.variables.begin(), marker.variables.end(),
                          [](const MarkedVariable& marked) { return !is_read(marked.kind); });
    return marker;
}

Status MarkerService::add_grant(Marker& marker, const vault::Hold& hold, const std::string& spec) {
    if (context_.vault.find_cached_grant(hold.job, spec) != nullptr) {
        const auto delivery = context_.vault.deliver_cached_grant(hold.job, spec);
        if (!delivery) return delivery.status();
        const auto view = RegionView::map(delivery->fd.get());
        if (!view) return view.status();
        const auto entries = read_delivery(view->bytes());
        if (!entries) return entries.status();
        add(marker, *entries);
        return Status();
    }
    const auto parsed = parse_spec(spec);
    if (!parsed.ok()) return Status();
    plugin_protocol::GrantRequest request;
    request.job = hold.job;
    request.uid = hold.owner;
    request.ask = spec;
    const auto prepared = resolver_.prepare(request, *parsed.spec(), true);
    // What was revoked since then is not known any more.
    if (!prepared.ok()) return is_denial(prepared.status()) ? Status() : prepared.status();
    // Without its value the marker would recognize less than the job has.
    if (const Status lost = prepared->made.why_lost(hold.job); !lost.ok())
        return Status::unavailable(lost.message());
    add(marker, prepared.value().entries);
    return Status();
}

}  // namespace secrets::service
