// SPDX-License-Identifier: Apache-2.0
#include "agentd/audit/event_encoder.h"

#include <endian.h>
#include <syslog.h>

#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "common/base/text_as.h"
#include "common/base/text_encoding.h"

namespace secrets::audit {
namespace {

namespace json = boost::json;
using Names = std::vector<std::string>;

std::uint64_t priority_of(Level level) {
    switch (level) {
        case Level::debug:
            return LOG_DEBUG;
        case Level::info:
            return LOG_INFO;
        case Level::warning:
            return LOG_WARNING;
        case Level::error:
            return LOG_ERR;
    }
    return LOG_ERR;
}

/// Returns the names that an entry has: of an event that others can cause at will only the first.
Names names_of(const Event& event) {
    Names names = event.names;
    if (!info_of(event.kind).limited.empty() && names.size() > kMostNamesListed) {
        names.resize(kMostNamesListed);
    }
    return names;
}

/// Calls `add(name in the journal, name in the audit file, value)` for each known field of an
/// event. The value is a text, a number or names. An empty name: the field is not in that format.
template <typename Add>
void for_each_field(const Event& event, Time time, const Add& add) {
    const KindInfo& kind = info_of(event.kind);
    const auto add_account = [&](const std::optional<Account>& account, std::string_view in_journal,
                                 std::string_view in_trail, std::string_view uid_in_journal,
                                 std::string_view uid_in_trail) {
        if (!account) return;
        if (!account->name.empty()) add(in_journal, in_trail, std::string_view(account->name));
        if (account->uid) add(uid_in_journal, uid_in_trail, std::uint64_t{account->uid->value});
    };
    const auto add_number = [&](std::string_view in_journal, std::string_view in_trail,
                                const std::optional<std::uint64_t>& number) {
        if (number) add(in_journal, in_trail, *number);
    };
    const auto add_text = [&](std::string_view in_journal, std::string_view in_trail,
                              std::string_view text) {
        if (!text.empty()) add(in_journal, in_trail, text);
    };
    add_text("SECRETS_TIME", "time", time_text(time));
    add_text("SECRETS_ACTION", "action", kind.action);
    add_text("", "level", level_word(kind.level));
    add_number("PRIORITY", "", priority_of(kind.level));
    add_text("SYSLOG_IDENTIFIER", "", "slurm-secretsd");
    add_text("MESSAGE", "message", event.sentence);
    add_text("MESSAGE_ID", "message_id", kind.message_id);
    if (event.job) add_number("SLURM_JOB_ID", "job", event.job->value);
    if (event.step) add_text("SLURM_STEP_ID", "step", step_word(*event.step));
    add_text("SECRETS_RUN", "run", event.run);
    add_text("SECRETS_WORKSPACE", "workspace", event.workspace);
    if (!event.names.empty()) add("SECRETS_NAMES", "names", names_of(event));
    add_account(event.owner, "SECRETS_OWNER", "owner", "SECRETS_OWNER_UID", "owner_uid");
    add_account(event.caller, "SECRETS_CALLER", "caller", "SECRETS_CALLER_UID", "caller_uid");
    add_text("SECRETS_REASON", "reason", event.reason);
    add_number("SECRETS_RECORDS", "records", event.records);
    add_number("SECRETS_BYTES", "bytes", event.bytes);
    add_number("SECRETS_COUNT", "count", event.count);
}

std::string text_of(std::string_view text) {
    return std::string(text);
}

std::string text_of(std::uint64_t number) {
    return std::to_string(number);
}

std::string text_of(const Names& names) {
    std::string joined;
    for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
    return joined;
}

void append_to_entry(std::string& entry, std::string_view name, const std::string& value) {
    entry += name;
    if (value.find('\n') == value.npos) {
        entry += '=';
    } else {
        // The binary form: the length in 64 bits, little-endian, instead of the '='.
        const std::uint64_t length = htole64(value.size());
        std::array<char, sizeof(length)> bytes{};
        std::memcpy(bytes.data(), &length, sizeof(length));
        entry += '\n';
        entry.append(bytes.data(), bytes.size());
    }
    entry += value;
    entry += '\n';
}

}  // namespace

std::string time_text(Time time) {
    using std::chrono::floor;
    const auto second = floor<std::chrono::seconds>(time);
    const auto microseconds = floor<std::chrono::microseconds>(time - second).count();
    std::string text = utc_text(second.time_since_epoch().count());
    text.pop_back();
    std::array<char, 16> fraction{};
    std::snprintf(fraction.data(), fraction.size(), ".%06dZ", static_cast<int>(microseconds));
    return text + fraction.data();
}

std::string journal_entry(const Event& event, Time time) {
    std::string entry;
    for_each_field(event, time, [&](std::string_view name, std::string_view, const auto& value) {
        if (!name.empty()) append_to_entry(entry, name, text_of(value));
    });
    return entry;
}

std::string audit_file_line(const Event& event, Time time) {
    json::object object;
    for_each_field(event, time, [&](std::string_view, std::string_view name, const auto& value) {
        if (!name.empty()) object[text_as<json::string_view>(name)] = json::value_from(value);
    });
    return json::serialize(object) + "\n";
}

}  // namespace secrets::audit
