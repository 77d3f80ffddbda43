#include "agentd/doors/answers.h"

#include <boost/json.hpp>
#include <ctime>

namespace secrets::doors {
namespace {

namespace json = boost::json;

std::string date(vault::Time time) {
    const std::time_t seconds = time.time_since_epoch().count();
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[sizeof("0000-00-00T00:00:00Z") + 16];
    const std::size_t length = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text, length};
}

json::object head_of(const desk::RunInfo& run) {
    return {{"run", run.head.id.text()},
            {"owner", run.owner},
            {"generation", run.head.generation},
            {"created", date(run.head.created)},
            {"expires", date(run.head.expires)}};
}

std::string line(const json::value& value) {
    return json::serialize(value) + "\n";
}

}  // namespace

std::string run_json(const desk::RunInfo& run) {
    json::object object = head_of(run);
    json::array secrets;
    for (const desk::RunInfo::Secret& secret : run.secrets) {
        secrets.push_back({{"name", secret.name},
                           {"scope", vault::scope_word(secret.scope)},
                           {"bytes", secret.bytes}});
    }
    json::array holds;
    for (const desk::RunInfo::Holder& holder : run.holders) {
        holds.push_back({{"job", holder.job.value}, {"since", date(holder.since)}});
    }
    object["secrets"] = std::move(secrets);
    object["holds"] = std::move(holds);
    return line(object);
}

std::string runs_json(const std::vector<desk::RunInfo>& runs) {
    json::array list;
    for (const desk::RunInfo& run : runs) {
        json::object object = head_of(run);
        object["secrets"] = run.secrets.size();
        object["holds"] = run.holders.size();
        list.push_back(std::move(object));
    }
    return line({{"runs", std::move(list)}});
}

std::string check_json(const desk::CheckInfo& check) {
    json::object object{{"ask", check.ask}, {"ok", check.ok}};
    if (!check.reason.empty()) object["reason"] = check.reason;
    json::array items;
    for (const desk::CheckInfo::Item& item : check.items) {
        json::object entry{{"name", item.item.name},
                           {"variable", item.item.variable},
                           {"optional", item.item.optional},
                           {"found", item.found}};
        if (item.found) {
            entry["scope"] = vault::scope_word(item.scope);
            entry["bytes"] = item.bytes;
        } else {
            entry["reason"] = item.reason;
        }
        items.push_back(std::move(entry));
    }
    object["items"] = std::move(items);
    return line(object);
}

std::string status_json(const desk::StatusInfo& status) {
    const vault::Inventory& held = status.inventory;
    return line({{"version", SLURM_SECRETS_VERSION},
                 {"memory", memory_kind_word(status.memory)},
                 {"uptime_seconds", status.uptime.count()},
                 {"runs", held.runs},
                 {"holds", held.holds},
                 {"slabs", held.slabs},
                 {"kept_slabs", held.kept_slabs},
                 {"slab_bytes", held.slab_bytes},
                 {"secret_bytes", held.secret_bytes},
                 {"log_entries_dropped", status.log_entries_dropped}});
}

std::string problem_json(unsigned status, std::string_view title, std::string_view detail) {
    return line({{"type", "about:blank"},
                 {"title", std::string(title)},
                 {"status", status},
                 {"detail", std::string(detail)}});
}

}  // namespace secrets::doors
