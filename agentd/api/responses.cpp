// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/responses.h"

#include <boost/json.hpp>

#include "common/base/text_as.h"
#include "common/base/text_encoding.h"

namespace secrets::api {
namespace {

namespace json = boost::json;

std::string date(vault::Time time) {
    return utc_text(time.time_since_epoch().count());
}

json::object head_of(const service::RunInfo& run) {
    json::object head{{"run", run.head.id.text()},
                      {"owner", run.owner},
                      {"generation", run.head.generation},
                      {"created", date(run.head.created)},
                      {"expires", date(run.head.expires)}};
    if (!run.head.platform.empty()) head["platform"] = run.head.platform;
    if (run.head.until_job != JobId()) head["until_job"] = run.head.until_job.value;
    return head;
}

json::array nodes_of(const service::RunInfo& run) {
    json::array nodes;
    for (const service::NodeHoldRegistry::Holding& holding : run.nodes) {
        json::array jobs;
        for (const JobId job : holding.jobs) jobs.push_back(job.value);
        nodes.push_back({{"node", holding.node},
                         {"jobs", std::move(jobs)},
                         {"seen", date(holding.seen)},
                         {"lost", holding.lost}});
    }
    return nodes;
}

json::object object_of(const store::SecretHead& secret) {
    json::object object{{"name", secret.name},
                        {"bytes", secret.bytes},
                        {"generation", secret.generation},
                        {"set", date(secret.set)}};
    if (secret.expires) object["expires"] = date(*secret.expires);
    if (secret.used) {
        object["used"] = {{"job", secret.used->job.value}, {"at", date(secret.used->at)}};
    }
    if (secret.damaged) object["damaged"] = true;
    return object;
}

json::array tasks_of(const std::vector<TaskStatus>& tasks) {
    json::array list;
    for (const TaskStatus& task : tasks) {
        json::object object{{"name", task.name}, {"restarts", task.restarts}};
        if (!task.last_error.empty()) object["last_error"] = task.last_error;
        list.push_back(std::move(object));
    }
    return list;
}

json::object object_of(const auth::LookupStats& lookups) {
    json::object object{{"answered", lookups.answered},
                        {"failed", lookups.failed},
                        {"slow", lookups.slow},
                        {"waiting", lookups.waiting},
                        {"missing", lookups.missing}};
    if (!lookups.trouble.empty()) object["trouble"] = lookups.trouble;
    return object;
}

json::object object_of(const audit::AuditFileState& file) {
    json::object object{{"file", file.file},
                        {"state", file.word()},
                        {"free_bytes", file.free_bytes},
                        {"missing", file.missing}};
    if (!file.trouble.empty()) object["trouble"] = file.trouble;
    return object;
}

void set_date(json::object& object, const char* name, std::optional<service::WallTime> time) {
    if (time) object[name] = date(*time);
}

json::object object_of(const service::HubContact& hub) {
    json::object object{{"url", hub.url}};
    set_date(object, "last_contact", hub.last_contact);
    if (!hub.trouble.empty()) object["trouble"] = hub.trouble;
    if (hub.clock_ahead) object["clock_ahead_seconds"] = hub.clock_ahead->count();
    set_date(object, "certificate_expires", hub.certificate_expires);
    return object;
}

json::object object_of(const service::ListenerStatus& listener) {
    json::object object{{"address", listener.address}, {"hosts_seen", listener.hosts_seen}};
    set_date(object, "last_seen", listener.last_seen);
    set_date(object, "certificate_expires", listener.certificate_expires);
    return object;
}

json::object object_of(const service::ConfigFileStatus& config) {
    json::object object{{"file", config.file}, {"state", config.state}};
    if (!config.trouble.empty()) object["trouble"] = config.trouble;
    if (!config.users.empty()) object["users"] = json::value_from(config.users);
    if (!config.groups.empty()) object["groups"] = json::value_from(config.groups);
    return object;
}

/// Adds the agent's role in a cluster, and the state of what that role needs.
void add_cluster(json::object& object, const service::ClusterStatus& cluster) {
    object["role"] = cluster.role;
    if (!cluster.node.empty()) object["node"] = cluster.node;
    set_date(object, "certificate_expires", cluster.certificate_expires);
    json::array contacts;
    for (const service::HubContact& hub : cluster.hubs) contacts.push_back(object_of(hub));
    if (!contacts.empty()) object["hub_contacts"] = std::move(contacts);
    if (cluster.listener) object["listener"] = object_of(*cluster.listener);
    if (const auto& trouble = cluster.munge_trouble) {
        json::object munge{{"state", trouble->empty() ? "answers" : "away"}};
        if (!trouble->empty()) munge["trouble"] = *trouble;
        object["munge"] = std::move(munge);
    }
}

std::string line(const json::value& value) {
    return json::serialize(value) + "\n";
}

}  // namespace

std::string run_json(const service::RunInfo& run) {
    json::object object = head_of(run);
    json::array secrets;
    for (const service::RunInfo::Secret& secret : run.secrets) {
        secrets.push_back({{"name", secret.name},
                           {"scope", vault::scope_word(secret.scope)},
                           {"bytes", secret.bytes}});
    }
    json::array holds;
    for (const service::RunInfo::Holder& holder : run.holders) {
        holds.push_back({{"job", holder.job.value}, {"since", date(holder.since)}});
    }
    object["secrets"] = std::move(secrets);
    object["holds"] = std::move(holds);
    if (run.ended) object["ended"] = date(*run.ended);
    if (!run.nodes.empty()) object["nodes"] = nodes_of(run);
    return line(object);
}

std::string run_head_json(const service::RunInfo& run) {
    json::object object = head_of(run);
    object["secrets"] = run.secrets.size();
    object["holds"] = run.holders.size();
    return json::serialize(object);
}

std::string runs_json(std::string_view items, std::string_view next) {
    std::string text = "{\"runs\":[" + std::string(items) + "]";
    if (!next.empty()) text += ",\"next\":" + json::serialize(text_as<json::string>(next));
    return text + "}\n";
}

std::string secret_json(const store::SecretHead& secret) {
    return line(object_of(secret));
}

std::string secrets_json(std::string_view whose, const std::string& name,
                         const service::SecretList& secrets) {
    json::array list;
    for (const store::SecretHead& secret : secrets.secrets) {
        list.push_back(secrets.names_only ? json::object{{"name", secret.name}}
                                          : object_of(secret));
    }
    json::object answer{{std::string(whose), name}, {"secrets", std::move(list)}};
    if (whose == "workspace") answer["role"] = secrets.names_only ? "member" : "admin";
    return line(answer);
}

std::string workspaces_json(const std::vector<service::WorkspaceInfo>& workspaces) {
    json::array list;
    for (const service::WorkspaceInfo& workspace : workspaces) {
        list.push_back({{"workspace", workspace.name},
                        {"role", workspace.is_admin ? "admin" : "member"},
                        {"secrets", workspace.secrets}});
    }
    return line({{"workspaces", std::move(list)}});
}

std::string check_json(const service::SpecCheck& check) {
    json::object object{{"ask", check.ask}, {"ok", check.ok}};
    if (!check.reason.empty()) object["reason"] = check.reason;
    json::array items;
    for (const service::ItemAnswer& answer : check.items) {
        json::object entry{{"name", answer.item.name},
                           {"variable", answer.item.variable},
                           {"form", form_word(answer.item.form)},
                           {"optional", answer.item.optional},
                           {"found", answer.found}};
        if (answer.found) {
            entry["scope"] = service::source_word(answer.source);
            if (answer.source == service::Source::workspace) entry["workspace"] = answer.workspace;
            entry["bytes"] = answer.bytes;
            if (answer.expires) entry["expires"] = date(*answer.expires);
        } else {
            entry["reason"] = answer.reason;
        }
        items.push_back(std::move(entry));
    }
    object["items"] = std::move(items);
    return line(object);
}

std::string events_json(const service::EventsInfo& events) {
    std::string text = "{\"next\":" + std::to_string(events.next) + ",\"events\":[";
    for (const std::string& event : events.events) {
        text += (&event == &events.events.front() ? "" : ",") + event;
    }
    return text + "]}\n";
}

std::string status_json(const service::StatusInfo& status) {
    const vault::Inventory& held = status.inventory;
    json::object store{{"state", status.store_file ? "open" : "none"}};
    if (status.store_file) {
        store["file"] = *status.store_file;
        store["secrets"] = status.kept.secrets;
        store["bytes"] = status.kept.bytes;
        store["owners"] = status.store_owners;
    }
    if (!status.why_store_closed.empty()) {
        store["state"] = "closed";
        store["trouble"] = status.why_store_closed;
    }
    json::object object{{"version", SLURM_SECRETS_VERSION},
                        {"memory", memory_kind_word(status.memory)},
                        {"uptime_seconds", status.uptime.count()},
                        {"runs", held.runs},
                        {"holds", held.holds},
                        {"slabs", held.slabs},
                        {"kept_slabs", held.kept_slabs},
                        {"slab_bytes", held.slab_bytes},
                        {"secret_bytes", held.secret_bytes},
                        {"store", std::move(store)},
                        {"log_entries_dropped", status.log_entries_dropped},
                        {"tasks", tasks_of(status.tasks)},
                        {"name_service", object_of(status.lookups)}};
    if (status.audit_file) object["audit"] = object_of(*status.audit_file);
    if (!status.hubs.empty()) object["hubs"] = json::value_from(status.hubs);
    add_cluster(object, status.cluster);
    if (!status.config.file.empty()) object["config"] = object_of(status.config);
    if (const auto& openbao = status.openbao) {
        json::object servers{{"servers", json::value_from(openbao->servers)}};
        if (!openbao->trouble.empty()) servers["trouble"] = openbao->trouble;
        object["openbao"] = std::move(servers);
    }
    if (const auto& accounts = status.slurm_accounts) {
        json::object known{{"named", accounts->named}, {"known", accounts->known}};
        if (!accounts->missing.empty()) known["missing"] = json::value_from(accounts->missing);
        if (!accounts->trouble.empty()) known["trouble"] = accounts->trouble;
        object["slurm_accounts"] = std::move(known);
    }
    if (!status.last_errors.empty()) object["last_errors"] = json::value_from(status.last_errors);
    return line(object);
}

std::string problem_json(unsigned status, std::string_view title, std::string_view detail,
                         std::string_view type) {
    return line({{"type", std::string(type)},
                 {"title", std::string(title)},
                 {"status", status},
                 {"detail", std::string(detail)}});
}

}  // namespace secrets::api
