// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/resolver.h"

#include <map>
#include <set>

#include "agentd/audit/event.h"
#include "agentd/service/denials.h"
#include "common/base/names.h"

namespace secrets::service {
namespace {

/// The run's secret of each name: the user's before the workspace's.
using ByName = std::map<std::string_view, const vault::RunSecret*>;

ByName by_name(std::span<const vault::RunSecret> stored) {
    ByName names;
    for (const vault::RunSecret& secret : stored) {
        const vault::RunSecret*& taken = names[secret.name];
        if (taken == nullptr || secret.scope == vault::Scope::user) taken = &secret;
    }
    return names;
}

/// Returns an item for each variable that the run can set. If two names become one variable, the
/// user's wins.
std::vector<SpecItem> all_items(const ByName& names) {
    std::vector<SpecItem> items;
    std::set<std::string> variables;
    for (const vault::Scope scope : {vault::Scope::user, vault::Scope::workspace}) {
        for (const auto& [name, secret] : names) {
            if (secret->scope != scope) continue;
            SpecItem item{std::string(name), variable_for(name), false};
            if (variables.insert(item.variable).second) items.push_back(std::move(item));
        }
    }
    return items;
}

/// Searches the secrets of one user, in the order of precedence.
class Search {
  public:
    Search(const SecretSpec& ask, const ByName& of_run, const AvailableSecrets& kept)
        : ask_(ask), of_run_(of_run), kept_(kept) {}

    ItemAnswer answer(SpecItem item) const {
        ItemAnswer answer;
        answer.item = std::move(item);
        if (answer.item.is_random()) {
            make(answer);
            return answer;
        }
        if (from_run(answer)) return answer;
        if (kept_.closed) {
            answer.unknown = Status::unavailable("cannot look up secret " + answer.item.name +
                                                 ": " + store_is_closed());
            return answer;
        }
        if (!from_user(answer) && !from_workspaces(answer)) {
            answer.reason = "secret " + answer.item.name + " " + why_missing(answer.item.name);
        }
        return answer;
    }

  private:
    /// Answers with a value that is made when the job is granted it, as hexadecimal digits.
    void make(ItemAnswer& answer) const {
        answer.source = Source::random;
        answer.bytes = 2 * answer.item.random_bytes;
        answer.found = kept_.can_make;
        if (answer.found) return;
        answer.reason = "cannot make the random secret " + answer.item.name +
                        ": hubs that share OpenBao do not agree on such values; set it instead: "
                        "secretctl set " +
                        answer.item.name;
    }

    static void find(ItemAnswer& answer, bool has_nul) {
        if (!has_nul || answer.item.form != ItemForm::env) {
            answer.found = true;
            return;
        }
        answer.reason =
            "secret " + answer.item.name +
            " contains a NUL byte, which a variable cannot hold; request it as a file (" +
            answer.item.name + ":file)";
        // An optional secret may be missing, but not unfit.
        answer.item.optional = false;
    }

    bool from_run(ItemAnswer& answer) const {
        const auto found = of_run_.find(answer.item.name);
        if (found == of_run_.end()) return false;
        answer.source = Source::run;
        answer.value = found->second->value;
        answer.bytes = answer.value.size();
        find(answer, answer.value.has_nul());
        return true;
    }

    const store::SecretHead* kept(const store::Owner& owner, const std::string& name) const {
        const store::SecretHead* head = kept_.store->find(owner, name);
        return head == nullptr || (head->due && *head->due <= kept_.now) ? nullptr : head;
    }

    /// Answers from a stored secret, unless the secret was tampered with.
    static void take(ItemAnswer& answer, const store::SecretHead& head, const std::string& whose) {
        if (head.damaged) {
            answer.reason = "secret " + answer.item.name + " of " + whose +
                            " was altered in the agent's store and is not used; set it again";
            answer.item.optional = false;
            return;
        }
        answer.bytes = head.bytes;
        answer.expires = head.expires;
        answer.due = head.due;
        find(answer, head.has_nul);
    }

    bool from_user(ItemAnswer& answer) const {
        if (kept_.store == nullptr) return false;
        const auto* head = kept(store::Owner::user(kept_.uid), answer.item.name);
        if (head == nullptr) return false;
        if (!kept_.other_owner.ok()) {
            answer.reason = "secret " + answer.item.name + ": " + kept_.other_owner.message();
            return !answer.item.optional;
        }
        answer.source = Source::user;
        take(answer, *head, kept_.user);
        return true;
    }

    bool from_workspaces(ItemAnswer& answer) const {
        if (kept_.store == nullptr) return false;
        std::vector<std::string> having;
        for (const std::string& workspace : kept_.workspaces) {
            if (kept(store::Owner::workspace_named(workspace), answer.item.name) != nullptr) {
                having.push_back(workspace);
            }
        }
        if (having.size() < 2) {
            for (const Undecided& undecided : kept_.undecided) {
                const auto owner = store::Owner::workspace_named(undecided.workspace);
                if (kept(owner, answer.item.name) == nullptr) continue;
                answer.unknown = undecided.why;
                return true;
            }
        }
        if (having.empty()) return false;
        answer.source = Source::workspace;
        answer.workspace = having.front();
        if (having.size() > 1) {
            answer.reason = "secret " + answer.item.name + " is in the workspaces " +
                            audit::listed(having) +
                            "; choose one with --workspace=" + having.front();
            answer.item.optional = false;
            return true;
        }
        take(answer, *kept(store::Owner::workspace_named(having.front()), answer.item.name),
             "workspace " + having.front());
        return true;
    }

    std::string why_missing(const std::string& name) const {
        if (kept_.store == nullptr) {
            return ask_.run ? "is not among the secrets of run " + ask_.run->text()
                            : "is not known: the job names no run (--secrets-run=RUN)";
        }
        std::string why =
            ask_.run ? "is not among the secrets of run " + ask_.run->text() + ", and " : "is ";
        why += "not set for " + kept_.user;
        if (ask_.workspace) why += " nor in workspace " + *ask_.workspace;
        return why + "; set it with: secretctl set " + name;
    }

    const SecretSpec& ask_;
    const ByName& of_run_;
    const AvailableSecrets& kept_;
};

}  // namespace

const char* source_word(Source source) {
    switch (source) {
        case Source::run:
            return "run";
        case Source::user:
            return "user";
        case Source::workspace:
            return "workspace";
        case Source::random:
            return "random";
    }
    return "run";
}

std::vector<ItemAnswer> resolve(const SecretSpec& ask, std::span<const vault::RunSecret> stored,
                                const AvailableSecrets& kept) {
    const ByName of_run = by_name(stored);
    const Search search(ask, of_run, kept);
    std::vector<ItemAnswer> answers;
    for (SpecItem& item : ask.wants_all_of_run() ? all_items(of_run) : std::vector(ask.items)) {
        answers.push_back(search.answer(std::move(item)));
    }
    return answers;
}

StatusOr<std::vector<SecretBuffer>> open_stored(std::span<ItemAnswer> answers,
                                                const AvailableSecrets& kept) {
    std::vector<SecretBuffer> opened;
    for (ItemAnswer& answer : answers) {
        if (!answer.found || !answer.is_stored()) continue;
        auto value = kept.store->value_of(answer.owner(kept.uid), answer.item.name);
        if (!value)
            return Status::unavailable("secret " + answer.item.name + ": " +
                                       value.status().message());
        opened.push_back(std::move(value).value());
        answer.value = opened.back().view();  // the bytes do not move when `opened` grows
    }
    return opened;
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
        const SpecItem& item = answer.item;
        const bool usual = item.variable == usual_variable(item.name, item.form);
        const std::string file = item.form == ItemForm::file ? "file " : "";
        if (item.form == ItemForm::hold) {
            texts.push_back(item.name + " (held)");
        } else if (usual && file.empty()) {
            texts.push_back(item.name);
        } else {
            texts.push_back(item.name + " (as " + file + item.variable + ")");
        }
    }
    return audit::listed(texts);
}

std::vector<DeliveryEntry> entries_of(std::span<const ItemAnswer> answers) {
    std::vector<DeliveryEntry> entries;
    for (const ItemAnswer& answer : answers) {
        if (!answer.found) continue;
        const SpecItem& item = answer.item;
        entries.push_back({item.variable, answer.value,
                           item.form != ItemForm::env ? std::string_view(item.name) : "",
                           item.form == ItemForm::hold});
    }
    return entries;
}

}  // namespace secrets::service
