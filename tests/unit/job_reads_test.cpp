// SPDX-License-Identifier: Apache-2.0
// Promise: the job socket gives a process what its job requested, as it is now, by a descriptor; a
// process of no job, of another user, or that is not the one that asked, is denied.

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>

#include "agentd/net/async_condition.h"
#include "agentd/server/job_server.h"
#include "agentd/server/peer_process.h"
#include "tests/unit/child.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/fake_shared_store.h"
#include "tests/unit/office.h"
#include "tests/unit/plugin_client.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::server {
namespace {

using plugin_protocol::Busy;
using plugin_protocol::GetRequest;
using plugin_protocol::Granted;
using plugin_protocol::Refused;
using std::chrono::milliseconds;

constexpr JobId kJob{7};

/// An agent with run r of alice, and its job server.
struct Fixture {
    explicit Fixture(ReadAtHub read_at_hub = nullptr, service::SharedStore* shared = nullptr)
        : path(folder.file("job.sock")),
          server(loop.io, listen_at(path, SocketKind::seqpacket, 0600).value(), office.services,
                 shared, nullptr, std::move(read_at_hub), [this](Peer) { return find_job(); }) {
        set_peer(office.alice);
        push("a", "b");
    }
    ~Fixture() {
        server.stop();
        server.end_silent();
        loop.turn(milliseconds(20));
        set_peer(std::nullopt);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    void push(std::string_view a, std::string_view b) {
        auto secrets = list_of(user_secret("A", a), user_secret("B", b));
        REQUIRE(office.push(office.alice, "r", {}, std::move(secrets)).ok());
    }
    void grant(const std::string& spec) { office.ask(office.alice, spec, 0, kJob); }

    /// Returns the values as text_of_delivery() has them, or the sentence after its kind.
    std::string get(const std::string& spec) {
        PluginClient client(loop, path);
        client.send(GetRequest{spec, 1000});
        return text_of(client.next(), client.fd);
    }
    static std::string text_of(const std::optional<plugin_protocol::Reply>& reply,
                               const UniqueFd& fd) {
        REQUIRE(reply);
        if (const auto* refused = std::get_if<Refused>(&*reply)) return "no: " + refused->sentence;
        if (const auto* busy = std::get_if<Busy>(&*reply)) return "unknown: " + busy->sentence;
        REQUIRE(std::holds_alternative<Granted>(*reply));
        REQUIRE(fd);
        return service::text_of_delivery(fd);
    }

    asio::awaitable<StatusOr<JobId>> find_job() {
        if (!slurmd_answers) co_await slurmd.wait();
        co_return job;
    }

    StatusOr<JobId> job = kJob;  ///< of every process
    bool slurmd_answers = true;
    net::AsyncCondition slurmd;
    EventLoop loop;
    TemporaryFolder folder;
    std::string path;
    service::Office office;
    JobServer server;
};

bool begins(const std::string& text, std::string_view with) {
    CAPTURE(text);
    return text.starts_with(with);
}

TEST_CASE(
    "JobServer: gives a process what its job requested, by name, in the form of the request") {
    Fixture fixture;
    fixture.grant("run:r,A:hold,B=RENAMED");
    CHECK(fixture.get("A") == "A=a\n");
    CHECK(fixture.get("B=X,A:file") == "X=b\nA_FILE=file A a\n");
    CHECK(fixture.get("A,C?") == "A=a\n");
    CHECK(fixture.get("") == "A=a\nRENAMED=b\n");
}

TEST_CASE("JobServer: gives the values of now, also those of a run that is requested whole") {
    Fixture fixture;
    fixture.grant("run:r");
    CHECK(fixture.get("A") == "A=a\n");
    fixture.push("new", "b");
    CHECK(fixture.get("A,B") == "A=new\nB=b\n");
    CHECK(fixture.get("") == "A=new\nB=b\n");
    CHECK(begins(fixture.get("C"), "no: secret C is not among the secrets of this job"));
    REQUIRE(fixture.office.services.runs.complete_run(fixture.office.alice, run_id("r")).ok());
    CHECK(begins(fixture.get("A"), "no: run r was completed"));
}

TEST_CASE("JobServer: denies a process what its job did not request, or is not its own") {
    Fixture fixture;
    CHECK(begins(fixture.get("A"), "no: job 7 holds no secrets on this node"));
    fixture.grant("run:r,A:hold");
    CHECK(begins(fixture.get("A,B"), "no: job 7 did not request the secret B"));
    CHECK(begins(fixture.get("run:r"), "no: only names of secrets are accepted"));
    CHECK(begins(fixture.get("A,,"), "no: the request at character 3"));
    set_peer(fixture.office.bob);
    CHECK(begins(fixture.get("A"), "no: job 7 belongs to another user"));
    set_peer(service::kRoot);
    CHECK(begins(fixture.get("A"), "no: job 7 belongs to another user"));
    set_peer(fixture.office.alice);
    fixture.job = JobId{0};
    CHECK(begins(fixture.get("A"), "no: this process is not in a job"));
    fixture.job = Status::failed("slurmd sleeps");
    CHECK(fixture.get("A") == "unknown: slurmd sleeps");
    fixture.job = kJob;
    fixture.office.services.grants.wipe(kJob);
    CHECK(begins(fixture.get("A"), "no: job 7 holds no secrets on this node"));
}

TEST_CASE("JobServer: denies values of a job that ends while they are read") {
    Fixture* made = nullptr;
    Fixture fixture(
        [&](plugin_protocol::GrantRequest) -> asio::awaitable<StatusOr<vault::Delivery>> {
            made->office.services.grants.wipe(kJob);
            co_return made->office.vault.deliver({});
        });
    made = &fixture;
    fixture.grant("run:r,A:hold");
    CHECK(begins(fixture.get("A"), "no: job 7 holds no secrets on this node"));
}

TEST_CASE("JobServer: reads a whole grant at the hub on a node, and passes on what it denies") {
    std::vector<plugin_protocol::GrantRequest> asked;
    Status denial;
    Fixture* made = nullptr;
    Fixture fixture([&](plugin_protocol::GrantRequest request)
                        -> asio::awaitable<StatusOr<vault::Delivery>> {
        asked.push_back(std::move(request));
        if (!denial.ok()) co_return denial;
        const SecretBuffer hubs = buffer_of("hub's");
        const std::vector<DeliveryEntry> entries{{"A", hubs.view(), "A", true}, {"B", hubs.view()}};
        co_return made->office.vault.deliver(entries);
    });
    made = &fixture;
    fixture.grant("run:r,A:hold,B");
    CHECK(fixture.get("A") == "A=hub's\n");
    REQUIRE(asked.size() == 1);
    CHECK(asked.front().ask == "run:r,A:hold,B");
    CHECK((asked.front().job == kJob && asked.front().step == kNoStep));
    CHECK(asked.front().uid == fixture.office.alice);
    CHECK(asked.front().patience_milliseconds == 1000);
    denial = Status::unavailable("no hub answered");
    CHECK(fixture.get("A") == "unknown: no hub answered");
    denial = {StatusCode::not_found, "run r was completed"};
    CHECK(fixture.get("A") == "no: run r was completed");
}

TEST_CASE("JobServer: reads the shared store before it gives a value, and gives none without it") {
    service::FakeSharedStore shared;
    Fixture fixture(nullptr, &shared);
    fixture.grant("run:r,A:hold");
    CHECK(fixture.get("A") == "A=a\n");
    REQUIRE(shared.refreshed.size() == 1);
    CHECK(shared.refreshed.front().runs == std::set{run_id("r")});
    shared.failure = Status::failed("no leader");
    CHECK(begins(fixture.get("A"), "unknown: "));
}

TEST_CASE("JobServer: gives a secret although another one of the job's is gone") {
    Fixture fixture;
    fixture.grant("run:r,A:hold,B:hold");
    auto secrets = list_of(user_secret("A", "a"));
    REQUIRE(fixture.office.push(fixture.office.alice, "r", {}, std::move(secrets)).ok());
    CHECK(fixture.get("A") == "A=a\n");
    CHECK(begins(fixture.get("B"), "no: secret B is not among the secrets of run r"));
}

/// A process that connected a socket, which this process has, too.
class Connected {
  public:
    explicit Connected(const std::string& path)
        : fd_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), child_([&] {
              sockaddr_un address{};
              address.sun_family = AF_UNIX;
              path.copy(address.sun_path, path.size());
              if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof(address)) != 0) {
                  return 1;
              }
              pause();
              return 0;
          }) {}
    int fd() const { return fd_.get(); }
    void end() {
        kill(child_.pid(), SIGKILL);
        child_.wait();
    }

  private:
    UniqueFd fd_;
    Child child_;
};

/// Returns the number of the file behind a descriptor.
ino_t inode_of(const UniqueFd& fd) {
    struct stat status {};
    REQUIRE(fstat(fd.get(), &status) == 0);
    return status.st_ino;
}

TEST_CASE("JobServer: gives the same region again while the values are the same") {
    Fixture fixture;
    fixture.grant("run:r,A:hold");
    std::vector<UniqueFd> kept;
    const auto read = [&](const std::string& spec) {
        PluginClient client(fixture.loop, fixture.path);
        client.send(GetRequest{spec, 1000});
        const std::string text = Fixture::text_of(client.next(), client.fd);
        kept.push_back(std::move(client.fd));
        return text;
    };
    for (int i = 0; i < 3; ++i) CHECK(read("A") == "A=a\n");
    CHECK(inode_of(kept[0]) == inode_of(kept[1]));
    CHECK(inode_of(kept[0]) == inode_of(kept[2]));
    CHECK(read("A=X") == "X=a\n");
    fixture.push("new", "b");
    CHECK(read("A") == "A=new\n");
    CHECK(inode_of(kept[4]) != inode_of(kept[0]));
    CHECK(service::text_of_delivery(kept[0]) == "A=a\n");
    auto region = LockedRegion::adopt(std::move(kept[4]));
    REQUIRE(region.ok());
    region->bytes()[0] = std::byte{0};  // a process may write to what it was given
    CHECK(read("A") == "A=new\n");
}

TEST_CASE("JobServer: limits the memory of what the processes of a job were given") {
    Fixture fixture;
    fixture.grant("run:r,A:hold");
    CHECK(fixture.get("A") == "A=a\n");
    const std::size_t most = vault::kMaxReadBytesOfJob / 4096;
    std::size_t given = 1;
    while (given < 2 * most && fixture.get("A=X" + std::to_string(given)).starts_with("X")) ++given;
    CHECK(given == most);
    CHECK(begins(fixture.get("A=MORE"), "unknown: the values that processes of job 7 were given"));
    CHECK(fixture.get("A") == "A=a\n");
    fixture.office.services.grants.wipe(kJob);
    fixture.grant("run:r,A:hold");
    CHECK(fixture.get("A=MORE") == "MORE=a\n");
}

TEST_CASE("JobServer: keeps no region of a run that has ended, of a job, or of a changed secret") {
    Fixture fixture;
    fixture.grant("run:r,A:hold");
    const auto regions = [] {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
            if (is_secretmem(std::stoi(entry.path().filename()))) ++count;
        return count;
    };
    if (fixture.office.vault.memory() != MemoryKind::secretmem) return;
    const std::size_t before = regions();
    fixture.get("A");
    CHECK(regions() == before + 1);
    fixture.office.vault.close_reads();
    CHECK(regions() == before);
    fixture.get("A");
    REQUIRE(fixture.office.services.runs.complete_run(fixture.office.alice, run_id("r")).ok());
    CHECK(regions() <= before);
}

TEST_CASE("JobServer: says that a value that was made for the job is lost") {
    Fixture fixture;
    fixture.grant("R:random:hold");
    CHECK(begins(fixture.get("R"), "R="));
    fixture.office.vault.wipe_cached_grant(kJob, ":random");
    CHECK(begins(fixture.get("R"), "no: the value of R that was made for the job is lost"));
    CHECK_FALSE(fixture.office.services.markers.marker_of(kJob, fixture.office.alice).ok());
}

TEST_CASE("JobServer: gives no value of another name that has the same variable") {
    Fixture fixture;
    auto secrets = list_of(user_secret("A-B", "dash"), workspace_secret("A_B", "bar"));
    const auto pushed = fixture.office.push(fixture.office.alice, "r", {}, std::move(secrets));
    CAPTURE(pushed.status().message());
    REQUIRE(pushed.ok());
    fixture.grant("run:r");
    CHECK(fixture.get("A-B=V") == "V=dash\n");
    CHECK(begins(fixture.get("A_B=V"), "no: secret A_B is not among the secrets of this job"));
}

TEST_CASE("JobServer: leaves out a value that no variable can hold, unless it is named") {
    Fixture fixture;
    fixture.push(std::string_view("a\0b", 3), "b");
    fixture.grant("run:r,A:hold,B");
    PluginClient client(fixture.loop, fixture.path);
    client.send(GetRequest{"", 1000});
    const auto reply = client.next();
    CHECK(Fixture::text_of(reply, client.fd) == "B=b\n");
    CHECK(begins(std::get<Granted>(*reply).note, "left out A: a NUL byte is in the value"));
    CHECK(begins(fixture.get("A"), "no: secret A has a NUL byte"));
}

TEST_CASE("JobServer: records again what a job reads after it was requeued") {
    Fixture fixture;
    const auto events = [&] {
        const auto request =
            fixture.office.services.job_secrets.find(kJob, fixture.office.alice, "A");
        REQUIRE(request.ok());
        std::vector<vault::Delivery> grants;
        for (const auto& part : request->parts) {
            auto values = fixture.office.services.job_secrets.read(*request, part);
            REQUIRE(values.ok());
            grants.push_back(std::move(values).value());
        }
        auto read = fixture.office.services.job_secrets.deliver(*request, grants);
        REQUIRE(read.ok());
        return read->event.has_value();
    };
    fixture.grant("run:r,A:hold");
    CHECK(events());
    CHECK_FALSE(events());
    fixture.office.services.grants.wipe(kJob);
    fixture.office.time += std::chrono::seconds(5);
    fixture.grant("run:r,A:hold");
    CHECK(events());
}

TEST_CASE("JobServer: has one deadline for all grants of a job") {
    std::vector<std::uint32_t> patience;
    Fixture* made = nullptr;
    Fixture fixture(
        [&](plugin_protocol::GrantRequest request) -> asio::awaitable<StatusOr<vault::Delivery>> {
            patience.push_back(request.patience_milliseconds);
            asio::steady_timer timer(made->loop.io, milliseconds(300));
            co_await timer.async_wait(asio::use_awaitable);
            const SecretBuffer hubs = buffer_of("hub's");
            const std::vector<DeliveryEntry> entries{
                {request.ask.ends_with("A:hold") ? "A" : "B", hubs.view()}};
            co_return made->office.vault.deliver(entries);
        });
    made = &fixture;
    fixture.grant("run:r,A:hold");
    fixture.grant("run:r,B:hold");
    CHECK(fixture.get("") == "A=hub's\nB=hub's\n");
    REQUIRE(patience.size() == 2);
    CHECK(patience[0] == 1000);
    CHECK(patience[1] <= 700);
}

TEST_CASE("PeerProcess: is the process that connected, until that ends") {
    TemporaryFolder folder;
    const UniqueFd listener = listen_at(folder.file("s"), SocketKind::seqpacket, 0600).value();
    const auto accept_next = [&] {
        while (!is_readable(listener.get())) usleep(1000);
        return accept_from(listener.get()).value();
    };
    Connected first(folder.file("s"));
    const UniqueFd accepted = accept_next();
    const Peer peer = peer_of(accepted.get()).value();
    const auto process = PeerProcess::of(accepted.get(), peer);
    REQUIRE(process.ok());
    CHECK(process->runs());
    first.end();
    CHECK_FALSE(process->runs());
    // Its number may be another process's by now.
    CHECK_FALSE(PeerProcess::of(accepted.get(), {peer.uid, getpid()}).ok());
}

TEST_CASE("JobServer: denies a request whose process ended before slurmd answered") {
    Fixture fixture;
    fixture.grant("run:r,A:hold");
    fixture.slurmd_answers = false;
    Connected process(fixture.path);
    const auto request = plugin_protocol::encode(plugin_protocol::Request(GetRequest{"A", 1000}));
    const auto soon = Deadline::in(std::chrono::seconds(5));
    REQUIRE(
        fixture.loop.turns_until([&] { return send_packet(process.fd(), request, soon).ok(); }));
    fixture.loop.turn(milliseconds(50));
    process.end();
    fixture.slurmd.wake();
    REQUIRE(fixture.loop.turns_until([&] { return is_readable(process.fd()); }));
    std::array<std::byte, kMaxMessageBytes> buffer;
    const auto packet = receive_packet(process.fd(), buffer, soon);
    REQUIRE(packet.ok());
    const auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
    REQUIRE(reply.ok());
    CHECK(begins(Fixture::text_of(*reply, packet->fd), "no: the process that asked has ended"));
}

}  // namespace
}  // namespace secrets::server
