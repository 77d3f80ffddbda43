#include "common/view_wire.h"

#include "common/limits.h"

namespace secrets::view_wire {
namespace {

constexpr wire::Protocol kProtocol{"SLV1", 1, kMaxViewMessageBytes, "agent and slurm-secrets-view"};

enum class Type : std::uint16_t {
    jobs = 1,
    states = 101,
    refused = 102,
};

class Writer : public wire::MessageWriter {
  public:
    explicit Writer(Type type) : MessageWriter(kProtocol, static_cast<std::uint16_t>(type)) {}
};

/// As many numbers as the message says; empty when that is not a number of jobs.
std::vector<std::uint32_t> read_numbers(wire::MessageReader& body) {
    std::vector<std::uint32_t> numbers;
    const std::uint32_t count = body.number();
    if (count > kMaxJobsPerQuestion) return numbers;
    for (std::uint32_t i = 0; i < count; ++i) numbers.push_back(body.number());
    return numbers;
}

Result<Reply> decode_states(wire::MessageReader body) {
    States states;
    for (const std::uint32_t number : read_numbers(body)) {
        const auto state = static_cast<JobState>(number);
        if (state < JobState::active || state > JobState::unknown) {
            return wire::malformed_message("STATES");
        }
        states.states.push_back(state);
    }
    states.sentence = body.sentence();
    if (states.states.empty() || !body.complete()) return wire::malformed_message("STATES");
    return Reply(std::move(states));
}

}  // namespace

Message encode(const JobsRequest& request) {
    Writer writer(Type::jobs);
    writer.number(static_cast<std::uint32_t>(request.jobs.size()));
    for (const JobId job : request.jobs) writer.number(job.value);
    return writer.finish();
}

Message encode(const Reply& reply) {
    if (const auto* refused = std::get_if<Refused>(&reply)) {
        return Writer(Type::refused).sentence(refused->sentence).finish();
    }
    const auto& states = *std::get_if<States>(&reply);
    Writer writer(Type::states);
    writer.number(static_cast<std::uint32_t>(states.states.size()));
    for (const JobState state : states.states) writer.number(static_cast<std::uint32_t>(state));
    return writer.sentence(states.sentence).finish();
}

Result<JobsRequest> decode_request(std::span<const std::byte> message) {
    const auto type = wire::message_type(kProtocol, message);
    if (!type) return type.error();
    if (static_cast<Type>(*type) != Type::jobs) return wire::unknown_message_type(*type);
    wire::MessageReader body(message);
    JobsRequest request;
    for (const std::uint32_t number : read_numbers(body)) request.jobs.push_back(JobId{number});
    if (request.jobs.empty() || !body.complete()) return wire::malformed_message("JOBS");
    return request;
}

Result<Reply> decode_reply(std::span<const std::byte> message) {
    const auto type = wire::message_type(kProtocol, message);
    if (!type) return type.error();
    wire::MessageReader body(message);
    switch (static_cast<Type>(*type)) {
        case Type::states:
            return decode_states(body);
        case Type::refused: {
            Refused refused{body.sentence()};
            if (!body.complete()) return wire::malformed_message("REFUSED");
            return Reply(std::move(refused));
        }
        default:
            return wire::unknown_message_type(*type);
    }
}

}  // namespace secrets::view_wire
