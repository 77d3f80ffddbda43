// SPDX-License-Identifier: Apache-2.0
#include "common/ipc/slurm_query_protocol.h"

#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::slurm_query {
namespace {

constexpr ipc::Protocol kProtocol{"SLV1", kOldestVersion, kMaxQueryMessageBytes,
                                  "agent and slurm-secrets-view", kNewestVersion};
constexpr std::uint16_t kWithForgotten = 2;

enum class Type : std::uint16_t {
    jobs = 1,
    account = 2,
    places = 3,
    process = 4,
    recall = 5,
    ends = 6,
    states = 101,
    refused = 102,
    users = 103,
    verdicts = 104,
    job = 105,
};

class Writer : public ipc::MessageWriter {
  public:
    Writer(Type type, std::uint16_t version)
        : MessageWriter(kProtocol, static_cast<std::uint16_t>(type), version) {}
};

/// Returns as many numbers as the message declares; empty if it declares more than `most`.
std::vector<std::uint32_t> read_numbers(ipc::MessageReader& body, std::size_t most) {
    std::vector<std::uint32_t> numbers;
    const std::uint32_t count = body.number();
    if (count > most) return numbers;
    for (std::uint32_t i = 0; i < count; ++i) numbers.push_back(body.number());
    return numbers;
}

/// Decodes a reply of at most `most` numbers, each from `first` to `last`, and a sentence.
template <typename Told, typename Word>
StatusOr<Reply> decode_words(ipc::MessageReader body, std::vector<Word> Told::*words, Word first,
                             Word last, std::size_t most, const char* type) {
    Told told;
    for (const std::uint32_t number : read_numbers(body, most)) {
        const auto word = static_cast<Word>(number);
        if (word < first || word > last) return ipc::malformed_message(type);
        (told.*words).push_back(word);
    }
    told.sentence = body.sentence();
    if ((told.*words).empty() || !body.complete()) return ipc::malformed_message(type);
    return Reply(std::move(told));
}

JobState last_state(std::uint16_t version) {
    return version >= kWithForgotten ? JobState::forgotten : JobState::unknown;
}

Verdict last_verdict(std::uint16_t version) {
    return version >= kWithForgotten ? Verdict::unknown_job : Verdict::is_node;
}

/// Encodes a reply that has a sentence. Words that the version lacks become `unknown`.
template <typename Word>
Message encode_words(Type type, std::uint16_t version, const std::vector<Word>& words, Word last,
                     std::string sentence) {
    Writer writer(type, version);
    writer.number(static_cast<std::uint32_t>(words.size()));
    for (Word word : words) {
        if (word > last) {
            word = Word::unknown;
            if (sentence.empty()) sentence = "slurmctld does not know the job or the node";
        }
        writer.number(static_cast<std::uint32_t>(word));
    }
    return writer.sentence(sentence).finish();
}

StatusOr<Request> decode_places(ipc::MessageReader body, bool may_look_up) {
    const char* const type = may_look_up ? "PLACES" : "RECALL";
    PlacementsRequest request{{}, may_look_up};
    const std::uint32_t count = body.number();
    if (count < 1 || count > kMaxPlacementsPerQuery) return ipc::malformed_message(type);
    for (std::uint32_t i = 0; i < count; ++i) {
        Placement place;
        place.job.value = body.number();
        place.owner.value = body.number();
        place.node = body.text(kMaxNodeNameBytes);
        place.address = body.text(kMaxAddressBytes);
        request.places.push_back(std::move(place));
    }
    if (!body.complete()) return ipc::malformed_message(type);
    return Request(std::move(request));
}

/// Reads a number that is 0 or 1; returns nothing for any other number.
std::optional<bool> read_flag(ipc::MessageReader& body) {
    const std::uint32_t number = body.number();
    if (number > 1) return std::nullopt;
    return number == 1;
}

StatusOr<Reply> decode_users(ipc::MessageReader body) {
    const auto known = read_flag(body);
    const auto more = read_flag(body);
    const std::uint32_t count = body.number();
    if (!known || !more || count > kMaxUsersPerReply) return ipc::malformed_message("USERS");
    Users users{*known, *more, {}};
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string user = body.text(kMaxUserBytes);
        // Ascending order, so that no name is empty or appears twice.
        const std::string& before = users.users.empty() ? "" : users.users.back();
        if (user <= before) return ipc::malformed_message("USERS");
        users.users.push_back(std::move(user));
    }
    const bool fits = count > 0 ? users.known : !users.more;
    if (!fits || !body.complete()) return ipc::malformed_message("USERS");
    return Reply(std::move(users));
}

StatusOr<Request> decode_process(ipc::MessageReader body) {
    const ProcessRequest request{body.number()};
    if (!body.complete()) return ipc::malformed_message("PROCESS");
    return Request(request);
}

StatusOr<Reply> decode_job(ipc::MessageReader body) {
    const JobOfProcess reply{JobId{body.number()}};
    if (!body.complete()) return ipc::malformed_message("JOB");
    return Reply(reply);
}

StatusOr<Request> decode_jobs(ipc::MessageReader body, bool for_good) {
    const char* const type = for_good ? "ENDS" : "JOBS";
    JobsRequest request{{}, for_good, {}};
    const std::uint32_t count = body.number();
    if (count < 1 || count > kMaxJobsPerQuery) return ipc::malformed_message(type);
    for (std::uint32_t i = 0; i < count; ++i) {
        request.jobs.push_back(JobId{body.number()});
        if (for_good) request.owners.push_back(Uid{body.number()});
    }
    if (!body.complete()) return ipc::malformed_message(type);
    return Request(std::move(request));
}

StatusOr<Request> decode_account(ipc::MessageReader body) {
    AccountRequest request;
    request.account = body.text(kMaxAccountBytes);
    request.after = body.text(kMaxUserBytes);
    if (!body.complete() || !check_account_name(request.account).ok()) {
        return ipc::malformed_message("ACCOUNT");
    }
    return Request(std::move(request));
}

}  // namespace

Message encode(const Request& request, std::uint16_t version) {
    if (const auto* account = std::get_if<AccountRequest>(&request)) {
        return Writer(Type::account, version).text(account->account).text(account->after).finish();
    }
    if (const auto* asked = std::get_if<PlacementsRequest>(&request)) {
        Writer writer(asked->may_look_up ? Type::places : Type::recall, version);
        writer.number(static_cast<std::uint32_t>(asked->places.size()));
        for (const Placement& place : asked->places) {
            writer.number(place.job.value).number(static_cast<std::uint32_t>(place.owner.value));
            writer.text(place.node).text(place.address);
        }
        return writer.finish();
    }
    if (const auto* process = std::get_if<ProcessRequest>(&request)) {
        return Writer(Type::process, version).number(process->pid).finish();
    }
    const auto& asked = *std::get_if<JobsRequest>(&request);
    Writer writer(asked.for_good ? Type::ends : Type::jobs, version);
    writer.number(static_cast<std::uint32_t>(asked.jobs.size()));
    for (std::size_t i = 0; i < asked.jobs.size(); ++i) {
        writer.number(asked.jobs[i].value);
        if (asked.for_good) writer.number(static_cast<std::uint32_t>(asked.owners[i].value));
    }
    return writer.finish();
}

Message encode(const Reply& reply, std::uint16_t version) {
    if (const auto* refused = std::get_if<Refused>(&reply)) {
        return Writer(Type::refused, version).sentence(refused->sentence).finish();
    }
    if (const auto* users = std::get_if<Users>(&reply)) {
        Writer writer(Type::users, version);
        writer.number(users->known ? 1 : 0).number(users->more ? 1 : 0);
        writer.number(static_cast<std::uint32_t>(users->users.size()));
        for (const std::string& user : users->users) writer.text(user);
        return writer.finish();
    }
    if (const auto* told = std::get_if<Verdicts>(&reply)) {
        return encode_words(Type::verdicts, version, told->verdicts, last_verdict(version),
                            told->sentence);
    }
    if (const auto* process = std::get_if<JobOfProcess>(&reply)) {
        return Writer(Type::job, version).number(process->job.value).finish();
    }
    const auto& states = *std::get_if<States>(&reply);
    return encode_words(Type::states, version, states.states, last_state(version), states.sentence);
}

StatusOr<Request> decode_request(std::span<const std::byte> message) {
    const auto type = ipc::message_type(kProtocol, message);
    if (!type) return type.status();
    const ipc::MessageReader body(message);
    switch (static_cast<Type>(*type)) {
        case Type::jobs:
            return decode_jobs(body, false);
        case Type::ends:
            return decode_jobs(body, true);
        case Type::account:
            return decode_account(body);
        case Type::places:
            return decode_places(body, true);
        case Type::recall:
            return decode_places(body, false);
        case Type::process:
            return decode_process(body);
        default:
            return ipc::unknown_message_type(*type);
    }
}

StatusOr<Reply> decode_reply(std::span<const std::byte> message) {
    const auto type = ipc::message_type(kProtocol, message);
    if (!type) return type.status();
    ipc::MessageReader body(message);
    const std::uint16_t version = ipc::message_version(message);
    switch (static_cast<Type>(*type)) {
        case Type::states:
            return decode_words(body, &States::states, JobState::active, last_state(version),
                                kMaxJobsPerQuery, "STATES");
        case Type::users:
            return decode_users(body);
        case Type::verdicts:
            return decode_words(body, &Verdicts::verdicts, Verdict::runs_there,
                                last_verdict(version), kMaxPlacementsPerQuery, "VERDICTS");
        case Type::job:
            return decode_job(body);
        case Type::refused: {
            Refused refused{body.sentence()};
            if (!body.complete()) return ipc::malformed_message("REFUSED");
            return Reply(std::move(refused));
        }
        default:
            return ipc::unknown_message_type(*type);
    }
}

}  // namespace secrets::slurm_query
