#pragma once
// Who refers to a document, and whose turn it is to change one.

#include "agentd/openbao/replica.h"

namespace secrets::openbao {

/// Keeps what is known of a document as long as it lives.
class Truth::Use {
  public:
    Use(Truth& truth, Key key)
        : truth_(truth), place_(truth.known_.try_emplace(std::move(key)).first) {
        ++known().users;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
        const bool is_nothing = known().version == 0 && !known().exists;
        if (--known().users == 0 && is_nothing) truth_.known_.erase(place_);
    }

    const Key& key() const { return place_->first; }
    Known& known() { return place_->second; }

  private:
    Truth& truth_;
    std::map<Key, Known>::iterator place_;
};

/// While it lives nobody else reads or changes the document; to be made when it is not busy.
class Truth::Turn {
  public:
    Turn(Truth& truth, const Key& key, bool to_change) : use_(truth, key) {
        use_.known().busy = true;
        use_.known().changing = to_change;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
        Known& known = use_.known();
        known.busy = known.changing = false;
        known.waiting.wake();
    }

    Use& use() { return use_; }
    /// What is here may be wrong: it is to be read anew before anybody uses it.
    void forget() {
        use_.known().exists = false;
        use_.known().read_at = {};
    }

  private:
    Use use_;
};

}  // namespace secrets::openbao
