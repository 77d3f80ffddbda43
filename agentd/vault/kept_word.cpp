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
    if (words.size() == 1) {
        text_ = words.front();
        return;
    }
    for (const std::string& word : words) keeper_->forget(prefix_ + word);
}

void KeptWord::keep(const std::string& word) {
    if (keeper_ == nullptr || word == text_) return;
    forget();
    const std::string name = prefix_ + word;
    if (word.empty() || !is_storable(name)) return;
    // The FdStore tells descriptors apart by their files, so that each word has one of its own.
    const UniqueFd empty(memfd_create("slurm-secrets-word", MFD_CLOEXEC));
    if (empty && keeper_->keep(name, empty.get())) text_ = word;
}

/// Without memory for the call, the next process finds the word all the same.
void KeptWord::forget() noexcept {
    if (text_.empty()) return;
    try {
        keeper_->forget(prefix_ + text_);
    } catch (const std::bad_alloc&) {
        return;
    }
    text_.clear();
}

}  // namespace secrets::vault
