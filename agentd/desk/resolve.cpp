#include "agentd/desk/resolve.h"

#include <algorithm>

#include "common/names.h"

namespace secrets::desk {
namespace {

bool has_nul(SecretView value) {
    const auto bytes = value.bytes();
    return std::find(bytes.begin(), bytes.end(), std::byte{0}) != bytes.end();
}

const vault::StoredSecret* find(std::string_view name,
                                std::span<const vault::StoredSecret> stored) {
    const vault::StoredSecret* found = nullptr;
    for (const vault::StoredSecret& secret : stored) {
        if (secret.name != name) continue;
        if (secret.scope == vault::Scope::user) return &secret;
        found = &secret;
    }
    return found;
}

/// An item for each variable that the run can set; where two names become one variable, the user's.
std::vector<AskItem> all_items(std::span<const vault::StoredSecret> stored) {
    std::vector<AskItem> items;
    for (const vault::Scope scope : {vault::Scope::user, vault::Scope::workspace}) {
        for (const vault::StoredSecret& secret : stored) {
            if (secret.scope != scope) continue;
            AskItem item{std::string(secret.name), variable_for(secret.name), false};
            const bool taken = std::any_of(items.begin(), items.end(), [&](const AskItem& other) {
                return other.variable == item.variable;
            });
            if (!taken) items.push_back(std::move(item));
        }
    }
    return items;
}

std::string missing_from(const Ask& ask) {
    if (!ask.run) return "is not known: the job names no run (--secrets-run=RUN)";
    return "is not among the secrets of run " + ask.run->text();
}

}  // namespace

std::vector<ItemAnswer> resolve(const Ask& ask, std::span<const vault::StoredSecret> stored) {
    std::vector<ItemAnswer> answers;
    for (AskItem& item : ask.wants_all_of_run() ? all_items(stored) : std::vector(ask.items)) {
        ItemAnswer answer;
        answer.item = std::move(item);
        const vault::StoredSecret* secret = find(answer.item.name, stored);
        if (secret == nullptr) {
            answer.reason = "secret " + answer.item.name + " " + missing_from(ask);
        } else if (has_nul(secret->value)) {
            answer.reason = "secret " + answer.item.name +
                            " holds a NUL byte, which a variable can't hold";
            // Optional means that it may be missing, not that it may be unfit.
            answer.item.optional = false;
        } else {
            answer.found = true;
            answer.secret = *secret;
        }
        answers.push_back(std::move(answer));
    }
    return answers;
}

std::string failures_of(std::span<const ItemAnswer> answers) {
    constexpr std::size_t kMostNamed = 5;
    std::string sentence;
    std::size_t failed = 0;
    for (const ItemAnswer& answer : answers) {
        if (!answer.failed() || ++failed > kMostNamed) continue;
        sentence += (sentence.empty() ? "" : "; ") + answer.reason;
    }
    if (failed > kMostNamed) sentence += "; and " + std::to_string(failed - kMostNamed) + " more";
    return sentence;
}

std::vector<DeliveryEntry> entries_of(std::span<const ItemAnswer> answers) {
    std::vector<DeliveryEntry> entries;
    for (const ItemAnswer& answer : answers) {
        if (answer.found) entries.push_back({answer.item.variable, answer.secret.value});
    }
    return entries;
}

}  // namespace secrets::desk
