#include "agentd/vault/vault.h"

#include <algorithm>

namespace secrets::vault {
namespace {

constexpr std::size_t kSlabBytes = 1024 * 1024;
/// What a larger slab's length is a multiple of: whole pages, so that the capacity is kept exactly.
constexpr std::size_t kSlabStep = 64 * 1024;

}  // namespace

Result<Vault::Place> Vault::begin(RecordType type, std::size_t payload_bytes,
                                  std::span<std::byte>& payload) {
    const std::uint64_t sequence = next_sequence_++;
    for (const auto& slab : slabs_) {
        if (auto draft = slab->begin(type, payload_bytes, sequence)) {
            payload = draft->payload;
            return Place{slab.get(), draft->offset};
        }
    }
    const std::size_t needed = payload_bytes + 2 * Slab::kOverhead + 64;
    const std::size_t steps = (needed + kSlabStep - 1) / kSlabStep;
    const std::size_t bytes = std::max(kSlabBytes, steps * kSlabStep);
    if (slab_bytes_ + bytes > capacity_) {
        return Error{"the agent's memory for secrets is full (" + std::to_string(capacity_) +
                     " bytes; limits.total_bytes in its configuration)"};
    }
    auto region = LockedRegion::create(bytes, memory_);
    if (!region) return region.error();
    slabs_.push_back(std::make_unique<Slab>(std::move(region).value()));
    slab_bytes_ += slabs_.back()->size();
    auto draft = slabs_.back()->begin(type, payload_bytes, sequence);
    payload = draft->payload;
    return Place{slabs_.back().get(), draft->offset};
}

/// Overwrites a record and drops its slab when that is empty now. Returns the bytes overwritten.
std::size_t Vault::free(Place place) {
    const std::size_t bytes = place.slab->payload(place.offset).size();
    place.slab->free(place.offset);
    if (place.slab->empty()) {
        slab_bytes_ -= place.slab->size();
        std::erase_if(slabs_, [&](const auto& slab) { return slab.get() == place.slab; });
    }
    return bytes;
}

Failure Vault::put_run(const RunHead& head, std::span<const NewSecret> secrets) {
    const std::size_t bytes = run_payload_size(head, secrets);
    std::span<std::byte> payload;
    auto place = begin(RecordType::run, bytes, payload);
    if (!place) return place.error();
    write_run(head, secrets, payload);
    place->slab->commit(place->offset);
    wipe_run(head.id);
    runs_.emplace(head.id, StoredRun{head, *place});
    expiries_.emplace(head.expires, head.id);
    ++runs_of_owner_[head.owner.value];
    secret_bytes_ += bytes;
    return std::nullopt;
}

const RunHead* Vault::find_run(const RunId& run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : &found->second.head;
}

std::vector<StoredSecret> Vault::secrets_of(const RunId& run) const {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return {};
    const Place& place = found->second.place;
    auto secrets = read_run_secrets(place.slab->payload(place.offset));
    return secrets ? std::move(secrets).value() : std::vector<StoredSecret>();
}

std::vector<const RunHead*> Vault::runs() const {
    std::vector<const RunHead*> heads;
    heads.reserve(runs_.size());
    for (const auto& [id, run] : runs_) heads.push_back(&run.head);
    std::sort(heads.begin(), heads.end(),
              [](const RunHead* a, const RunHead* b) { return a->id < b->id; });
    return heads;
}

std::size_t Vault::runs_of(Uid owner) const {
    const auto found = runs_of_owner_.find(owner.value);
    return found == runs_of_owner_.end() ? 0 : found->second;
}

Wiped Vault::wipe_run(const RunId& run) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return {};
    const StoredRun& stored = found->second;
    const Wiped wiped{1, free(stored.place)};
    secret_bytes_ -= wiped.bytes;
    expiries_.erase({stored.head.expires, stored.head.id});
    const auto owner = runs_of_owner_.find(stored.head.owner.value);
    if (--owner->second == 0) runs_of_owner_.erase(owner);
    runs_.erase(found);
    return wiped;
}

std::optional<RunHead> Vault::next_to_expire() const {
    if (expiries_.empty()) return std::nullopt;
    return runs_.at(expiries_.begin()->second).head;
}

Failure Vault::hold(JobId job, Uid owner, const Grant& grant, Time now) {
    const auto found = holds_.find(job);
    Hold hold = found == holds_.end() ? Hold{job, owner, now, {}} : found->second.hold;
    const auto same = std::find_if(hold.grants.begin(), hold.grants.end(), [&](const Grant& other) {
        return other.ask == grant.ask && other.run == grant.run;
    });
    if (same == hold.grants.end()) {
        hold.grants.push_back(grant);
    } else if (same->generation == grant.generation) {
        return std::nullopt;
    } else {
        same->generation = grant.generation;
    }
    std::span<std::byte> payload;
    auto place = begin(RecordType::hold, hold_payload_size(hold), payload);
    if (!place) return place.error();
    write_hold(hold, payload);
    place->slab->commit(place->offset);
    wipe_hold(job);
    holds_.emplace(job, StoredHold{std::move(hold), *place});
    return std::nullopt;
}

const Hold* Vault::find_hold(JobId job) const {
    const auto found = holds_.find(job);
    return found == holds_.end() ? nullptr : &found->second.hold;
}

std::vector<const Hold*> Vault::holds() const {
    std::vector<const Hold*> holds;
    holds.reserve(holds_.size());
    for (const auto& [job, stored] : holds_) holds.push_back(&stored.hold);
    std::sort(holds.begin(), holds.end(),
              [](const Hold* a, const Hold* b) { return a->job < b->job; });
    return holds;
}

Wiped Vault::wipe_hold(JobId job) {
    const auto found = holds_.find(job);
    if (found == holds_.end()) return {};
    const Wiped wiped{1, free(found->second.place)};
    holds_.erase(found);
    return wiped;
}

Result<Delivery> Vault::deliver(std::span<const DeliveryEntry> entries) const {
    const std::size_t length = delivery_size(entries);
    auto region = LockedRegion::create(length, memory_);
    if (!region) return region.error();
    if (auto wrong = write_delivery(entries, region->bytes())) return *wrong;
    return Delivery{region->unmap_and_release(), static_cast<std::uint32_t>(length)};
}

Wiped Vault::wipe_all() {
    Wiped wiped{runs_.size() + holds_.size(), slab_bytes_};
    runs_.clear();
    expiries_.clear();
    runs_of_owner_.clear();
    holds_.clear();
    slabs_.clear();  // a region overwrites itself when it goes
    slab_bytes_ = 0;
    secret_bytes_ = 0;
    return wiped;
}

Inventory Vault::inventory() const {
    return {runs_.size(), holds_.size(), slabs_.size(), slab_bytes_, secret_bytes_};
}

}  // namespace secrets::vault
