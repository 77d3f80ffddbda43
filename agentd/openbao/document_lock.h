// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who refers to a document, and whose lock it is to change one.

#include "agentd/openbao/replica.h"

namespace secrets::openbao {

/// Keeps what is known of a document as long as it lives.
class Replica::DocumentRef {
  public:
    DocumentRef(Replica& replica, Key key)
        : replica_(replica), place_(replica.known_.try_emplace(std::move(key)).first) {
        ++known().users;
    }
    DocumentRef(const DocumentRef&) = delete;
    DocumentRef& operator=(const DocumentRef&) = delete;
    ~DocumentRef() {
        const bool is_nothing = known().version == 0 && !known().exists;
        if (--known().users == 0 && is_nothing) replica_.known_.erase(place_);
    }

    const Key& key() const { return place_->first; }
    DocumentState& known() { return place_->second; }

  private:
    Replica& replica_;
    std::map<Key, DocumentState>::iterator place_;
};

/// While it lives nobody else reads or changes the document; to be made when it is not busy.
class Replica::DocumentLock {
  public:
    DocumentLock(Replica& replica, const Key& key, bool to_change) : use_(replica, key) {
        use_.known().busy = true;
        use_.known().changing = to_change;
    }
    DocumentLock(const DocumentLock&) = delete;
    DocumentLock& operator=(const DocumentLock&) = delete;
    ~DocumentLock() {
        DocumentState& known = use_.known();
        known.busy = known.changing = false;
        known.waiting.wake();
    }

    DocumentRef& use() { return use_; }
    /// What is here may be wrong: it is to be read anew before anybody uses it.
    void forget() {
        use_.known().exists = false;
        use_.known().read_at = {};
    }

  private:
    DocumentRef use_;
};

}  // namespace secrets::openbao
