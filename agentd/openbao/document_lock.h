// SPDX-License-Identifier: Apache-2.0
#pragma once
// References to documents, and locks to read or change them.

#include "agentd/openbao/replica.h"

namespace secrets::openbao {

/// Keeps the state of a document for as long as the reference lives.
class Replica::DocumentRef {
  public:
    DocumentRef(Replica& replica, Key key)
        : replica_(replica), entry_(replica.known_.try_emplace(std::move(key)).first) {
        ++known().users;
    }
    DocumentRef(const DocumentRef&) = delete;
    DocumentRef& operator=(const DocumentRef&) = delete;
    ~DocumentRef() {
        const bool is_nothing = known().version == 0 && !known().exists && !known().complained &&
                                !known().unknown_write;
        if (--known().users == 0 && is_nothing) replica_.known_.erase(entry_);
    }

    const Key& key() const { return entry_->first; }
    DocumentState& known() { return entry_->second; }

  private:
    Replica& replica_;
    std::map<Key, DocumentState>::iterator entry_;
};

/// Locks a document: while the lock lives, no other code reads or changes the document. A change of
/// the local copy is forgotten at the end of the lock, also by an exception, unless it was
/// committed. To be made when the document is not busy.
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
        if (is_changed_) {
            known.exists = false;
            known.read_at = {};
        }
        known.busy = known.changing = false;
        known.waiting.wake();
    }

    DocumentRef& use() { return use_; }
    /// Notes that the local copy is about to be changed: it is read anew before any use, unless
    /// commit() is called.
    void begin_change() { is_changed_ = true; }
    /// Notes that the document in OpenBao is as the local copy.
    void commit() { is_changed_ = false; }

  private:
    DocumentRef use_;
    bool is_changed_ = false;
};

}  // namespace secrets::openbao
