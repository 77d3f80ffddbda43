// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/fake_users.h"

namespace secrets::auth {
namespace {

/// Installs the users of the tests before any test runs.
const bool installed = [] {
    use_database(&fake_users());
    return true;
}();

}  // namespace
}  // namespace secrets::auth
