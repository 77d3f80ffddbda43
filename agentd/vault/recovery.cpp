// SPDX-License-Identifier: Apache-2.0
// The vault after a restart: rebuilds the index from the slabs that were found.

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agentd/vault/vault.h"
#include "common/base/text_encoding.h"

namespace secrets::vault {
namespace {

/// Returns the number in a name such as slab-12; 0 for any other name.
std::uint64_t number_in(const std::string& name) {
    const std::size_t dash = name.find('-');
    std::uint64_t number = 0;
    if (dash != name.npos) std::from_chars(name.data() + dash + 1, &name.back() + 1, number);
    return number;
}

/// Fails, and overwrites the whole region, if its content can't be trusted.
StatusOr<Slab> open_slab(UniqueFd fd, std::size_t& dropped) {
    auto region = LockedRegion::adopt(std::move(fd));
    if (!region) return region.status();
    return Slab::reopen(std::move(region).value(), dropped);
}

}  // namespace

void Vault::find_memory(const std::vector<std::string>& found) {
    kept_id_.take_over(found);
    found_id_ = kept_id_.text();
    kept_id_.forget();
}

RecoveryReport Vault::restore(std::vector<FoundSlab> found) {
    RecoveryReport restored;
    for (FoundSlab& each : found) {
        next_name_ = std::max(next_name_, number_in(each.name) + 1);
        auto slab = open_slab(std::move(each.fd), restored.dropped);
        if (!slab) {
            restored.refused.push_back(each.name + ": " + slab.status().message());
            if (keeper_ != nullptr) keeper_->forget(each.name);
            continue;
        }
        slabs_.push_back(
            std::make_unique<NamedSlab>(NamedSlab{each.name, true, std::move(slab).value()}));
        slab_bytes_ += slabs_.back()->slab.size();
    }
    std::vector<NamedSlab*> slabs;
    std::size_t all_records = 0;
    for (const auto& slab : slabs_) {
        slabs.push_back(slab.get());
        all_records += slab->slab.records();
    }
    runs_.reserve(all_records);  // job starts wait for this: growing step by step takes longer
    for (NamedSlab* slab : slabs) {
        std::vector<RecordFound> records;
        records.reserve(slab->slab.records());
        slab->slab.for_each([&](const RecordFound& record) { records.push_back(record); });
        for (const RecordFound& record : records) {
            const Finding finding = index(*slab, record);
            if (finding == Finding::taken) continue;
            slab->slab.free(record.offset);
            if (finding == Finding::malformed) ++restored.dropped;
        }
    }
    remove_hub_grants_without_hold();
    // After all slabs are read: a newer record in another slab may have left a slab empty.
    for (NamedSlab* slab : slabs) drop_if_empty(slab);
    set_swap(swap_is_active_);
    restored_all_ = restored.refused.empty() && restored.dropped == 0;
    restored.slabs = slabs_.size();
    restored.runs = runs_.size();
    restored.holds = holds_.size();
    restored.cached_grants = hub_grants_.size();
    return restored;
}

void Vault::begin_memory() {
    if (restored_all_ && !found_id_.empty()) {
        memory_id_ = found_id_;
        return keep_memory_id();
    }
    std::array<std::byte, 8> random{};
    const bool is_made = getrandom(random.data(), random.size(), 0) == ssize_t{random.size()};
    memory_id_ = is_made ? to_hex(random) : "";
    keep_memory_id();
}

/// Keeps the id as long as the next process would find all that it names. Without memory for that
/// the next process has another id.
void Vault::keep_memory_id() noexcept {
    if (memory_id_.empty()) return;
    const bool keeps_all =
        std::all_of(slabs_.begin(), slabs_.end(), [](const auto& slab) { return slab->kept; });
    if (!keeps_all) {
        kept_id_.forget();
        return;
    }
    try {
        kept_id_.keep(memory_id_);
    } catch (const std::bad_alloc&) {
    }
}

Vault::Finding Vault::index(NamedSlab& slab, const RecordFound& record) {
    next_sequence_ = std::max(next_sequence_, record.sequence + 1);
    const RecordRef place{&slab, record.offset};
    switch (record.type) {
        case RecordType::run:
            return index_run(place, record.payload, JobId{record.job});
        case RecordType::hold:
            return index_hold(place, record.payload);
        case RecordType::cached_grant:
            return index_hub_grant(place, record.payload);
    }
    return Finding::malformed;
}

/// Whether `a` was written after `b`.
bool Vault::is_newer(RecordRef a, RecordRef b) {
    return a.slab->slab.sequence(a.offset) > b.slab->slab.sequence(b.offset);
}

Vault::Finding Vault::index_run(RecordRef place, std::span<const std::byte> payload,
                                JobId until_job) {
    auto head = read_run_head(payload);
    if (!head) return Finding::malformed;
    head->until_job = until_job;
    if (const auto other = runs_.find(head->id); other != runs_.end()) {
        if (!is_newer(place, other->second.place)) return Finding::superseded;
        remove(other);
    }
    add_run(prepare_run(std::move(head).value(), place));
    return Finding::taken;
}

Vault::Finding Vault::index_hold(RecordRef place, std::span<const std::byte> payload) {
    auto hold = read_hold(payload);
    if (!hold) return Finding::malformed;
    if (const auto other = holds_.find(hold->job); other != holds_.end()) {
        if (!is_newer(place, other->second.place)) return Finding::superseded;
        remove(other);
    }
    add_hold(prepare_hold(std::move(hold).value(), place));
    return Finding::taken;
}

}  // namespace secrets::vault
