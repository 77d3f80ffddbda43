// SPDX-License-Identifier: Apache-2.0
// Promise: each kind of event has an id of its own that never changes its meaning, and the
// journal's catalog and the documentation know the same ones. No value can get into an event.

#include "agentd/audit/event.h"

#include <algorithm>
#include <regex>
#include <set>
#include <type_traits>

#include "common/secure_memory/wipe.h"
#include "tests/unit/catch.h"
#include "tests/unit/small_disk.h"

namespace secrets::audit {
namespace {

std::multiset<std::string> found_in(const std::string& file, const std::string& pattern) {
    const std::string text = content_of(std::string(SOURCE_FOLDER) + "/" + file);
    const std::regex regex(pattern);
    std::multiset<std::string> found;
    for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
        found.insert((*match)[1]);
    }
    return found;
}

std::multiset<std::string> all_ids() {
    std::multiset<std::string> ids;
    for (const KindInfo& info : all_kinds()) ids.emplace(info.message_id);
    return ids;
}

TEST_CASE("Event kinds: have a unique message id and an action each") {
    const auto ids = all_ids();
    for (const std::string& id : ids) {
        CAPTURE(id);
        CHECK(id.size() == 32);
        CHECK(id.find_first_not_of("0123456789abcdef") == id.npos);
        CHECK(ids.count(id) == 1);
    }
    for (const KindInfo& info : all_kinds()) {
        CHECK(!info.action.empty());
        CHECK(&info_of(info.kind) == &info);
        const bool is_summed_up = info.action == "refuse" || info.action == "revoke";
        CHECK(is_summed_up == !info.limited.empty());
    }
}

TEST_CASE("Event kinds: match the message ids of the journal catalog") {
    CHECK(found_in("systemd/slurm-secrets.catalog", "-- ([0-9a-f]{32})\n") == all_ids());
    CHECK(found_in("systemd/slurm-secrets.catalog", "\n(Subject): .").size() == all_ids().size());
}

TEST_CASE("Event kinds: match the ids with actions and levels in docs/audit.md") {
    for (const KindInfo& info : all_kinds()) {
        const std::string row = "| `" + std::string(info.action) + "` | `" +
                                std::string(info.message_id) + "` | " +
                                std::string(level_word(info.level)) + " | ";
        CAPTURE(row);
        CHECK(content_of(std::string(SOURCE_FOLDER) + "/docs/audit.md").find(row) !=
              std::string::npos);
    }
    CHECK(found_in("docs/audit.md", "`([0-9a-f]{32})`") == all_ids());
}

TEST_CASE("Event: shortens a long list of names in a message") {
    CHECK(listed({}) == "no secrets");
    CHECK(listed({"A"}) == "A");
    CHECK(listed({"A", "B", "C"}) == "A, B, C");
    const std::string text = listed(std::vector<std::string>(1000, "A"));
    CHECK(text.ends_with(", A and 990 more"));
    CHECK(std::count(text.begin(), text.end(), 'A') == 10);
}

TEST_CASE("Event: names special steps as Slurm commands do") {
    CHECK(step_word(StepId{0}) == "0");
    CHECK(step_word(StepId{4711}) == "4711");
    CHECK(step_word(StepId{0xfffffffb}) == "batch");
    CHECK(step_word(StepId{0xfffffffa}) == "interactive");
    CHECK(step_word(StepId{0xfffffffc}) == "extern");
}

/// Whether a field of an event could be made of a T.
template <typename T>
constexpr bool kFitsIntoAnEvent =
    std::is_constructible_v<std::string, T> || std::is_assignable_v<std::string&, T> ||
    std::is_constructible_v<std::vector<std::string>, T> || std::is_convertible_v<T, Account> ||
    std::is_convertible_v<T, std::uint64_t>;
static_assert(!kFitsIntoAnEvent<SecretView> && !kFitsIntoAnEvent<SecretBuffer>);
static_assert(kFitsIntoAnEvent<std::string_view>);

}  // namespace
}  // namespace secrets::audit
