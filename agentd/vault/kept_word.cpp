// SPDX-License-Identifier: Apache-2.0
#include "agentd/vault/kept_word.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <utility>

#include "common/base/unique_fd.h"

namespace secrets::vault {
namespace {

/// The longest name that systemd stores.
constexpr std::size_t kMaxNameBytes = 255;

bool is_storable(const std::string& name) {
    return name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char each) {
               return each > ' ' && each < 127 && each != ':';
           });
}

}  // namespace

void KeptWord::take_over(const std::vector<std::string>& words) {
    if (keeper_ == nullptr) return;
    stored_ = words;
    if (stored_.size() > 1) forget();
}

void KeptWord::keep(const std::string& word) {
    if (keeper_ == nullptr || word == text()) return;
    forget();
    const std::string name = prefix_ + word;
    if (word.empty() || !is_storable(name)) return;
    std::vector<std::string> stored = stored_;
    stored.push_back(word);
    // The FdStore tells descriptors apart by their files, so that each word has one of its own.
    const UniqueFd empty(memfd_create("slurm-secrets-word", MFD_CLOEXEC));
    if (empty && keeper_->keep(name, empty.get())) stored_ = std::move(stored);
}

/// Without memory for the call, the word stays.
bool KeptWord::forget() noexcept {
    try {
        while (!stored_.empty()) {
            if (!keeper_->forget(prefix_ + stored_.back())) return false;
            stored_.pop_back();
        }
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

}  // namespace secrets::vault
