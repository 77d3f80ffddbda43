// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/answer.h"
#include "ctl/doctor/checks.h"

namespace secrets::ctl::doctor {

Finding check_store(const Site& site) {
    if (!site.status) return skipped("the agent does not respond");
    const auto* store = site.status->if_contains("store");
    if (store == nullptr || !store->is_object()) return skipped("this agent does not report it");
    const auto& object = store->get_object();
    if (text_of(object, "state") == "open") {
        return ok("open, with its key: " + text_of(object, "secrets") + " secrets");
    }
    if (site.status->contains("hubs")) return ok("none: users' secrets are stored on the hub");
    if (object.contains("trouble")) {
        // The sentence has the ways out: they differ by what is wrong.
        return fail("closed: " + text_of(object, "trouble"),
                    "the agent goes on with runs; follow the sentence, and restart the agent");
    }
    return warn("none: users cannot store secrets on this node");
}

}  // namespace secrets::ctl::doctor
