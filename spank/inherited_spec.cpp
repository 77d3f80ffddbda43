// SPDX-License-Identifier: Apache-2.0
#include "spank/inherited_spec.h"

#include <algorithm>

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::spank {
namespace {

using State = OuterVariable::State;

bool sets(const SecretSpec& spec, std::string_view variable) {
    const auto is_it = [&](const auto& part) { return part.variable == variable; };
    const auto is_set = [&](const SpecItem& item) {
        return is_it(item) && item.form != ItemForm::hold;
    };
    return std::any_of(spec.items.begin(), spec.items.end(), is_set) ||
           std::any_of(spec.copies.begin(), spec.copies.end(), is_it);
}

bool leaves_out(const SecretSpec& spec, std::string_view variable) {
    return std::find(spec.without.begin(), spec.without.end(), variable) != spec.without.end();
}

/// Requests the copies of what the spec requests. Returns the variables that are set now.
std::vector<std::string> add_copies(SecretSpec& spec, const std::vector<Holder>& copies) {
    std::vector<std::string> copied;
    for (const Holder& copy : copies) {
        const bool is_set = sets(spec, copy.variable) && !leaves_out(spec, copy.variable);
        if (is_set || !may_set(spec, copy.of) || !check_variable_name(copy.variable).ok()) {
            continue;
        }
        spec.copies.push_back({copy.variable, copy.of});
        if (print_spec(spec).size() > kMaxSpecBytes) {
            spec.copies.pop_back();
        } else {
            copied.push_back(copy.variable);
        }
    }
    return copied;
}

}  // namespace

std::string combine(const Options& own, const std::string& inherited) {
    if (own.none) return "none";
    const auto parsed = inherited.empty() ? ParsedSpec(SecretSpec()) : parse_spec(inherited);
    const SecretSpec* outer = parsed.spec();
    if (own.items.empty() && own.run.empty()) {
        if (own.workspace.empty() || outer == nullptr)
            return inherited;  // an error in it is reported
        SecretSpec ask = *outer;
        ask.workspace = own.workspace;
        return print_spec(ask);
    }
    std::string text;
    const auto add = [&text](const std::string& part) {
        if (!part.empty()) text += (text.empty() ? "" : ",") + part;
    };
    if (!own.run.empty()) {
        add("run:" + own.run);
    } else if (outer != nullptr && outer->run) {
        add("run:" + outer->run->text() + (outer->run_optional ? "?" : ""));
    }
    if (!own.workspace.empty()) {
        add("workspace:" + own.workspace);
    } else if (outer != nullptr && outer->workspace &&
               own.items.find("workspace:") == own.items.npos) {
        add("workspace:" + *outer->workspace);
    }
    add(own.items);
    return text;
}

bool may_set(const SecretSpec& spec, std::string_view variable) {
    // Without items it is a run that gives all that it has.
    return sets(spec, variable) || (spec.items.empty() && !spec.none);
}

void leave_out(SecretSpec& spec, const std::vector<std::string>& variables) {
    for (const std::string& variable : variables) {
        std::erase_if(spec.copies, [&](const SpecCopy& copy) { return copy.variable == variable; });
        if (!leaves_out(spec, variable)) spec.without.push_back(variable);
    }
}

void shorten(SecretSpec& spec) {
    if (spec.items.empty()) return;
    std::erase_if(spec.without, [&spec](const std::string& variable) {
        for (const SpecCopy& copy : spec.copies) {
            if (copy.of == variable) return false;
        }
        std::erase_if(spec.items, [&](const SpecItem& item) { return item.variable == variable; });
        return true;
    });
    // Without items the spec would request all of its run.
    if (spec.items.empty()) spec = SecretSpec::nothing();
}

ScriptEdits apply_script(SecretSpec& spec, const OuterJob& outer, const Options& own) {
    ScriptEdits edits;
    if (spec.none) return edits;
    if (own.inherit()) {
        for (const OuterVariable& given : outer.variables()) {
            if (given.state == State::unchanged || !may_set(spec, given.variable)) continue;
            (given.state == State::changed ? edits.changed : edits.unset).push_back(given.variable);
        }
        leave_out(spec, edits.changed);
        leave_out(spec, edits.unset);
    }
    // Another run or workspace may have other values for the same names.
    if (own.run.empty() && own.workspace.empty()) edits.copied = add_copies(spec, outer.copies());
    shorten(spec);
    return edits;
}

}  // namespace secrets::spank
