#include "agentd/desk/resolve.h"

#include <algorithm>
#include <map>
#include <set>

#include "agentd/audit/events.h"
#include "common/names.h"

namespace secrets::desk {
namespace {

bool has_nul(SecretView value) {
    const auto bytes = value.bytes();
    return std::find(bytes.begin(), bytes.end(), std::byte{0}) != bytes.end();
}

/// The secret that each name stands for: the user's before the workspace's.
using ByName = std::map<std::string_view, const vault::StoredSecret*>;

ByName by_name(std::span<const vault::StoredSecret> stored) {
    ByName names;
    for (const vault::StoredSecret& secret : stored) {
        const vault::StoredSecret*& taken = names[secret.name];
        if (taken == nullptr || secret.scope == vault::Scope::user) taken = &secret;
    }
    return names;
}

/// An item for each variable that the run can set; where two names become one variable, the user's.
std::vector<AskItem> all_items(const ByName& names) {
    std::vector<AskItem> items;
    std::set<std::string> variables;
    for (const vault::Scope scope : {vault::Scope::user, vault::Scope::workspace}) {
        for (const auto& [name, secret] : names) {
            if (secret->scope != scope) continue;
            AskItem item{std::string(name), variable_for(name), false};
            if (variables.insert(item.variable).second) items.push_back(std::move(item));
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
    const ByName names = by_name(stored);
    std::vector<ItemAnswer> answers;
    for (AskItem& item : ask.wants_all_of_run() ? all_items(names) : std::vector(ask.items)) {
        ItemAnswer answer;
        answer.item = std::move(item);
        const auto found = names.find(answer.item.name);
        const vault::StoredSecret* secret = found == names.end() ? nullptr : found->second;
        if (secret == nullptr) {
            answer.reason = "secret " + answer.item.name + " " + missing_from(ask);
        } else if (has_nul(secret->value)) {
            answer.reason =
                "secret " + answer.item.name + " holds a NUL byte, which a variable can't hold";
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

std::vector<std::string> names_of(std::span<const ItemAnswer> answers) {
    std::vector<std::string> names;
    for (const ItemAnswer& answer : answers) {
        if (answer.found) names.push_back(answer.item.name);
    }
    return names;
}

std::string listed(std::span<const ItemAnswer> answers) {
    std::vector<std::string> texts;
    for (const ItemAnswer& answer : answers) {
        if (!answer.found) continue;
        const AskItem& item = answer.item;
        const bool usual = item.variable == usual_variable(item.name, item.form);
        texts.push_back(usual ? item.name : item.name + " (as " + item.variable + ")");
    }
    return audit::listed(texts);
}

std::vector<DeliveryEntry> entries_of(std::span<const ItemAnswer> answers) {
    std::vector<DeliveryEntry> entries;
    for (const ItemAnswer& answer : answers) {
        if (answer.found) entries.push_back({answer.item.variable, answer.secret.value});
    }
    return entries;
}

}  // namespace secrets::desk
