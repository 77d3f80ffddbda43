// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/job_randoms.h"

#include <string.h>
#include <sys/random.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "common/secure_memory/locked_region.h"

namespace secrets::service {
namespace {

/// In place of a secret spec, which cannot have this text.
constexpr const char* kMadeSpec = ":random";

StatusOr<SecretBuffer> make_digits(std::size_t count) {
    SecretBuffer bytes(count);
    if (getrandom(bytes.bytes().data(), count, 0) != static_cast<ssize_t>(count))
        return Status::unavailable("cannot make a random secret: no random bytes");
    constexpr std::string_view kDigits = "0123456789abcdef";
    SecretBuffer digits(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto byte = std::to_integer<unsigned>(bytes.bytes()[i]);
        digits.bytes()[2 * i] = static_cast<std::byte>(kDigits[byte >> 4]);
        digits.bytes()[2 * i + 1] = static_cast<std::byte>(kDigits[byte & 0xf]);
    }
    return digits;
}

Status too_many(JobId job) {
    return {StatusCode::too_large,
            "cannot make another random secret: job " + std::to_string(job.value) + " has " +
                std::to_string(kMaxSpecItems) +
                " of them, which is the limit; request the same names in all its steps"};
}

SecretBuffer copy_of(SecretView value) {
    SecretBuffer copy(value.size());
    if (value.size() > 0) memcpy(copy.bytes().data(), value.bytes().data(), value.size());
    return copy;
}

}  // namespace

Status MadeValues::why_lost(JobId job) const {
    if (!has_new) return Status();
    return {StatusCode::not_found, "the value of " + values.back().name +
                                       " that was made for the job is lost; requeue it: scontrol "
                                       "requeue " +
                                       std::to_string(job.value)};
}

bool requests_random(const SecretSpec& spec) {
    return std::any_of(spec.items.begin(), spec.items.end(),
                       [](const SpecItem& item) { return item.is_random(); });
}

vault::Grant JobRandoms::hold_of_hub() {
    return {kMadeSpec, "", 0};
}

bool JobRandoms::is_of_hub(const vault::Hold& hold) {
    return !hold.grants.empty() &&
           std::all_of(hold.grants.begin(), hold.grants.end(),
                       [](const vault::Grant& grant) { return grant.ask == kMadeSpec; });
}

StatusOr<MadeValues> JobRandoms::read(JobId job) const {
    MadeValues made;
    if (vault_.find_cached_grant(job, kMadeSpec) == nullptr) return made;
    const auto record = vault_.deliver_cached_grant(job, kMadeSpec);
    if (!record) return record.status();
    const auto view = RegionView::map(record->fd.get());
    if (!view) return view.status();
    const auto entries = read_delivery(view->bytes());
    if (!entries) return entries.status();
    for (const DeliveryEntry& entry : *entries)
        made.values.push_back({std::string(entry.secret), copy_of(entry.value)});
    return made;
}

StatusOr<MadeValues> JobRandoms::values_for(JobId job, std::span<ItemAnswer> answers) const {
    const bool is_needed = std::any_of(answers.begin(), answers.end(), [](const auto& answer) {
        return answer.found && answer.source == Source::random;
    });
    if (!is_needed) return MadeValues();
    auto made = read(job);
    if (!made) return made;
    for (ItemAnswer& answer : answers) {
        if (!answer.found || answer.source != Source::random) continue;
        const auto is_it = [&](const MadeValues::Value& value) {
            return value.name == answer.item.name && value.digits.size() == answer.bytes;
        };
        auto found = std::find_if(made->values.begin(), made->values.end(), is_it);
        if (found == made->values.end()) {
            if (made->values.size() >= kMaxSpecItems) return too_many(job);
            auto digits = make_digits(answer.item.random_bytes);
            if (!digits) return digits.status();
            made->values.push_back({answer.item.name, std::move(digits).value()});
            made->has_new = true;
            found = std::prev(made->values.end());
        }
        answer.value = found->digits.view();  // the bytes do not move when `values` grows
    }
    return made;
}

Status JobRandoms::keep(JobId job, Uid owner, const MadeValues& made) {
    if (!made.has_new) return Status();
    std::vector<std::string> variables;
    variables.reserve(made.values.size());
    std::vector<DeliveryEntry> entries;
    for (const MadeValues::Value& value : made.values) {
        variables.push_back(variable_for(value.name));
        entries.push_back({variables.back(), value.digits.view(), value.name, true});
    }
    SecretBuffer image(delivery_size(entries));
    if (Status wrong = write_delivery(entries, image.bytes()); !wrong.ok()) return wrong;
    return vault_.put_cached_grant({job, owner, kMadeSpec, "", ""}, image.view());
}

}  // namespace secrets::service
