// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/metrics_text.h"

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <sstream>

#include "agentd/audit/audit_log.h"

namespace secrets::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// From the time of a grant request on an idle machine to a time that a job would notice.
const prometheus::Histogram::BucketBoundaries kBuckets{
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0};

struct GrantCounts {
    std::array<std::uint64_t, 3> by_outcome{};
    prometheus::Histogram took{kBuckets};
};

/// Not destroyed at exit: the agent's last requests end late.
GrantCounts& grant_counts() {
    static auto* the_one = new GrantCounts();
    return *the_one;
}

/// Collects metric families, with one line of code for each.
class Families {
  public:
    void gauge(const char* name, const char* help, double value) {
        add(name, help, MetricType::Gauge).gauge.value = value;
    }
    void counter(const char* name, const char* help, std::uint64_t value,
                 std::vector<ClientMetric::Label> labels = {}) {
        ClientMetric& metric = add(name, help, MetricType::Counter);
        metric.counter.value = static_cast<double>(value);
        metric.label = std::move(labels);
    }
    void info(const char* name, const char* help, const char* label, std::string value) {
        ClientMetric& metric = add(name, help, MetricType::Gauge);
        metric.gauge.value = 1;
        metric.label = {{label, std::move(value)}};
    }
    void histogram(const char* name, const char* help, const prometheus::Histogram& histogram) {
        add(name, help, MetricType::Histogram) = histogram.Collect();
    }
    std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

  private:
    /// Adds a metric, to the previous family if that has the same name.
    ClientMetric& add(const char* name, const char* help, MetricType type) {
        if (families_.empty() || families_.back().name != name) {
            families_.push_back({name, help, type, {}});
        }
        return families_.back().metric.emplace_back();
    }

    std::vector<MetricFamily> families_;
};

/// Adds a counter of completed and of denied operations.
void add_outcomes(Families& families, const char* name, const char* help,
                  std::initializer_list<audit::Kind> done, audit::Kind refused) {
    std::uint64_t count = 0;
    for (const audit::Kind kind : done) count += audit::count_of(kind);
    families.counter(name, help, count, {{"outcome", "done"}});
    families.counter(name, help, audit::count_of(refused), {{"outcome", "refused"}});
}

void add_events(Families& families) {
    using audit::Kind;
    add_outcomes(families, "slurm_secrets_pushes_total", "Pushes of runs.", {Kind::push},
                 Kind::refuse_push);
    add_outcomes(families, "slurm_secrets_completions_total", "Completions of runs.",
                 {Kind::complete}, Kind::refuse_complete);
    add_outcomes(families, "slurm_secrets_changes_total",
                 "Changes of the stored secrets of users and workspaces.",
                 {Kind::set_secret, Kind::rename_secret, Kind::remove_secret}, Kind::refuse_secret);
    families.counter("slurm_secrets_wipes_total",
                     "Holds and runs that were wiped because a job ended or a run was completed.",
                     audit::count_of(Kind::wipe));
    families.counter("slurm_secrets_reaped_total", "Holds of jobs that ended without an epilog.",
                     audit::count_of(Kind::reap));
    families.counter("slurm_secrets_expired_total", "Runs and stored secrets that expired.",
                     audit::count_of(Kind::expire) + audit::count_of(Kind::expire_secret));
    families.counter(
        "slurm_secrets_refused_connections_total",
        "Connections that were refused because of a limit, and clients that a hub turned "
        "away, the latter once per address and minute.",
        audit::count_of(Kind::refuse_connection));
    families.counter("slurm_secrets_damaged_total",
                     "Events in which held or stored secrets were found damaged.",
                     audit::count_of(Kind::damage));
    families.counter("slurm_secrets_errors_total", "Errors that were logged.",
                     audit::count_of(Kind::trouble) + audit::count_of(Kind::trail_failed));
}

void add_grant_requests(Families& families) {
    constexpr const char* kWords[] = {"granted", "nothing", "refused"};
    for (std::size_t i = 0; i < grant_counts().by_outcome.size(); ++i) {
        families.counter("slurm_secrets_asks_total", "Grant requests of steps, by outcome.",
                         grant_counts().by_outcome[i], {{"outcome", kWords[i]}});
    }
    families.histogram(
        "slurm_secrets_ask_duration_seconds",
        "Time that the agent took to answer a grant request, without requests that waited "
        "for a push.",
        grant_counts().took);
}

/// Adds the gauges of the audit file; without one nothing fails.
void add_audit_file(Families& families, const std::optional<audit::AuditFileState>& file) {
    families.gauge("slurm_secrets_audit_file_fails",
                   "1 if the last entry could not be written to the audit file, else 0.",
                   file && file->fails ? 1 : 0);
    families.gauge("slurm_secrets_audit_file_low",
                   "1 if the audit file's file system has only the space left that is kept for "
                   "grants and wipes, else 0.",
                   file && file->is_low ? 1 : 0);
    families.gauge("slurm_secrets_audit_entries_missing",
                   "Entries that the audit file lacks and does not mention yet.",
                   file ? static_cast<double>(file->missing) : 0);
    if (!file) return;
    families.gauge("slurm_secrets_audit_file_free_bytes",
                   "Free bytes of the audit file's file system.",
                   static_cast<double>(file->free_bytes));
}

}  // namespace

void count_grant(GrantOutcome outcome, std::optional<std::chrono::duration<double>> took) {
    ++grant_counts().by_outcome[static_cast<std::size_t>(outcome)];
    if (took) grant_counts().took.Observe(took->count());
}

std::string text(const service::StatusInfo& status, const Limits& limits) {
    Families families;
    const auto number = [](std::size_t value) { return static_cast<double>(value); };
    const vault::Inventory& held = status.inventory;
    families.info("slurm_secrets_build_info", "The agent's version.", "version",
                  SLURM_SECRETS_VERSION);
    families.info("slurm_secrets_memory_info",
                  "The kind of memory that holds secrets: memfd_secret, or the fallback memfd.",
                  "kind", memory_kind_word(status.memory));
    families.gauge("slurm_secrets_uptime_seconds", "Seconds since the process started.",
                   static_cast<double>(status.uptime.count()));
    families.gauge("slurm_secrets_runs", "Runs that the agent holds.", number(held.runs));
    families.gauge("slurm_secrets_holds", "Jobs that hold secrets on this node.",
                   number(held.holds));
    families.gauge("slurm_secrets_oldest_hold_seconds",
                   "Age of the oldest hold; 0 if there is none.",
                   static_cast<double>(status.oldest_hold.count()));
    families.gauge("slurm_secrets_slabs", "Regions of locked memory.", number(held.slabs));
    families.gauge("slurm_secrets_kept_slabs",
                   "Regions of locked memory that survive a restart of the agent.",
                   number(held.kept_slabs));
    families.gauge("slurm_secrets_locked_bytes", "Size of all regions of locked memory.",
                   number(held.slab_bytes));
    families.gauge("slurm_secrets_locked_limit_bytes",
                   "Limit of slurm_secrets_locked_bytes (seven eighths of limits.total_bytes).",
                   number(limits.slab_bytes()));
    families.gauge("slurm_secrets_body_bytes", "Memory that the bodies of requests in flight use.",
                   number(status.body_bytes));
    families.gauge("slurm_secrets_body_limit_bytes",
                   "Limit of slurm_secrets_body_bytes (an eighth of limits.total_bytes).",
                   number(limits.body_bytes()));
    families.gauge("slurm_secrets_run_bytes",
                   "Locked memory that the records of runs and of cached grants use.",
                   number(held.secret_bytes));
    families.gauge("slurm_secrets_store_open",
                   "1 if the agent stores secrets of users and workspaces, else 0.",
                   status.store_file ? 1 : 0);
    families.gauge("slurm_secrets_store_closed",
                   "1 if a store is configured but cannot be opened, else 0.",
                   status.why_store_closed.empty() ? 0 : 1);
    families.gauge("slurm_secrets_kept_secrets", "Stored secrets of users and workspaces.",
                   number(status.kept.secrets));
    families.gauge("slurm_secrets_kept_bytes", "Size of the values of stored secrets.",
                   number(status.kept.bytes));
    families.gauge("slurm_secrets_expiring_secrets",
                   "Stored secrets that expire within seven days.", number(status.expiring));
    add_events(families);
    add_grant_requests(families);
    families.counter(
        "slurm_secrets_log_entries_dropped_total",
        "Log entries that were dropped because the journal did not accept them in time.",
        status.log_entries_dropped);
    add_audit_file(families, status.audit_file);
    constexpr const char* kLookups = "slurm_secrets_name_lookups_total";
    constexpr const char* kLookupsHelp = "Queries of the name service, by outcome.";
    families.counter(kLookups, kLookupsHelp, status.lookups.answered, {{"outcome", "answered"}});
    families.counter(kLookups, kLookupsHelp, status.lookups.failed, {{"outcome", "failed"}});
    families.counter("slurm_secrets_slow_name_lookups_total",
                     "Queries of the name service that took longer than a request waits.",
                     status.lookups.slow);
    families.gauge("slurm_secrets_name_service_fails",
                   "1 if the name service fails or does not answer for some name, else 0.",
                   status.lookups.trouble.empty() ? 0 : 1);
    for (const TaskStatus& task : status.tasks) {
        families.counter("slurm_secrets_task_restarts_total",
                         "Restarts of a background task after a failure.", task.restarts,
                         {{"task", task.name}});
    }
    return families.text();
}

}  // namespace secrets::metrics
