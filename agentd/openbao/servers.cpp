// Which server is asked. As whom is in login.cpp.

#include "agentd/openbao/servers.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>

#include "agentd/at_end.h"
#include "agentd/openbao/secret_json.h"
#include "common/names.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using cluster::HttpsAnswer;
using cluster::HttpsRequest;

/// For one server's answer; after that another is looked for. OpenBao answers in milliseconds,
/// unless it is about to lose its leader.
constexpr auto kOneTry = std::chrono::milliseconds(1000);
constexpr auto kHealth = std::chrono::milliseconds(700);

/// How old the word that a server is the active one, or that none is, may be when it is asked.
constexpr auto kLookAgain = std::chrono::seconds(1);

/// How long a server is not looked at that gave no answer: while one is frozen, each look would
/// last as long as its patience.
constexpr auto kSilence = std::chrono::seconds(1);

/// Bounds the wait for a server's report of the leader, while the active server is only checked
/// again; one that gave no report is not asked for a while then.
constexpr auto kReport = std::chrono::milliseconds(150);
constexpr auto kNoReport = std::chrono::seconds(5);

constexpr auto kFirstPause = std::chrono::milliseconds(50);
constexpr auto kLongestPause = std::chrono::milliseconds(1000);

constexpr std::size_t kMostAtOnce = 16;  ///< requests that one server is asked

/// Tells whether a change was made. Only the active server makes one: others pass it on.
bool is_done(const HttpsRequest& request, const HttpsAnswer& answer) {
    return request.method != "GET" && answer.status < 300;
}

HttpsRequest get_request(const char* target) {
    HttpsRequest request;
    request.method = "GET";
    request.target = target;
    return request;
}

std::string text_in(const json::object& object, const char* key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

constexpr std::size_t kMaxErrors = 300;  ///< bytes of what OpenBao says

/// Whether a server says that it is not the one to be asked, or can't answer now.
/// What is too large is that for all of them, and has status 500, too.
bool is_elsewhere(const HttpsAnswer& answer) {
    const unsigned status = answer.status;
    const bool seems_so = status >= 500 || status == 307 || status == 412 || status == 429 ||
                          status == 472 || status == 473;
    return seems_so && !is_too_large(answer);
}

std::string what_health_says(unsigned status) {
    switch (status) {
        case 429:
            return "it stands by";
        case 501:
            return "it is not initialised";
        case 503:
            return "it is sealed";
        default:
            return "it answers with status " + std::to_string(status);
    }
}

}  // namespace

std::string errors_in(const HttpsAnswer& answer) {
    const json::value value = parse_secret(answer.body);
    const json::object* object = value.if_object();
    const json::value* errors = object != nullptr ? object->if_contains("errors") : nullptr;
    std::string text;
    if (errors != nullptr && errors->is_array()) {
        for (const json::value& error : errors->get_array()) {
            if (!error.is_string()) continue;
            text += (text.empty() ? "" : "; ") + std::string(error.get_string());
        }
    }
    if (text.empty()) text = "status " + std::to_string(answer.status);
    return printable(text.substr(0, kMaxErrors));
}

bool is_too_large(const HttpsAnswer& answer) {
    return answer.status == 413 || errors_in(answer).find("too large") != std::string::npos;
}

Servers::Server::Server(asio::io_context& loop, asio::ssl::context& context, HttpsUrl url)
    : peer(loop, context, std::move(url), kMostAtOnce, nullptr) {}

Servers::Servers(asio::io_context& loop, const OpenBao& config,
                 std::unique_ptr<asio::ssl::context> context)
    : loop_(loop),
      config_(config),
      context_(std::move(context)),
      pauses_(kFirstPause, kLongestPause),
      lasting_("OpenBao gives no answer, and what hubs share can't be read or changed: ",
               "OpenBao answers again") {
    for (const HttpsUrl& url : config_.urls) servers_.emplace_back(loop, *context_, url);
}

void Servers::Server::note_silence(const Error& error, Clock::time_point deadline) {
    const bool is_cut_short = Clock::now() >= deadline;
    if (!is_cut_short) silent_until = Clock::now() + kSilence;
    if (!is_cut_short || why.empty()) why = error.sentence;
}

void Servers::stop_renewing() {
    renews_ = false;
    renewals_.wake();
}

void Servers::stop() {
    if (stopped_) return;
    stopped_ = true;
    stop_renewing();
    for (Server& server : servers_) server.peer.stop();
    if (!token_.empty()) asio::co_spawn(loop_, revoke(), [](const std::exception_ptr&) {});
    pauses_.end();
    changes_.wake();
}

void Servers::note(const std::string& trouble) {
    if (stopped_) return;
    trouble_ = trouble;
    lasting_.note(trouble);
}

asio::awaitable<Servers::Told> Servers::ask(HttpsRequest request, Clock::time_point deadline) {
    auto told = co_await ask_as_role(request, deadline);
    const auto* error = std::get_if<Error>(&told);
    const auto* answer = std::get_if<Answer>(&told);
    if (error != nullptr) {
        note(error->sentence);
    } else if (answer->status == 403) {
        std::string refused = "OpenBao refuses the AppRole a request (" + errors_in(*answer) +
                              "): let its policy allow what docs/admin.md says";
        note(refused);
        told = Error{std::move(refused)};
    } else {
        note("");
    }
    co_return told;
}

/// A token that OpenBao does not know any more, as it was revoked or has ended, is replaced, once.
/// One that it knows may not do that, and nor may the next.
asio::awaitable<Servers::Told> Servers::ask_as_role(HttpsRequest& request,
                                                    Clock::time_point deadline) {
    bool again = true;
    while (true) {
        auto failure = co_await log_in(deadline);
        if (failure) co_return *failure;
        const std::uint64_t login = logins_;
        request.fields = fields_of_role();
        auto told = co_await ask_any(request, deadline);
        const auto* answer = std::get_if<Answer>(&told);
        if (answer == nullptr || answer->status != 403 || !again) co_return told;
        const bool is_known = co_await is_token_known(request.fields, deadline);
        if (is_known) co_return told;
        again = false;
        if (login == logins_) token_.clear();
    }
}

/// By fields that a request was refused with: there may be another token by now.
asio::awaitable<bool> Servers::is_token_known(cluster::HttpsFields fields,
                                              Clock::time_point deadline) {
    HttpsRequest request;
    request.method = "GET";
    request.target = "/v1/auth/token/lookup-self";
    request.fields = std::move(fields);
    const auto told = co_await ask_any(request, deadline);
    const auto* answer = std::get_if<Answer>(&told);
    co_return answer != nullptr && answer->status == 200;
}

cluster::HttpsFields Servers::fields_of_role() const {
    cluster::HttpsFields fields;
    if (!token_.empty()) fields.emplace_back("X-Vault-Token", token_);
    if (!config_.name_space.empty()) fields.emplace_back("X-Vault-Namespace", config_.name_space);
    return fields;
}

asio::awaitable<Servers::Told> Servers::ask_any(const HttpsRequest& request,
                                                Clock::time_point deadline) {
    for (unsigned round = 0; !stopped_; ++round) {
        // What stands by may lag behind, and is asked only as long as nobody else can be.
        const bool is_old = looked_at_ + kLookAgain < Clock::now();
        if (is_old || !is_active_) co_await find_active(deadline);
        Server& server = servers_[preferred_];
        Answer answer;
        answer.may_lag = !is_active_;
        const auto soon = std::min(deadline, Clock::now() + kOneTry);
        auto failure = co_await ask_one(server, request, answer, soon);
        if (!failure && !is_elsewhere(answer)) {
            // A standby server reads, and refuses a change, by what it has applied so far. Only a
            // read is answered without the active server, and marked.
            const bool is_read = request.method == "GET";
            if (is_done(request, answer) || (is_read && answer.may_lag)) co_return answer;
            bool is_active = !answer.may_lag;
            if (is_active) is_active = co_await is_still_active(server, deadline);
            if (is_active) co_return answer;
        } else if (failure) {
            server.note_silence(*failure, deadline);
        } else {
            server.why = answer.status == 307 ? what_health_says(429) : errors_in(answer);
        }
        is_active_ = false;
        // One that has lost its followers may go on to say that it is the active one: it is looked
        // at last.
        if (&server == &servers_[preferred_]) preferred_ = (preferred_ + 1) % servers_.size();
        const auto pause = pauses_.after(round);
        if (Clock::now() + pause >= deadline) break;
        co_await pauses_.sleep(pause);
    }
    co_return Error{stopped_ ? "the agent is about to end" : what_all_said()};
}

asio::awaitable<Failure> Servers::ask_one(Server& server, const HttpsRequest& request,
                                          HttpsAnswer& answer, Clock::time_point deadline) {
    while (server.busy >= kMostAtOnce) {
        if (stopped_ || Clock::now() >= deadline) co_return Error{"too much is asked of it"};
        co_await changes_.wait(deadline);
    }
    ++server.busy;
    const AtEnd less_busy([this, &server] {
        --server.busy;
        changes_.wake();
    });
    const cluster::HttpsPeer::Until until{deadline, deadline};
    co_return co_await server.peer.ask(request, answer, until);
}

/// Looks which server is the active one, the preferred one first. One that stands by is taken while
/// none is: OpenBao's answer reads.
asio::awaitable<void> Servers::find_active(Clock::time_point deadline) {
    if (is_finding_) {
        while (is_finding_ && !stopped_ && Clock::now() < deadline)
            co_await changes_.wait(deadline);
        co_return;
    }
    is_finding_ = true;
    const AtEnd found([this] {
        is_finding_ = false;
        changes_.wake();
    });
    const std::size_t first = preferred_;
    const bool was_active = is_active_;
    is_active_ = false;
    std::optional<std::size_t> standby;
    for (std::size_t i = 0; i < servers_.size() && !stopped_ && Clock::now() < deadline; ++i) {
        const std::size_t which = (first + i) % servers_.size();
        Server& server = servers_[which];
        if (server.silent_until > Clock::now()) continue;
        const HttpsRequest request = get_request("/v1/sys/health");
        HttpsAnswer answer;
        const auto soon = std::min(deadline, Clock::now() + kHealth);
        auto failure = co_await ask_one(server, request, answer, soon);
        if (failure) {
            server.note_silence(*failure, deadline);
            continue;
        }
        if (answer.status == 200) {
            const bool is_known = was_active && which == first;
            const bool is_wrong = co_await is_contradicted(server, is_known, deadline);
            if (!is_wrong) {
                server.why.clear();
                preferred_ = which;
                is_active_ = true;
                looked_at_ = Clock::now();
                co_return;
            }
            server.why = "it reports itself as active, but other servers name another leader";
        } else {
            server.why = what_health_says(answer.status);
        }
        if ((answer.status == 200 || answer.status == 429) && !standby) standby = which;
    }
    if (standby) preferred_ = *standby;
    looked_at_ = Clock::now();
}

/// Asks a server which one leads; nothing where it does not answer in time.
asio::awaitable<std::optional<Servers::LeaderReport>> Servers::ask_leader(
    Server& server, Clock::time_point deadline) {
    const HttpsRequest request = get_request("/v1/sys/leader");
    HttpsAnswer answer;
    const auto failure = co_await ask_one(server, request, answer, deadline);
    if (failure) server.no_report_until = Clock::now() + kNoReport;
    if (failure || answer.status != 200) co_return std::nullopt;
    const json::value value = parse_secret(answer.body);
    const json::object* object = value.if_object();
    if (object == nullptr) co_return std::nullopt;
    const json::value* is_self = object->if_contains("is_self");
    co_return LeaderReport{is_self != nullptr && is_self->is_bool() && is_self->get_bool(),
                           text_in(*object, "leader_address"), text_in(*object, "active_time")};
}

/// Tells whether other servers contradict a server that reports itself as active. OpenBao 2.7.2,
/// suspended for longer than an election takes, may report so for ever although its raft follows
/// another leader: it answers reads by what it has applied. Standby servers name the server that
/// took the lead last.
asio::awaitable<bool> Servers::is_contradicted(Server& server, bool is_known,
                                               Clock::time_point deadline) {
    const auto own = co_await ask_leader(server, std::min(deadline, Clock::now() + kHealth));
    if (!own || own->leader.empty()) co_return false;
    const Clock::duration patience = is_known ? kReport : kHealth;
    std::size_t agreeing = 1;  // the server itself
    std::size_t contradicting = 0;
    for (Server& other : servers_) {
        const auto now = Clock::now();
        if (&other == &server || other.silent_until > now) continue;
        if (is_known && other.no_report_until > now) continue;
        const auto report = co_await ask_leader(other, std::min(deadline, now + patience));
        if (!report || report->leader.empty()) continue;
        const bool agrees = report->leader == own->leader;
        if (agrees) ++agreeing;
        // Of two servers that report themselves, the one that was elected later leads.
        if (!agrees && (!report->is_self || report->since > own->since)) ++contradicting;
    }
    if (contradicting < agreeing) co_return false;
    // Its raft may lead again, which no standby server can know.
    const bool leads = co_await can_commit(server, deadline);
    co_return !leads;
}

/// Tells whether a server can commit a change itself: that takes most of its cluster.
asio::awaitable<bool> Servers::can_commit(Server& server, Clock::time_point deadline) {
    if (token_.empty()) co_return false;
    HttpsRequest request;
    request.method = "POST";
    request.target = "/v1/auth/token/renew-self";
    request.body = "{}";
    request.fields = fields_of_role();
    request.fields.emplace_back("X-Vault-No-Request-Forwarding", "1");
    HttpsAnswer answer;
    const auto soon = std::min(deadline, Clock::now() + kHealth);
    const auto failure = co_await ask_one(server, request, answer, soon);
    co_return !failure && answer.status == 200;
}

/// Tells whether a server is still active after its answer: one that stepped down since it was
/// found answers as a standby server. One check serves all who began to wait before it was sent.
asio::awaitable<bool> Servers::is_still_active(Server& server, Clock::time_point deadline) {
    const std::uint64_t next = server.checks + 1;
    while (server.last_check < next) {
        if (stopped_ || Clock::now() >= deadline) co_return false;
        if (server.last_check < server.checks) {
            co_await server.checked.wait(deadline);
            continue;
        }
        const std::uint64_t check = ++server.checks;
        const AtEnd checked([&server, check] {
            server.last_check = check;
            server.checked.wake();
        });
        const HttpsRequest request = get_request("/v1/sys/health");
        HttpsAnswer answer;
        const auto soon = std::min(deadline, Clock::now() + kHealth);
        const auto failure = co_await ask_one(server, request, answer, soon);
        if (failure) {
            server.note_silence(*failure, deadline);
        } else if (answer.status == 200) {
            server.active_in_check = check;
        } else {
            server.why = what_health_says(answer.status);
        }
    }
    co_return server.active_in_check >= next;
}

std::string Servers::what_all_said() const {
    std::string text;
    for (const Server& server : servers_) {
        if (server.why.empty()) continue;
        text += (text.empty() ? "" : "; ") + server.peer.url().text + ": " + server.why;
    }
    return "OpenBao: " + (text.empty() ? "there was no time to ask it" : text);
}

}  // namespace secrets::openbao
