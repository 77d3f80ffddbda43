// SPDX-License-Identifier: Apache-2.0
#include "agentd/vault/vault.h"

#include <algorithm>
#include <new>
#include <utility>

namespace secrets::vault {
namespace {

constexpr std::size_t kSlabBytes = 1024 * 1024;
/// A larger slab's length is a multiple of this: whole pages, so that the capacity is used exactly.
constexpr std::size_t kSlabStep = 64 * 1024;
/// From this number of slabs on, a new slab is this fraction of all slabs: 1 GiB is 145 slabs.
constexpr std::size_t kSlabsBeforeGrowth = 32;

/// Reserves space for one more element, so that its insertion needs no memory.
template <typename Table>
void make_room(Table& table) {
    if (table.size() + 1 > table.bucket_count()) table.reserve(2 * (table.size() + 1));
}

}  // namespace

class Vault::Draft {
  public:
    Draft(Vault& vault, RecordRef place, std::span<std::byte> payload)
        : vault_(&vault), place_(place), payload_(payload) {}
    Draft(Draft&& other) noexcept
        : vault_(std::exchange(other.vault_, nullptr)),
          place_(other.place_),
          payload_(other.payload_) {}
    Draft& operator=(Draft&&) = delete;
    ~Draft() {
        if (vault_ == nullptr) return;
        vault_->free(place_);
        vault_->drop_if_empty(place_.slab);
    }

    RecordRef place() const { return place_; }
    std::span<std::byte> payload() const { return payload_; }
    void commit() {
        place_.slab->slab.commit(place_.offset);
        vault_ = nullptr;
    }

  private:
    Vault* vault_;
    RecordRef place_;
    std::span<std::byte> payload_;
};

Vault::~Vault() {
    for (const auto& slab : slabs_) {
        if (slab->kept) slab->slab.leave();
    }
}

StatusOr<Vault::Draft> Vault::begin(RecordType type, std::size_t payload_bytes, JobId until_job) {
    const std::uint64_t sequence = next_sequence_++;
    for (const auto& slab : slabs_) {
        if (auto draft = slab->slab.begin(type, payload_bytes, sequence, until_job.value)) {
            return Draft(*this, {slab.get(), draft->offset}, draft->payload);
        }
    }
    const std::size_t bytes = new_slab_bytes(payload_bytes);
    if (slab_bytes_ + bytes > capacity_) {
        return Status::unavailable("the agent's memory for secrets is full (" +
                                   std::to_string(capacity_) +
                                   " bytes; limits.total_bytes in its configuration)");
    }
    auto region = LockedRegion::create(bytes, memory_);
    if (!region) return region.status();
    std::string name = "slab-" + std::to_string(next_name_++);
    if (!slab_suffix_.empty()) name += "-" + slab_suffix_;
    auto fresh =
        std::make_unique<NamedSlab>(NamedSlab{name, false, Slab(std::move(region).value())});
    const auto begun = fresh->slab.begin(type, payload_bytes, sequence, until_job.value);
    slabs_.push_back(std::move(fresh));
    slab_bytes_ += slabs_.back()->slab.size();
    Draft draft(*this, {slabs_.back().get(), begun->offset}, begun->payload);
    keep(*slabs_.back());
    keep_memory_id();
    return draft;
}

/// Slabs grow with the total, so that there are never many of them: systemd compares each
/// descriptor that it is to store with all stored ones (1,000 of them take it 0.8 s). The last one
/// has what is left, if that is enough.
std::size_t Vault::new_slab_bytes(std::size_t payload_bytes) const {
    const auto whole_steps = [](std::size_t bytes) {
        return (bytes + kSlabStep - 1) / kSlabStep * kSlabStep;
    };
    const std::size_t needed = whole_steps(payload_bytes + 2 * Slab::kOverhead + 64);
    const std::size_t grown =
        std::max({kSlabBytes, needed, whole_steps(slab_bytes_ / kSlabsBeforeGrowth)});
    const std::size_t left = slab_bytes_ < capacity_ ? capacity_ - slab_bytes_ : 0;
    return std::max(needed, std::min(grown, left / kSlabStep * kSlabStep));
}

/// Overwrites a record. Returns the number of bytes.
std::size_t Vault::free(RecordRef place) noexcept {
    const std::size_t bytes = place.slab->slab.payload(place.offset).size();
    place.slab->slab.free(place.offset);
    return bytes;
}

void Vault::drop_if_empty(NamedSlab* slab) noexcept {
    if (!slab->slab.empty()) return;
    slab_bytes_ -= slab->slab.size();
    forget(*slab);
    std::erase_if(slabs_, [&](const auto& each) { return each.get() == slab; });
}

/// A vault may hold slabs of both kinds: restored slabs are of the kind that the old process used.
bool Vault::may_keep(const NamedSlab& slab) const {
    return !swap_is_active_ || is_secretmem(slab.slab.fd());
}

void Vault::keep(NamedSlab& slab) {
    if (keeper_ == nullptr || slab.kept || !may_keep(slab)) return;
    slab.kept = keeper_->keep(slab.name, slab.slab.fd());
}

/// Without memory for the call, the FdStore passes an overwritten region to the next process, which
/// rejects it.
void Vault::forget(NamedSlab& slab) noexcept {
    if (!slab.kept) return;
    slab.kept = false;
    try {
        keeper_->forget(slab.name);
    } catch (const std::bad_alloc&) {
    }
}

void Vault::set_swap(bool active) {
    swap_is_active_ = active;
    const bool gives_up = std::any_of(slabs_.begin(), slabs_.end(), [&](const auto& slab) {
        return slab->kept && !may_keep(*slab);
    });
    // A process that found the id without such a slab would take its runs for wiped ones.
    if (gives_up && !kept_id_.forget()) return;
    for (const auto& slab : slabs_) may_keep(*slab) ? keep(*slab) : forget(*slab);
    keep_memory_id();
}

bool Vault::uses_swappable_memory() const {
    return memory_ == MemoryKind::memfd ||
           std::any_of(slabs_.begin(), slabs_.end(),
                       [](const auto& slab) { return !is_secretmem(slab->slab.fd()); });
}

Status Vault::put_run(const RunHead& head, std::span<const NewSecret> secrets) {
    auto record = begin(RecordType::run, run_payload_size(head, secrets), head.until_job);
    if (!record) return record.status();
    write_run(head, secrets, record->payload());
    RunEntry entry = prepare_run(head, record->place());
    record->commit();
    wipe_run(head.id);
    add_run(std::move(entry));
    return Status();
}

/// Does the part of indexing a live record that needs memory; add_run() must follow.
Vault::RunEntry Vault::prepare_run(RunHead head, RecordRef place) {
    Expiries expiry{{head.expires, head.id}};
    std::size_t& of_owner = runs_of_owner_[head.owner.value].runs;
    std::size_t& of_platform = runs_of_platform_[head.platform];
    RunsByJob until;
    if (head.until_job != JobId()) until.emplace(head.until_job, head.id);
    RunId id = head.id;
    Runs run;
    run.emplace(std::move(id), StoredRun{std::move(head), place, {}});
    RunsByOwner of_one{&run.begin()->second.head};
    make_room(runs_);
    ++of_owner;
    ++of_platform;
    return {run.extract(run.begin()), expiry.extract(expiry.begin()),
            of_one.extract(of_one.begin()),
            until.empty() ? RunsByJob::node_type() : until.extract(until.begin())};
}

/// Adds a live record to the index.
void Vault::add_run(RunEntry entry) noexcept {
    StoredRun& stored = entry.run.mapped();
    const std::size_t bytes = stored.place.slab->slab.payload(stored.place.offset).size();
    secret_bytes_ += bytes;
    runs_of_owner_.find(stored.head.owner.value)->second.bytes += bytes;
    stored.expiry = expiries_.insert(std::move(entry.expiry)).position;
    if (entry.until) stored.until = runs_by_job_.insert(std::move(entry.until)).position;
    runs_.insert(std::move(entry.run));
    runs_by_owner_.insert(std::move(entry.of_owner));
}

/// Does the part of indexing a live record that needs memory; add_hold() must follow.
Vault::HoldEntry Vault::prepare_hold(Hold hold, RecordRef place) {
    Holds one;
    const JobId job = hold.job;
    Holders holders;
    for (const Grant& grant : hold.grants) holders.emplace(grant.run, job);
    one.emplace(job, StoredHold{std::move(hold), place});
    make_room(holds_);
    return {one.extract(one.begin()), std::move(holders)};
}

/// Adds a live record to the index, in which the job has none.
void Vault::add_hold(HoldEntry entry) noexcept {
    holds_.insert(std::move(entry.hold));
    holders_.merge(entry.holders);
}

/// Overwrites a run's record and removes the run from the index.
WipedRun Vault::remove(Runs::iterator run) noexcept {
    StoredRun& stored = run->second;
    reads_.close_of(stored.head.owner);
    const std::size_t bytes = free(stored.place);
    secret_bytes_ -= bytes;
    expiries_.erase(stored.expiry);
    if (stored.head.until_job != JobId()) runs_by_job_.erase(stored.until);
    runs_by_owner_.erase(runs_by_owner_.find(&stored.head));
    const auto owner = runs_of_owner_.find(stored.head.owner.value);
    owner->second.bytes -= bytes;
    if (--owner->second.runs == 0) runs_of_owner_.erase(owner);
    const auto platform = runs_of_platform_.find(stored.head.platform);
    if (--platform->second == 0) runs_of_platform_.erase(platform);
    WipedRun wiped{{1, bytes}, std::move(stored.head)};
    runs_.erase(run);
    return wiped;
}

WipedHold Vault::remove(Holds::iterator hold) noexcept {
    WipedHold wiped{{1, free(hold->second.place)}, std::move(hold->second.hold)};
    for (const Grant& grant : wiped.hold->grants) {
        const auto holder = holders_.find(ByRun::View(grant.run, hold->first));
        if (holder != holders_.end()) holders_.erase(holder);
    }
    holds_.erase(hold);
    return wiped;
}

const RunHead* Vault::find_run(const RunId& run) const {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : &found->second.head;
}

std::vector<RunSecret> Vault::secrets_of(const RunId& run) const {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return {};
    const RecordRef& place = found->second.place;
    auto secrets = read_run_secrets(place.slab->slab.payload(place.offset));
    return secrets ? std::move(secrets).value() : std::vector<RunSecret>();
}

std::size_t Vault::runs_of(Uid owner) const {
    const auto found = runs_of_owner_.find(owner.value);
    return found == runs_of_owner_.end() ? 0 : found->second.runs;
}

std::size_t Vault::run_bytes_of(Uid owner) const {
    const auto found = runs_of_owner_.find(owner.value);
    return found == runs_of_owner_.end() ? 0 : found->second.bytes;
}

std::size_t Vault::bytes_of(const RunId& run) const {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return 0;
    const RecordRef& place = found->second.place;
    return place.slab->slab.payload(place.offset).size();
}

WipedRun Vault::take_run(const RunId& run) noexcept {
    const auto found = runs_.find(run);
    if (found == runs_.end()) return {};
    NamedSlab* const slab = found->second.place.slab;
    WipedRun wiped = remove(found);
    drop_if_empty(slab);
    return wiped;
}

const RunHead* Vault::next_to_expire() const noexcept {
    return expiries_.empty() ? nullptr : &runs_.find(expiries_.begin()->second)->second.head;
}

Status Vault::hold(JobId job, Uid owner, const Grant& grant, Time now) {
    const auto found = holds_.find(job);
    Hold hold = found == holds_.end() ? Hold{job, owner, now, {}} : found->second.hold;
    const auto same = std::find_if(hold.grants.begin(), hold.grants.end(), [&](const Grant& other) {
        return other.ask == grant.ask && other.run == grant.run;
    });
    if (same == hold.grants.end()) {
        hold.grants.push_back(grant);
    } else if (same->generation == grant.generation) {
        return Status();
    } else {
        same->generation = grant.generation;
    }
    auto record = begin(RecordType::hold, hold_payload_size(hold));
    if (!record) return record.status();
    write_hold(hold, record->payload());
    auto entry = prepare_hold(std::move(hold), record->place());
    record->commit();
    take_hold_record(job);
    add_hold(std::move(entry));
    return Status();
}

Status Vault::put_cached_grant(const CachedGrant& grant, SecretView image) {
    if (!holds_.contains(grant.job)) {
        return Status::failed("job " + std::to_string(grant.job.value) +
                              " has no hold on this node");
    }
    auto record = begin(RecordType::cached_grant, cached_grant_payload_size(grant, image));
    if (!record) return record.status();
    write_cached_grant(grant, image, record->payload());
    auto entry = prepare_hub_grant(grant, record->place());
    record->commit();
    wipe_cached_grant(grant.job, grant.ask);
    add_hub_grant(std::move(entry));
    return Status();
}

const Hold* Vault::find_hold(JobId job) const {
    const auto found = holds_.find(job);
    return found == holds_.end() ? nullptr : &found->second.hold;
}

WipedHold Vault::take_hold_record(JobId job) noexcept {
    const auto found = holds_.find(job);
    if (found == holds_.end()) return {};
    NamedSlab* const slab = found->second.place.slab;
    WipedHold wiped = remove(found);
    drop_if_empty(slab);
    return wiped;
}

WipedHold Vault::take_hold(JobId job) noexcept {
    WipedHold wiped = take_hold_record(job);
    reads_.end(job);
    wiped.receipt += wipe_hub_grants_of(job);
    return wiped;
}

StatusOr<Delivery> Vault::deliver(std::span<const DeliveryEntry> entries) const {
    const std::size_t length = delivery_size(entries);
    auto region = LockedRegion::create(length, memory_);
    if (!region) return region.status();
    if (Status wrong = write_delivery(entries, region->bytes()); !wrong.ok()) return wrong;
    return Delivery{region->unmap_and_release(), static_cast<std::uint32_t>(length)};
}

WipeReceipt Vault::wipe_all() noexcept {
    WipeReceipt wiped{runs_.size() + holds_.size() + hub_grants_.size(), slab_bytes_};
    runs_by_owner_.clear();
    runs_by_job_.clear();
    runs_.clear();
    expiries_.clear();
    runs_of_owner_.clear();
    runs_of_platform_.clear();
    holders_.clear();
    holds_.clear();
    hub_grants_.clear();
    reads_.end_all();
    hub_grant_spec_bytes_ = 0;
    kept_id_.forget();
    for (const auto& slab : slabs_) forget(*slab);
    slabs_.clear();  // destroying a region overwrites it
    slab_bytes_ = 0;
    secret_bytes_ = 0;
    return wiped;
}

WipeReceipt Vault::wipe_unkept() noexcept {
    WipeReceipt all;
    for (auto run = runs_.begin(); run != runs_.end();) {
        const auto each = run++;
        if (!each->second.place.slab->kept) all += wipe_run(each->first);
    }
    for (auto hold = holds_.begin(); hold != holds_.end();) {
        const auto each = hold++;
        if (!each->second.place.slab->kept) all += wipe_hold(each->first);
    }
    for (auto grant = hub_grants_.begin(); grant != hub_grants_.end();) {
        const auto each = grant++;
        if (!each->second.place.slab->kept) all += wipe(each);
    }
    return all;
}

Inventory Vault::inventory() const {
    const auto kept = static_cast<std::size_t>(
        std::count_if(slabs_.begin(), slabs_.end(), [](const auto& slab) { return slab->kept; }));
    return {runs_.size(), holds_.size(), slabs_.size(),     kept,
            slab_bytes_,  secret_bytes_, hub_grants_.size()};
}

}  // namespace secrets::vault
