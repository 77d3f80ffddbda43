// SPDX-License-Identifier: Apache-2.0
#pragma once
// Protects the stored secrets of a user whose number another user was given later.

#include "agentd/store/secret_store.h"

namespace secrets::service {

/// Returns why the stored secrets of `owner` must not be given to the user who has the number now:
/// a user of another name stored them. Returns `pending` while the name is looked up. A name that
/// cannot be looked up is no other name.
Status check_owner_name(const store::SecretStore& store, const store::Owner& owner);

/// Records the name of the user who uses the stored secrets of `owner`, if none is recorded and the
/// name is known.
void note_owner_name(store::SecretStore& store, const store::Owner& owner);

}  // namespace secrets::service
