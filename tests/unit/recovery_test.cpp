// SPDX-License-Identifier: Apache-2.0
// Promise: what was held is held again by the process that follows, whatever instant the one before
// it ended at; what was wiped is not; nothing that is not whole is trusted.

#include <sys/socket.h>

#include <thread>

#include "agentd/vault/vault.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/child.h"
#include "tests/unit/secrets_of.h"
#include "tests/unit/shelf.h"
#include "tests/unit/skip.h"

namespace secrets::vault {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kCapacity = 256 * kMiB;

RunHead head(std::string_view id, std::uint64_t generation = 1, uid_t owner = 1001) {
    return {run_id(id), Uid{owner}, generation, at(1), at(100)};
}

std::string value_of(const Vault& vault, std::string_view run) {
    const auto secrets = vault.secrets_of(run_id(run));
    return secrets.empty() ? "(none)" : std::string(text_of(secrets[0].value.bytes()));
}

bool holds_text(int slab, std::string_view text) {
    const auto view = RegionView::map(slab);
    return view.ok() && text_of(view->bytes()).find(text) != std::string_view::npos;
}

/// A byte of a slab that somebody changed.
void flip(int slab, std::size_t offset) {
    auto region = LockedRegion::adopt(UniqueFd(fcntl(slab, F_DUPFD_CLOEXEC, 0)));
    REQUIRE(region.ok());
    region->bytes()[offset] ^= std::byte{0x40};
    region->unmap_and_release();
}

TEST_CASE("Recovery: restores runs and holds and goes on with them") {
    Shelf shelf;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", "value of a"))).ok());
        REQUIRE(vault.put_run(head("b", 3), list_of(workspace_secret("B", "value of b"))).ok());
        REQUIRE(vault.hold(JobId{7}, Uid{1001}, {"run:a", "a", 1}, at(5)).ok());
        REQUIRE(vault.hold(JobId{7}, Uid{1001}, {"run:b", "b", 3}, at(6)).ok());
        CHECK(vault.inventory().kept_slabs == 1);
    }
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    const RecoveryReport restored = vault.restore(shelf.hand_out());
    CHECK(restored.slabs == 1);
    CHECK(restored.runs == 2);
    CHECK(restored.holds == 1);
    CHECK(restored.dropped == 0);
    CHECK(restored.refused.empty());
    CHECK(value_of(vault, "a") == "value of a");
    CHECK(value_of(vault, "b") == "value of b");
    CHECK(vault.find_run(run_id("b"))->generation == 3);
    CHECK(vault.find_run(run_id("b"))->expires == at(100));
    CHECK(vault.next_to_expire()->expires == at(100));
    CHECK(vault.runs_of(Uid{1001}) == 2);
    CHECK(vault.runs_of(vault.run_owners(), "", 10) == vault.runs());
    for (const Hold* hold : vault.holds()) {
        for (const Grant& grant : hold->grants) {
            const auto holders = vault.holders_of(grant.run);
            CHECK(std::count(holders.begin(), holders.end(), hold) == 1);
        }
    }
    REQUIRE(vault.find_hold(JobId{7}) != nullptr);
    CHECK(vault.find_hold(JobId{7})->grants.size() == 2);
    CHECK(vault.find_hold(JobId{7})->since == at(5));
    CHECK(vault.inventory().secret_bytes > 0);

    vault.wipe_run(run_id("a"));
    vault.wipe_run(run_id("b"));
    CHECK(vault.inventory().secret_bytes == 0);
    CHECK(shelf.size() == 1);
    vault.wipe_hold(JobId{7});
    CHECK(shelf.size() == 0);
    REQUIRE(vault.put_run(head("c"), list_of(user_secret("C", "c"))).ok());
    CHECK(value_of(vault, "c") == "c");
}

TEST_CASE("Recovery: restores with which job a run ends") {
    Shelf shelf;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", "a"))).ok());
        RunHead bound = head("r");
        bound.until_job = JobId{12};
        REQUIRE(vault.put_run(bound, list_of(user_secret("A", "a"))).ok());
        REQUIRE(vault.put_run(head("s"), list_of(user_secret("A", "a"))).ok());
    }
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    vault.restore(shelf.hand_out());
    CHECK(vault.find_run(run_id("r"))->until_job == JobId{12});
    CHECK(value_of(vault, "r") == "a");
    CHECK(vault.jobs_that_end_runs(JobId(), 10) == std::vector{JobId{12}});
    CHECK(vault.runs_until(JobId{12}) == std::vector{run_id("r")});
}

TEST_CASE("Recovery: restores the newer version of a run pushed again across a restart") {
    Shelf shelf;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        REQUIRE(vault.put_run(head("r", 1), list_of(user_secret("A", "one"))).ok());
    }
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        vault.restore(shelf.hand_out());
        REQUIRE(vault.put_run(head("r", 2), list_of(user_secret("A", "two"))).ok());
    }
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    vault.restore(shelf.hand_out());
    CHECK(value_of(vault, "r") == "two");
    CHECK(vault.find_run(run_id("r"))->generation == 2);
}

TEST_CASE("Recovery: restores the newer of two records in any order") {
    const bool newer_first = GENERATE(true, false);
    CAPTURE(newer_first);
    Shelf shelf;
    const auto region = [&](const std::string& name, std::uint64_t sequence, const char* value) {
        Slab slab(LockedRegion::create(64 * 1024, best_memory_kind()).value());
        const auto secrets = list_of(user_secret("A", value));
        const RunHead run = head("r", sequence);
        auto draft = slab.begin(RecordType::run, run_payload_size(run, secrets), sequence);
        write_run(run, secrets, draft->payload);
        slab.commit(draft->offset);
        const Hold hold{JobId{1}, Uid{1001}, at(1), {{value, "r", sequence}}};
        draft = slab.begin(RecordType::hold, hold_payload_size(hold), sequence);
        write_hold(hold, draft->payload);
        slab.commit(draft->offset);
        shelf.keep(name, slab.fd());
        slab.leave();
    };
    region("slab-1", newer_first ? 9 : 4, newer_first ? "new" : "old");
    region("slab-2", newer_first ? 4 : 9, newer_first ? "old" : "new");
    const UniqueFd old(fcntl(shelf.fd(newer_first ? "slab-2" : "slab-1"), F_DUPFD_CLOEXEC, 0));
    REQUIRE(holds_text(old.get(), "old"));

    Vault vault(best_memory_kind(), kCapacity, &shelf);
    const RecoveryReport restored = vault.restore(shelf.hand_out());
    CHECK(restored.runs == 1);
    CHECK(restored.holds == 1);
    CHECK(restored.dropped == 0);  // superseded is not damaged
    CHECK(value_of(vault, "r") == "new");
    CHECK(vault.find_hold(JobId{1})->grants.at(0).ask == "new");
    CHECK_FALSE(holds_text(old.get(), "old"));
    CHECK(shelf.size() == 1);
}

TEST_CASE("Recovery: wipes and counts a damaged record and restores the rest") {
    Shelf shelf;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", "a value of a"))).ok());
        REQUIRE(vault.put_run(head("b"), list_of(user_secret("B", "a value of b"))).ok());
    }
    const UniqueFd slab(fcntl(shelf.fd("slab-1"), F_DUPFD_CLOEXEC, 0));
    flip(slab.get(), 32 + 32 + 4);  // in the payload of the first record
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    const RecoveryReport restored = vault.restore(shelf.hand_out());
    CHECK(restored.runs == 1);
    CHECK(restored.dropped == 1);
    CHECK(value_of(vault, "b") == "a value of b");
    CHECK_FALSE(holds_text(slab.get(), "a value of a"));
}

TEST_CASE("Recovery: rejects an invalid slab with a reason and overwrites it") {
    Shelf shelf;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", "a value"))).ok());
    }
    const UniqueFd slab(fcntl(shelf.fd("slab-1"), F_DUPFD_CLOEXEC, 0));
    std::string why;
    SECTION("with an unknown format version") {
        flip(slab.get(), 8);
        why = "slab-1: unknown slab format version 66; this agent supports version 2";
    }
    SECTION("without the magic of a slab") {
        flip(slab.get(), 0);
        why = "slab-1: the region is not a slab";
    }
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    const RecoveryReport restored = vault.restore(shelf.hand_out());
    REQUIRE(restored.refused.size() == 1);
    CHECK(restored.refused[0] == why);
    CHECK(vault.inventory().slabs == 0);
    CHECK(shelf.size() == 0);
    CHECK_FALSE(holds_text(slab.get(), "a value"));
    // The name is not given to another one while systemd may still know it.
    REQUIRE(vault.put_run(head("b"), list_of(user_secret("B", "b"))).ok());
    CHECK(shelf.fd("slab-2") >= 0);
}

TEST_CASE("Recovery: rejects a descriptor that is not a region") {
    Shelf shelf;
    const UniqueFd file(open("/dev/null", O_RDWR | O_CLOEXEC));
    shelf.keep("slab-3", file.get());
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    const RecoveryReport restored = vault.restore(shelf.hand_out());
    REQUIRE(restored.refused.size() == 1);
    CHECK(restored.refused[0].starts_with("slab-3: "));
    CHECK(shelf.size() == 0);
}

/// Puts a run into a vault, so that it has a slab.
void put_one(Vault& vault) {
    REQUIRE(vault.put_run({run_id("r"), Uid{1}, 1, at(1), at(2)}, {}).ok());
}

/// The ids that the next process finds.
std::vector<std::string> found_ids(const Shelf& shelf) {
    std::vector<std::string> ids;
    for (const auto& [name, fd] : shelf.all()) {
        if (name.starts_with(kMemoryId)) ids.push_back(name.substr(7));
    }
    return ids;
}
std::vector<FoundSlab> found_slabs(const Shelf& shelf) {
    std::vector<FoundSlab> slabs = shelf.hand_out();
    std::erase_if(slabs, [](const FoundSlab& each) { return each.name.starts_with(kMemoryId); });
    return slabs;
}

TEST_CASE("Vault: has the same id after a restart, with slabs and without") {
    Shelf shelf;
    const bool has_slab = GENERATE(true, false);
    std::string id;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        vault.begin_memory();
        id = vault.memory_id();
        CHECK(id.size() == 16);
        if (has_slab) put_one(vault);
    }
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    vault.find_memory(found_ids(shelf));
    CHECK(found_ids(shelf).empty());
    vault.restore(found_slabs(shelf));
    vault.begin_memory();
    CHECK(vault.memory_id() == id);
    CHECK(found_ids(shelf) == std::vector{id});
    vault.wipe_all();
    CHECK(shelf.size() == 0);
}

TEST_CASE("Vault: has another id after a restart that may have lost something") {
    Shelf shelf;
    std::string id;
    {
        Vault vault(MemoryKind::memfd, kCapacity, &shelf);
        vault.begin_memory();
        id = vault.memory_id();
        SECTION("a slab that was not handed over") {
            vault.set_swap(true);
            CHECK(found_ids(shelf) == std::vector{id});  // there is nothing to lose yet
            put_one(vault);
            CHECK(found_ids(shelf).empty());
        }
        SECTION("a slab that systemd was not told of") {
            shelf.deaf = true;
            put_one(vault);
            CHECK(found_ids(shelf).empty());
            shelf.deaf = false;
        }
        SECTION("a slab that is damaged") {
            put_one(vault);
            flip(shelf.fd("slab-1"), GENERATE(0U, 32U + 32U + 4U));
        }
        SECTION("two ids, of which one was not forgotten") {
            shelf.keep("memory-0123456789abcdef", STDERR_FILENO);
        }
    }
    Vault vault(MemoryKind::memfd, kCapacity, &shelf);
    vault.find_memory(found_ids(shelf));
    CHECK(found_ids(shelf).empty());
    vault.restore(found_slabs(shelf));
    vault.begin_memory();
    CHECK(vault.memory_id() != id);
    CHECK(found_ids(shelf) == std::vector{vault.memory_id()});
}

TEST_CASE("Vault: has no id in the fd store whenever it gives up a slab") {
    Shelf shelf;
    std::size_t given_up = 0;
    shelf.on_forget = [&](const std::string& name) {
        if (name.starts_with(kMemoryId)) return;
        ++given_up;
        CHECK(found_ids(shelf).empty());
    };
    std::string id;
    {
        Vault vault(MemoryKind::memfd, kCapacity, &shelf);
        vault.begin_memory();
        id = vault.memory_id();
        put_one(vault);
        SECTION("because of swap") {
            vault.set_swap(true);
            CHECK(given_up == 1);
        }
        SECTION("because of swap, when the fd store could not be reached before") {
            shelf.stuck = true;
            vault.set_swap(true);
            CHECK(given_up == 0);
            CHECK(vault.inventory().kept_slabs == 1);
            CHECK(found_ids(shelf) == std::vector{id});
            shelf.stuck = false;
            vault.set_swap(true);
            CHECK(given_up == 1);
            CHECK(vault.inventory().kept_slabs == 0);
        }
        SECTION("because it is damaged") {
            flip(shelf.fd("slab-1"), 0);
        }
    }
    Vault vault(MemoryKind::memfd, kCapacity, &shelf);
    vault.find_memory(found_ids(shelf));
    vault.restore(found_slabs(shelf));
    CHECK(given_up == 1);
    CHECK(found_ids(shelf).empty());
    vault.begin_memory();
    CHECK(vault.memory_id() != id);
}

TEST_CASE("KeptWord: is kept until the fd store can be told to forget it") {
    Shelf shelf;
    KeptWord word("word-", &shelf);
    word.keep("one");
    shelf.stuck = true;
    CHECK_FALSE(word.forget());
    CHECK(word.text() == "one");
    word.keep("two");
    CHECK(word.text().empty());  // as the next process finds both
    CHECK(shelf.size() == 2);
    shelf.stuck = false;
    SECTION("by another word") {
        word.keep("two");
        CHECK(word.text() == "two");
        CHECK(shelf.all().contains("word-two"));
        CHECK(shelf.size() == 1);
    }
    SECTION("by none") {
        CHECK(word.forget());
        CHECK(shelf.size() == 0);
    }
}

TEST_CASE("Vault: keeps its id again once all of it would be found") {
    Shelf shelf;
    Vault vault(MemoryKind::memfd, kCapacity, &shelf);
    vault.begin_memory();
    vault.set_swap(true);
    put_one(vault);
    CHECK(found_ids(shelf).empty());
    vault.set_swap(false);
    CHECK(found_ids(shelf) == std::vector{vault.memory_id()});
}

TEST_CASE("Vault: overwrites a memfd slab at exit only while swap is active") {
    Shelf shelf;
    UniqueFd slab;
    const bool swap = GENERATE(false, true);
    CAPTURE(swap);
    {
        Vault vault(MemoryKind::memfd, kCapacity, &shelf);
        REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", "a value"))).ok());
        slab = UniqueFd(fcntl(shelf.fd("slab-1"), F_DUPFD_CLOEXEC, 0));
        vault.set_swap(swap);
        CHECK(shelf.size() == (swap ? 0 : 1));
        CHECK(vault.inventory().kept_slabs == (swap ? 0 : 1));
    }
    CHECK(holds_text(slab.get(), "a value") != swap);
    {
        Vault vault(MemoryKind::memfd, kCapacity, &shelf);
        vault.restore(shelf.hand_out());
        vault.wipe_all();
        CHECK(shelf.size() == 0);
    }
    CHECK_FALSE(holds_text(slab.get(), "a value"));
}

TEST_CASE("Vault: hands a slab to the fd store once swap is off") {
    Shelf shelf;
    Vault vault(MemoryKind::memfd, kCapacity, &shelf);
    CHECK(vault.uses_swappable_memory());
    vault.set_swap(true);
    REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", "a"))).ok());
    CHECK(shelf.size() == 0);
    vault.set_swap(false);
    CHECK(shelf.size() == 1);
}

TEST_CASE("Vault: gives up only memfd slabs when swap becomes active") {
    if (best_memory_kind() != MemoryKind::secretmem) {
        SKIP_BECAUSE("this kernel gives no memfd_secret");
    }
    Shelf shelf;
    const auto [before, after] = GENERATE(std::pair(MemoryKind::memfd, MemoryKind::secretmem),
                                          std::pair(MemoryKind::secretmem, MemoryKind::memfd));
    CAPTURE(memory_kind_word(before));
    {
        Vault vault(before, kCapacity, &shelf);
        REQUIRE(vault.put_run(head("before"), list_of(user_secret("A", "a"))).ok());
        REQUIRE(vault.hold(JobId{7}, Uid{1001}, {"run:before", "before", 1}, at(5)).ok());
    }
    Vault vault(after, kCapacity, &shelf);
    CHECK(vault.restore(shelf.hand_out()).runs == 1);
    CHECK(vault.uses_swappable_memory());
    const std::string large(kMiB, 'x');  // has no room in the slab that was found
    REQUIRE(vault.put_run(head("after"), list_of(user_secret("A", large))).ok());
    CHECK(shelf.size() == 2);
    vault.set_swap(true);
    CHECK(shelf.size() == 1);
    const bool first_stays = before == MemoryKind::secretmem;
    CHECK(vault.wipe_unkept().records == (first_stays ? 1 : 2));
    CHECK((vault.find_run(run_id("before")) != nullptr) == first_stays);
    CHECK((vault.find_run(run_id("after")) != nullptr) != first_stays);
    CHECK(vault.holds().size() == (first_stays ? 1 : 0));
    CHECK(vault.wipe_unkept().records == 0);
}

TEST_CASE("Vault: grows slabs with its content so that few are needed") {
    if (!LockedRegion::create(128 * kMiB, MemoryKind::memfd).ok()) {
        SKIP_BECAUSE("this user may lock less than 128 MiB of memory");
    }
    Vault vault(MemoryKind::memfd, 1024 * kMiB);
    const std::string value(65536, 'v');
    int run = 0;
    while (vault.inventory().slab_bytes < 100 * kMiB) {
        REQUIRE(vault
                    .put_run(head("r" + std::to_string(run++)),
                             list_of(user_secret("A", value), user_secret("B", value)))
                    .ok());
    }
    CHECK(vault.inventory().slabs < 32 + 50);
}

TEST_CASE("Vault: counts a slab as stored only once the fd store accepts it and retries") {
    Shelf shelf;
    shelf.deaf = true;
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", "x"))).ok());
    CHECK(vault.inventory().slabs == 1);
    CHECK(vault.inventory().kept_slabs == 0);
    vault.set_swap(false);
    CHECK(vault.inventory().kept_slabs == 0);
    shelf.deaf = false;
    vault.set_swap(false);
    CHECK(vault.inventory().kept_slabs == 1);
    CHECK(shelf.size() == 1);
}

// ---- kill -9
// ---------------------------------------------------------------------------------------

/// A keeper in another process: names and descriptors go through a socket.
class Wire : public FdStore {
  public:
    explicit Wire(int socket) : socket_(socket) {}
    bool keep(const std::string& name, int fd) override {
        say("+" + name, fd);
        return true;
    }
    bool forget(const std::string& name) override {
        say("-" + name, -1);
        return true;
    }
    /// What the test may rely on from now on.
    void done(std::uint64_t change) { say("!" + std::to_string(change), -1); }

  private:
    void say(const std::string& text, int fd) {
        if (!send_packet(socket_, std::as_bytes(std::span(text)),
                         Deadline::in(std::chrono::seconds(5)), fd)
                 .ok()) {
            _exit(1);
        }
    }
    int socket_;
};

constexpr std::uint64_t kRuns = 8;

/// Changes the vault for ever: change N puts run N % 8 with a value that says N, and wipes the run
/// half a round away; every third is of a job.
int change_for_ever(int socket, std::vector<FoundSlab> found, std::uint64_t from) {
    Wire wire(socket);
    Vault vault(best_memory_kind(), kCapacity, &wire);
    vault.restore(std::move(found));
    for (std::uint64_t change = from;; ++change) {
        std::string value = "change " + std::to_string(change) + " ";
        while (value.size() < 20000 + change % 7 * 3000) value += value;
        const std::string id = "r" + std::to_string(change % kRuns);
        if (!vault.put_run(head(id, change), list_of(user_secret("A", value))).ok()) return 2;
        vault.wipe_run(run_id("r" + std::to_string((change + kRuns / 2) % kRuns)));
        if (!vault.hold(JobId{1}, Uid{1001}, {"run:" + id, id, change}, at(1)).ok()) return 3;
        if (change % 3 == 0) vault.wipe_hold(JobId{1});
        wire.done(change);
    }
}

TEST_CASE("Recovery: restores complete changes and no partial ones after SIGKILL at any time") {
    Shelf shelf;
    std::uint64_t done = 0;
    std::size_t dropped = 0;
    for (int life = 0; life < 60; ++life) {
        int ends[2];
        REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
        UniqueFd ours(ends[0]);
        UniqueFd theirs(ends[1]);
        std::vector<FoundSlab> found = shelf.hand_out();
        Child child([&] { return change_for_ever(theirs.get(), std::move(found), done + 1); });
        theirs.reset();
        std::jthread killer([pid = child.pid(), life] {
            std::this_thread::sleep_for(std::chrono::microseconds(3000 + life * 331 % 9000));
            kill(pid, SIGKILL);
        });
        while (true) {
            std::array<std::byte, 256> buffer;
            auto packet = receive_packet(ours.get(), buffer, Deadline::in(std::chrono::seconds(5)));
            if (!packet || packet->size == 0) break;
            const std::string text(text_of(std::span(buffer).first(packet->size)));
            if (text[0] == '+') shelf.keep(text.substr(1), packet->fd.get());
            if (text[0] == '-') shelf.forget(text.substr(1));
            if (text[0] == '!') done = std::stoull(text.substr(1));
        }
        killer.join();
        REQUIRE(child.wait() == -SIGKILL);

        Vault vault(best_memory_kind(), kCapacity, &shelf);
        const RecoveryReport restored = vault.restore(shelf.hand_out());
        dropped += restored.dropped;
        CHECK(restored.refused.empty());
        for (const RunHead* run : vault.runs()) {
            CHECK(value_of(vault, run->id.text())
                      .starts_with("change " + std::to_string(run->generation) + " "));
        }
        // The last change that was done is there, unless the one after it replaced it already.
        if (done > 0) {
            const RunHead* last = vault.find_run(run_id("r" + std::to_string(done % kRuns)));
            REQUIRE(last != nullptr);
            CHECK(last->generation == done);
            const Hold* hold = vault.find_hold(JobId{1});
            // The change that was cut off may have wiped the hold of the one before.
            if (done % 3 == 1) CHECK(hold != nullptr);
        }
    }
    INFO("records that were caught half written: " << dropped);
    CHECK(done > 60);
}

}  // namespace
}  // namespace secrets::vault
