// SPDX-License-Identifier: Apache-2.0
// Checks of what a node and a hub need: each other, their clocks and certificates, munge, OpenBao.

#include <array>
#include <chrono>

#include "ctl/client/answer.h"
#include "ctl/doctor/checks.h"
#include "ctl/io/table.h"

namespace secrets::ctl::doctor {
namespace {

namespace json = boost::json;

constexpr const char* kNoAgent = "the agent does not respond";
constexpr const char* kNoCluster = "the agent uses no hub, and is none";

/// munged refuses credentials of hosts whose clocks differ by more than five minutes.
constexpr std::int64_t kMungeFails = 300;
constexpr std::int64_t kClocksDiffer = 10;

/// Certificates that are valid for less are renewed by a program.
constexpr std::int64_t kSoon = 21LL * 24 * 3600;

/// Returns a member of the status that is an object; null if there is none.
const json::object* object_in(const Site& site, std::string_view name) {
    const json::value* const value = site.status ? find_member(*site.status, name) : nullptr;
    return value != nullptr ? value->if_object() : nullptr;
}

/// Returns the agent's contacts with its hubs.
std::vector<json::object> hubs_of(const Site& site) {
    std::vector<json::object> hubs;
    const json::value* const list =
        site.status ? site.status->if_contains("hub_contacts") : nullptr;
    if (list == nullptr || !list->is_array()) return hubs;
    for (const json::value& element : list->get_array()) {
        if (element.is_object()) hubs.push_back(element.get_object());
    }
    return hubs;
}

/// A part of the agent's sentence about a hub, and what to do about it.
struct Remedy {
    const char* words;
    const char* what_to_do;
};

constexpr auto kRemedies = std::to_array<Remedy>({
    {"link node.conf",
     "link node.conf into /etc/systemd/system/slurm-secretsd.service.d (docs/admin.md), then: "
     "systemctl daemon-reload && systemctl restart slurm-secretsd"},
    {"self-signed certificate",
     "set hub.ca to the certificate of the CA that issued the hub's (ca.crt of secretctl pki)"},
    {"unable to get local issuer",
     "set hub.ca to the certificate of the CA that issued the hub's (ca.crt of secretctl pki)"},
    {"hostname mismatch", "use a name in hub.urls for which the hub's certificate was issued"},
    {"IP address mismatch",
     "use an address in hub.urls for which the hub's certificate was issued"},
    {"certificate has expired", "renew the hub's certificate, and reload the hub's agent"},
    {"neither the address of node",
     "set hub.node to this host's name in slurm.conf; for a host without slurmd, add it to "
     "listen.login_hosts on the hub"},
    {"host certificate",
     "issue a certificate for this host's name, and set hub.certificate and "
     "hub.key (docs/admin.md)"},
    {"listen.agents", "on the hub, set listen.agents to the account that this host's agent has"},
    {"check the clocks", "set the clocks of both hosts by a time service, such as chrony"},
    {"munge key", "give both hosts the same /etc/munge/munge.key, and restart munged"},
    {"MUNGE", "see: systemctl status munge"},
});

std::string remedy_for(const std::string& trouble) {
    for (const Remedy& remedy : kRemedies) {
        if (trouble.find(remedy.words) != trouble.npos) return remedy.what_to_do;
    }
    return "run secretctl doctor on the hub; see that its port can be reached from this host";
}

/// Returns the seconds until the end of a certificate; nothing if the object has no such time.
std::optional<std::int64_t> seconds_until_end(const json::object& object) {
    if (!object.contains("certificate_expires")) return std::nullopt;
    const auto end = seconds_of(text_of(object, "certificate_expires"));
    if (!end) return std::nullopt;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return *end - std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

/// Collects what is wrong with certificates: the worst of them counts.
class CertificateEnds {
  public:
    void look(const std::string& whose, const json::object& object) {
        const auto left = seconds_until_end(object);
        if (!left) return;
        any_ = true;
        const std::string end = local_time(text_of(object, "certificate_expires"));
        if (*left <= 0) {
            add(expired_, whose + " expired " + end);
        } else if (*left < kSoon) {
            add(soon_, whose + " ends in " + duration_words(*left) + ", " + end);
        }
    }

    Finding finding() const {
        const char* const renew = "issue a new one (secretctl pki issue), and reload its agent";
        if (!expired_.empty()) return fail(expired_, renew);
        if (!soon_.empty()) return warn(soon_, renew);
        return any_ ? ok("none ends in the next three weeks") : skipped("none is in use");
    }

  private:
    static void add(std::string& sentence, const std::string& more) {
        sentence += (sentence.empty() ? "" : "; ") + more;
    }

    bool any_ = false;
    std::string expired_;
    std::string soon_;
};

}  // namespace

Finding check_hub(const Site& site) {
    if (!site.status) return skipped(kNoAgent);
    const auto hubs = hubs_of(site);
    if (const json::object* const listener = object_in(site, "listener")) {
        return ok("this agent is one, at " + text_of(*listener, "address") + ": " +
                  text_of(*listener, "hosts_seen") + " hosts with agents seen");
    }
    if (hubs.empty()) return skipped("the agent uses none");
    std::string troubles;
    std::size_t failed = 0;
    for (const json::object& hub : hubs) {
        if (!hub.contains("trouble")) continue;
        ++failed;
        troubles +=
            (troubles.empty() ? "" : "; ") + text_of(hub, "url") + ": " + text_of(hub, "trouble");
    }
    if (failed == 0 && !site.why_not_checked.empty()) return skipped(site.why_not_checked);
    if (failed == 0) return ok(counted(hubs.size(), "hub") + ", and this host is known there");
    const std::string remedy = remedy_for(troubles);
    return failed == hubs.size() ? fail(troubles, remedy) : warn(troubles, remedy);
}

Finding check_hub_clock(const Site& site) {
    if (!site.status) return skipped(kNoAgent);
    std::optional<std::int64_t> most;
    std::string where;
    for (const json::object& hub : hubs_of(site)) {
        const auto* const ahead = hub.if_contains("clock_ahead_seconds");
        if (ahead == nullptr || !ahead->is_int64()) continue;
        const std::int64_t seconds = ahead->get_int64();
        if (most && std::abs(seconds) <= std::abs(*most)) continue;
        most = seconds;
        where = text_of(hub, "url");
    }
    if (!most) return skipped("no hub has told its time");
    if (std::abs(*most) < kClocksDiffer) return ok("agrees with this host's");
    const std::string sentence = "this host's clock is " + duration_words(std::abs(*most)) +
                                 (*most > 0 ? " ahead of" : " behind") + " that of " + where;
    const char* const remedy = "set the clocks of both hosts by a time service, such as chrony";
    if (std::abs(*most) < kMungeFails) return warn(sentence, remedy);
    return fail(sentence + ": munge credentials are refused", remedy);
}

Finding check_certificates(const Site& site) {
    if (!site.status) return skipped(kNoAgent);
    CertificateEnds ends;
    ends.look("hub.certificate of this host", *site.status);
    if (const json::object* const listener = object_in(site, "listener")) {
        ends.look("listen.certificate of this hub", *listener);
    }
    for (const json::object& hub : hubs_of(site)) {
        ends.look("that of " + text_of(hub, "url"), hub);
    }
    return ends.finding();
}

/// Names the munge that a hub and its clients need even where Slurm does without.
std::string remedy_for_munge(const Site& site) {
    const auto type =
        site.slurm_conf.empty() ? std::nullopt : slurm_conf_value(site.slurm_conf, "AuthType");
    if (!type || *type == "auth/munge") return "run: systemctl status munge; munge -n | unmunge";
    return "install munge, with one key on the hub and its clients: a hub knows users and agents "
           "by "
           "it, although Slurm does without (AuthType=" +
           *type + ")";
}

Finding check_munge(const Site& site) {
    if (!site.status) return skipped(kNoAgent);
    const json::object* const munge = object_in(site, "munge");
    if (munge == nullptr) return skipped(kNoCluster);
    if (munge->contains("trouble")) {
        return fail(text_of(*munge, "trouble"), remedy_for_munge(site));
    }
    if (!site.why_not_checked.empty()) return skipped(site.why_not_checked);
    return ok("it answers the agent");
}

Finding check_openbao(const Site& site) {
    if (!site.status) return skipped(kNoAgent);
    const json::object* const openbao = object_in(site, "openbao");
    if (openbao == nullptr) return skipped("the agent uses none");
    if (openbao->contains("trouble")) {
        return fail(text_of(*openbao, "trouble"),
                    "see that a server of store.openbao.urls runs and is unsealed, and that the "
                    "AppRole's credentials are valid");
    }
    if (!site.why_not_checked.empty()) return skipped(site.why_not_checked);
    return ok("it answers the agent");
}

}  // namespace secrets::ctl::doctor
