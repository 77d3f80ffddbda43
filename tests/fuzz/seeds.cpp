// SPDX-License-Identifier: Apache-2.0
// Writes the binary inputs of tests/fuzz/corpus, with the encoders themselves. Argument: the corpus
// folder.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agentd/vault/record_codec.h"
#include "agentd/vault/slab.h"
#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/slurm_query_protocol.h"
#include "common/secure_memory/delivery.h"

namespace secrets {
namespace {

using Bytes = std::vector<std::byte>;

class Corpus {
  public:
    explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {}

    void write(const std::string& target, const std::string& name,
               std::span<const std::byte> bytes) {
        std::filesystem::create_directories(folder_ / target);
        std::ofstream(folder_ / target / name, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }

  private:
    std::filesystem::path folder_;
};

SecretView view_of(std::string_view text) {
    return SecretView(std::as_bytes(std::span(text)));
}

vault::NewSecret secret(vault::Scope scope, const std::string& name, std::string_view value) {
    SecretBuffer buffer(value.size());
    memcpy(buffer.bytes().data(), value.data(), value.size());
    return {scope, name, std::move(buffer)};
}

Bytes with_byte(Bytes bytes, std::size_t at, int value) {
    bytes.at(at) = static_cast<std::byte>(value);
    return bytes;
}

Bytes cut(Bytes bytes, std::size_t length) {
    bytes.resize(length);
    return bytes;
}

void wire_seeds(Corpus& corpus) {
    const plugin_protocol::GrantRequest ask{JobId{7}, StepId{0}, Uid{1001}, 10000,
                                            "run:demo-1,HF_TOKEN,NGC?"};
    const Bytes whole = plugin_protocol::encode(plugin_protocol::Request(ask));
    corpus.write("plugin_protocol", "ask", whole);
    corpus.write("plugin_protocol", "ask-with-a-byte-too-many",
                 with_byte(cut(whole, whole.size() + 1), 8, static_cast<int>(whole.size()) + 1));
    corpus.write("plugin_protocol", "ask-cut-off", cut(whole, whole.size() - 3));
    corpus.write("plugin_protocol", "ask-of-the-batch-step",
                 plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::GrantRequest{
                     JobId{0xfffffffe}, StepId{0xfffffffb}, Uid{0}, kMaxWaitMilliseconds, ""})));
    corpus.write("plugin_protocol", "ask-of-the-longest-text",
                 plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::GrantRequest{
                     JobId{1}, StepId{1}, Uid{1}, 0, std::string(kMaxSpecBytes, 'A')})));
    corpus.write("plugin_protocol", "ask-that-waits-too-long",
                 plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::GrantRequest{
                     JobId{1}, StepId{1}, Uid{1}, kMaxWaitMilliseconds + 1, "A"})));
    corpus.write("plugin_protocol", "ask-with-patience",
                 plugin_protocol::encode(plugin_protocol::Request(
                     plugin_protocol::GrantRequest{JobId{1}, StepId{1}, Uid{1}, 0, "A", 5000})));
    corpus.write(
        "plugin_protocol", "wipe",
        plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::WipeRequest{JobId{7}})));
    corpus.write("plugin_protocol", "ping",
                 plugin_protocol::encode(plugin_protocol::Request(plugin_protocol::PingRequest{})));
    corpus.write("plugin_protocol", "check",
                 plugin_protocol::encode(
                     plugin_protocol::Request(plugin_protocol::CheckRequest{"run:demo-1"})));
    const Bytes get = plugin_protocol::encode(
        plugin_protocol::Request(plugin_protocol::GetRequest{"HF_TOKEN:file,DB=PGPASSWORD", 5000}));
    corpus.write("plugin_protocol", "get", get);
    corpus.write("plugin_protocol", "get-cut-off", cut(get, get.size() - 2));
    corpus.write("plugin_protocol", "get-that-waits-too-long", with_byte(get, 15, 255));
    corpus.write("plugin_protocol", "granted",
                 plugin_protocol::encode(
                     plugin_protocol::Reply(plugin_protocol::Granted{4096, "waited 0.3 s"})));
    corpus.write("plugin_protocol", "nothing",
                 plugin_protocol::encode(plugin_protocol::Reply(plugin_protocol::Nothing{""})));
    corpus.write("plugin_protocol", "waiting",
                 plugin_protocol::encode(plugin_protocol::Reply(plugin_protocol::Waiting{10000})));
    corpus.write("plugin_protocol", "refused",
                 plugin_protocol::encode(plugin_protocol::Reply(
                     plugin_protocol::Refused{"run demo-1 belongs to another user"})));
    corpus.write("plugin_protocol", "done",
                 plugin_protocol::encode(
                     plugin_protocol::Reply(plugin_protocol::Done{"job 7 held nothing"})));
    corpus.write("plugin_protocol", "busy",
                 plugin_protocol::encode(
                     plugin_protocol::Reply(plugin_protocol::Busy{"too many connections"})));
    corpus.write("plugin_protocol", "another-magic", with_byte(whole, 3, '2'));
    corpus.write("plugin_protocol", "another-version", with_byte(whole, 4, 2));
    corpus.write("plugin_protocol", "another-type", with_byte(whole, 6, 99));
    corpus.write("plugin_protocol", "another-length", with_byte(whole, 8, 1));
    corpus.write("plugin_protocol", "text-longer-than-the-message", with_byte(whole, 28, 255));
    corpus.write("plugin_protocol", "empty", {});
}

void view_wire_seeds(Corpus& corpus) {
    using slurm_query::JobState;
    const slurm_query::JobsRequest jobs{{JobId{7}, JobId{0}, JobId{0xffffffff}}};
    const Bytes whole = slurm_query::encode(jobs);
    corpus.write("slurm_query_protocol", "jobs", whole);
    corpus.write("slurm_query_protocol", "jobs-cut-off", cut(whole, whole.size() - 1));
    corpus.write("slurm_query_protocol", "jobs-more-than-there-are", with_byte(whole, 12, 200));
    corpus.write("slurm_query_protocol", "jobs-none",
                 slurm_query::encode(slurm_query::JobsRequest{}));
    corpus.write("slurm_query_protocol", "states",
                 slurm_query::encode(slurm_query::Reply(
                     slurm_query::States{{JobState::active, JobState::ended, JobState::unknown},
                                         "slurmctld gave no answer within 5 s"})));
    corpus.write("slurm_query_protocol", "states-of-a-number-too-large",
                 with_byte(slurm_query::encode(
                               slurm_query::Reply(slurm_query::States{{JobState::active}, ""})),
                           16, 9));
    corpus.write("slurm_query_protocol", "refused",
                 slurm_query::encode(slurm_query::Reply(slurm_query::Refused{"too many jobs"})));
    const Bytes account = slurm_query::encode(slurm_query::AccountRequest{"chem", "alice"});
    corpus.write("slurm_query_protocol", "account", account);
    corpus.write("slurm_query_protocol", "account-of-a-blank", with_byte(account, 17, ' '));
    const Bytes users =
        slurm_query::encode(slurm_query::Reply(slurm_query::Users{true, true, {"alice", "bob"}}));
    corpus.write("slurm_query_protocol", "users", users);
    corpus.write("slurm_query_protocol", "users-cut-off", cut(users, users.size() - 1));
    corpus.write("slurm_query_protocol", "users-more-than-there-are", with_byte(users, 20, 3));
    corpus.write("slurm_query_protocol", "users-out-of-order", with_byte(users, 28, 'z'));
    corpus.write("slurm_query_protocol", "users-of-no-account",
                 slurm_query::encode(slurm_query::Reply(slurm_query::Users{})));
    const Bytes places = slurm_query::encode(slurm_query::PlacementsRequest{
        {{JobId{7}, Uid{1001}, "n1", "10.0.0.1"}, {JobId{8}, Uid{0}, "n2", "::1"}}});
    corpus.write("slurm_query_protocol", "places", places);
    corpus.write("slurm_query_protocol", "places-cut-off", cut(places, places.size() - 1));
    corpus.write("slurm_query_protocol", "places-more-than-there-are", with_byte(places, 12, 3));
    const Bytes recall = slurm_query::encode(slurm_query::PlacementsRequest{
        {{JobId{7}, Uid{1001}, "n1", "10.0.0.1"}, {slurm_query::kNoJob, Uid{0}, "n2", "::1"}},
        false});
    corpus.write("slurm_query_protocol", "recall", recall);
    corpus.write("slurm_query_protocol", "recall-cut-off", cut(recall, recall.size() - 1));
    corpus.write("slurm_query_protocol", "process",
                 slurm_query::encode(slurm_query::ProcessRequest{4711}));
    corpus.write("slurm_query_protocol", "job",
                 slurm_query::encode(slurm_query::Reply(slurm_query::JobOfProcess{JobId{7}})));
    corpus.write("slurm_query_protocol", "jobs-of-version-1",
                 slurm_query::encode(jobs, slurm_query::kOldestVersion));
    corpus.write("slurm_query_protocol", "states-of-version-1-with-a-word-of-version-2",
                 with_byte(slurm_query::encode(
                               slurm_query::Reply(slurm_query::States{{JobState::forgotten}, ""})),
                           4, 1));
    const Bytes verdicts = slurm_query::encode(slurm_query::Reply(slurm_query::Verdicts{
        {slurm_query::Verdict::runs_there, slurm_query::Verdict::unknown}, "slurmctld is down"}));
    corpus.write("slurm_query_protocol", "verdicts", verdicts);
    corpus.write("slurm_query_protocol", "verdicts-of-a-number-too-large",
                 with_byte(verdicts, 16, 10));
    corpus.write("slurm_query_protocol", "another-magic", with_byte(whole, 2, 'S'));
}

void delivery_seeds(Corpus& corpus) {
    const auto image_of = [](std::vector<DeliveryEntry> entries) {
        Bytes image(delivery_size(entries));
        if (!write_delivery(entries, image).ok()) abort();
        return image;
    };
    const Bytes two =
        image_of({{"HF_TOKEN", view_of("hf_0123")}, {"DB_PASSWORD", view_of("a$b`c\n")}});
    corpus.write("delivery", "two-variables", two);
    corpus.write("delivery", "no-variable", image_of({}));
    corpus.write("delivery", "an-empty-value", image_of({{"EMPTY", view_of("")}}));
    corpus.write(
        "delivery", "the-longest-name",
        image_of(
            {{std::string_view("N123456789N123456789N123456789N123456789N123456789N123456789ABCD"),
              view_of("x")}}));
    corpus.write("delivery", "the-rest-of-a-page", cut(two, 512));
    corpus.write("delivery", "cut-off", cut(two, two.size() - 1));
    corpus.write("delivery", "a-nul-in-a-value", with_byte(two, two.size() - 3, 0));
    corpus.write("delivery", "no-nul-behind-a-value", with_byte(two, two.size() - 1, 'x'));
    corpus.write("delivery", "another-magic", with_byte(two, 0, 'X'));
    corpus.write("delivery", "another-version", with_byte(two, 8, 2));
    corpus.write("delivery", "one-more-than-there-are", with_byte(two, 12, 3));
    corpus.write("delivery", "one-less-than-there-are", with_byte(two, 12, 1));
    corpus.write("delivery", "a-count-beyond-all", with_byte(two, 15, 255));
    corpus.write("delivery", "a-length-beyond-all", with_byte(two, 23, 255));
    corpus.write("delivery", "another-kind", with_byte(two, 24, 3));
    corpus.write("delivery", "a-variable-called-a-file", with_byte(two, 24, 2));
    const Bytes file = image_of(
        {{"KEY_FILE", view_of(std::string_view("\0b\0", 3)), "KEY"}, {"KEY", view_of("abc")}});
    corpus.write("delivery", "a-file-and-a-variable", file);
    corpus.write("delivery", "a-file-called-a-variable", with_byte(file, 24, 1));
    corpus.write("delivery", "a-file-without-a-name", with_byte(file, 27, 0));
    corpus.write("delivery", "a-file-of-another-folder", with_byte(file, 41, '/'));
    corpus.write("delivery", "a-held-one", with_byte(file, 24, 3));
    corpus.write("delivery", "a-value-beyond-the-image", with_byte(two, 29, 255));
}

Bytes run_record(const std::string& id, std::int64_t expires,
                 std::vector<vault::NewSecret> secrets) {
    const vault::Time now{std::chrono::seconds(1'800'000'000)};
    const vault::RunHead head{RunId::parse(id).value(),
                              Uid{1001},
                              1,
                              now,
                              vault::Time(std::chrono::seconds(expires)),
                              "tower"};
    Bytes payload(vault::run_payload_size(head, secrets));
    vault::write_run(head, secrets, payload);
    return payload;
}

Bytes two_secrets() {
    std::vector<vault::NewSecret> secrets;
    secrets.push_back(secret(vault::Scope::workspace, "HF_TOKEN", "hf_team"));
    secrets.push_back(secret(vault::Scope::user, "HF_TOKEN", std::string_view("\0\1\2", 3)));
    return run_record("demo-1", 1'800'086'400, std::move(secrets));
}

Bytes hold_record(std::uint32_t job, std::vector<vault::Grant> grants) {
    const vault::Hold hold{JobId{job}, Uid{1001}, vault::Time(std::chrono::seconds(1'800'000'000)),
                           std::move(grants)};
    Bytes payload(vault::hold_payload_size(hold));
    vault::write_hold(hold, payload);
    return payload;
}

Bytes two_grants(std::uint32_t job) {
    return hold_record(job, {{"run:demo-1", "demo-1", 1}, {"run:demo-1,HF_TOKEN", "demo-1", 2}});
}

void record_seeds(Corpus& corpus) {
    corpus.write("record_codec", "run-with-two-secrets", two_secrets());
    corpus.write("record_codec", "run-without-secrets", run_record("a", 0, {}));
    corpus.write("record_codec", "run-that-never-expires", run_record("a", INT64_MAX, {}));
    corpus.write("record_codec", "run-of-another-scope", with_byte(two_secrets(), 40, 3));
    corpus.write("record_codec", "run-cut-off", cut(two_secrets(), 60));
    corpus.write("record_codec", "run-of-more-secrets-than-there-are",
                 with_byte(two_secrets(), 39, 255));
    corpus.write("record_codec", "hold-with-two-grants", two_grants(7));
    corpus.write("record_codec", "hold-without-grants", hold_record(7, {}));
    corpus.write("record_codec", "hold-of-no-run", hold_record(7, {{"A?", "", 0}}));
    corpus.write("record_codec", "hold-cut-off", cut(two_grants(7), 30));
    corpus.write("record_codec", "hold-of-more-grants-than-there-are",
                 with_byte(two_grants(7), 19, 255));
}

/// A slab whose bytes can be copied at any moment between changes of its records.
class SlabMaker {
  public:
    SlabMaker()
        : region_(LockedRegion::create(4096, MemoryKind::memfd).value()),
          bytes_(region_.bytes()),
          slab_(std::move(region_)) {}

    vault::RecordOffset draft(vault::RecordType type, const Bytes& payload) {
        const auto draft = slab_.begin(type, payload.size(), ++sequence_);
        memcpy(draft->payload.data(), payload.data(), payload.size());
        return draft->offset;
    }
    vault::RecordOffset put(vault::RecordType type, const Bytes& payload) {
        const vault::RecordOffset offset = draft(type, payload);
        slab_.commit(offset);
        return offset;
    }
    void free(vault::RecordOffset offset) { slab_.free(offset); }
    Bytes bytes() const { return {bytes_.begin(), bytes_.end()}; }

  private:
    LockedRegion region_;
    std::span<const std::byte> bytes_;
    vault::Slab slab_;
    std::uint64_t sequence_ = 0;
};

/// Extends the first extent over the second; the first one's record stays whole, checksum included.
Bytes with_first_extent_over_the_second(Bytes bytes) {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    memcpy(&first, bytes.data() + 32, sizeof(first));
    memcpy(&second, bytes.data() + 32 + first, sizeof(second));
    first += second;
    memcpy(bytes.data() + 32, &first, sizeof(first));
    return bytes;
}

void slab_seeds(Corpus& corpus) {
    using vault::RecordType;
    {
        SlabMaker slab;
        corpus.write("slab", "fresh", slab.bytes());
        slab.put(RecordType::run, two_secrets());
        const Bytes one = slab.bytes();
        corpus.write("slab", "one-run", one);
        corpus.write("slab", "one-run-damaged", with_byte(one, 32 + 32 + 5, 255));
        corpus.write("slab", "extents-that-do-not-add-up", with_byte(one, 32 + 3, 255));
        corpus.write("slab", "an-extent-of-nothing", with_byte(one, 32, 0));
        corpus.write("slab", "another-magic", with_byte(one, 0, 'X'));
        corpus.write("slab", "another-version", with_byte(one, 8, 2));
        corpus.write("slab", "another-length", with_byte(one, 13, 0x20));
        corpus.write("slab", "shorter-than-a-page", cut(one, 200));
        corpus.write("slab", "shorter-than-its-header", cut(one, 20));
        slab.put(RecordType::hold, two_grants(7));
        corpus.write("slab", "a-run-and-a-hold", slab.bytes());
        corpus.write("slab", "a-run-that-covers-a-hold",
                     with_first_extent_over_the_second(slab.bytes()));
        slab.put(static_cast<RecordType>(9), two_secrets());
        corpus.write("slab", "a-record-of-another-type", slab.bytes());
    }
    {
        SlabMaker slab;
        const auto first = slab.put(RecordType::run, two_secrets());
        slab.put(RecordType::hold, two_grants(7));
        const auto third = slab.put(RecordType::run, run_record("other", INT64_MAX, {}));
        slab.draft(RecordType::hold, two_grants(8));
        corpus.write("slab", "a-hold-half-written", slab.bytes());
        slab.free(first);
        corpus.write("slab", "a-gap-at-the-beginning", slab.bytes());
        slab.free(third);
        corpus.write("slab", "two-gaps", slab.bytes());
    }
    {
        SlabMaker slab;
        slab.put(RecordType::run, two_secrets());
        slab.put(RecordType::run, two_secrets());
        slab.put(RecordType::hold, two_grants(7));
        slab.put(RecordType::hold, hold_record(7, {}));
        corpus.write("slab", "two-generations-of-each", slab.bytes());
    }
    {
        SlabMaker slab;
        std::vector<vault::NewSecret> secrets;
        secrets.push_back(secret(vault::Scope::user, "LARGE", std::string(3966, 'x')));
        slab.put(RecordType::run, run_record("full", 0, std::move(secrets)));
        corpus.write("slab", "full", slab.bytes());
    }
    {
        SlabMaker slab;
        slab.put(RecordType::run, cut(two_secrets(), 50));
        slab.put(RecordType::hold, cut(two_grants(7), 30));
        slab.put(RecordType::run, {});
        corpus.write("slab", "whole-records-of-malformed-content", slab.bytes());
    }
}

}  // namespace
}  // namespace secrets

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    secrets::Corpus corpus(argv[1]);
    secrets::wire_seeds(corpus);
    secrets::view_wire_seeds(corpus);
    secrets::delivery_seeds(corpus);
    secrets::record_seeds(corpus);
    secrets::slab_seeds(corpus);
    return 0;
}
