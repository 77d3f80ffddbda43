// SPDX-License-Identifier: Apache-2.0
// The vault's cached grants on a node of a hub: the values that the hub granted to local jobs.

#include <string.h>

#include "agentd/vault/vault.h"

namespace secrets::vault {

Vault::HubGrants::node_type Vault::prepare_hub_grant(CachedGrant grant, RecordRef place) {
    HubGrants one;
    std::pair key(grant.job, grant.ask);
    one.emplace(std::move(key), StoredCachedGrant{std::move(grant), place});
    return one.extract(one.begin());
}

void Vault::add_hub_grant(HubGrants::node_type grant) noexcept {
    const RecordRef place = grant.mapped().place;
    secret_bytes_ += place.slab->slab.payload(place.offset).size();
    hub_grant_spec_bytes_ += grant.mapped().grant.ask.size();
    hub_grants_.insert(std::move(grant));
}

bool Vault::may_cache_grant(const std::string& ask) const {
    return hub_grants_.size() < kMaxCachedGrants &&
           hub_grant_spec_bytes_ + ask.size() <= kMaxCachedSpecBytes;
}

const CachedGrant* Vault::find_cached_grant(JobId job, const std::string& ask) const {
    const auto found = hub_grants_.find({job, ask});
    return found == hub_grants_.end() ? nullptr : &found->second.grant;
}

std::vector<const CachedGrant*> Vault::cached_grants() const {
    std::vector<const CachedGrant*> grants;
    for (const auto& [key, stored] : hub_grants_) grants.push_back(&stored.grant);
    return grants;
}

std::size_t Vault::cached_grant_bytes_of(JobId job) const {
    std::size_t bytes = 0;
    const auto [begin, end] = hub_grants_.equal_range(job);
    for (auto grant = begin; grant != end; ++grant) {
        const RecordRef& place = grant->second.place;
        bytes += place.slab->slab.payload(place.offset).size();
    }
    return bytes;
}

std::size_t Vault::remove(HubGrants::iterator grant) noexcept {
    const std::size_t bytes = free(grant->second.place);
    secret_bytes_ -= bytes;
    hub_grant_spec_bytes_ -= grant->second.grant.ask.size();
    hub_grants_.erase(grant);
    return bytes;
}

WipeReceipt Vault::wipe(HubGrants::iterator grant) noexcept {
    NamedSlab* const slab = grant->second.place.slab;
    const WipeReceipt wiped{1, remove(grant)};
    drop_if_empty(slab);
    return wiped;
}

WipeReceipt Vault::wipe_cached_grant(JobId job, const std::string& ask) noexcept {
    reads_.close(job);
    const auto [begin, end] = hub_grants_.equal_range(job);
    for (auto grant = begin; grant != end; ++grant) {
        if (grant->first.second == ask) return wipe(grant);
    }
    return {};
}

WipeReceipt Vault::wipe_hub_grants_of(JobId job) noexcept {
    WipeReceipt wiped;
    const auto [begin, end] = hub_grants_.equal_range(job);
    for (auto grant = begin; grant != end;) wiped += wipe(grant++);
    return wiped;
}

StatusOr<Delivery> Vault::deliver_cached_grant(JobId job, const std::string& ask) const {
    const RecordRef& place = hub_grants_.at({job, ask}).place;
    const auto image = image_in(place.slab->slab.payload(place.offset)).bytes();
    auto region = LockedRegion::create(image.size(), memory_);
    if (!region) return region.status();
    memcpy(region->bytes().data(), image.data(), image.size());
    return Delivery{region->unmap_and_release(), static_cast<std::uint32_t>(image.size())};
}

StatusOr<Delivery> Vault::deliver_read(JobId job, const std::string& request,
                                       std::span<const DeliveryEntry> entries) {
    const Hold* hold = find_hold(job);
    if (hold == nullptr)
        return Status::failed("job " + std::to_string(job.value) + " has no hold on this node");
    SecretBuffer image(delivery_size(entries));
    if (Status wrong = write_delivery(entries, image.bytes()); !wrong.ok()) return wrong;
    return reads_.deliver(job, hold->owner, request, image.view(), memory_);
}

/// Removes remains of a process that was killed between two records, or before the wipe of the
/// second. Slabs that become empty remain.
void Vault::remove_hub_grants_without_hold() noexcept {
    for (auto grant = hub_grants_.begin(); grant != hub_grants_.end();) {
        const auto each = grant++;
        if (!holds_.contains(each->first.first)) remove(each);
    }
}

Vault::Finding Vault::index_hub_grant(RecordRef place, std::span<const std::byte> payload) {
    auto grant = read_cached_grant(payload);
    if (!grant) return Finding::malformed;
    if (const auto other = hub_grants_.find({grant->job, grant->ask}); other != hub_grants_.end()) {
        if (!is_newer(place, other->second.place)) return Finding::superseded;
        remove(other);
    }
    add_hub_grant(prepare_hub_grant(std::move(grant).value(), place));
    return Finding::taken;
}

}  // namespace secrets::vault
