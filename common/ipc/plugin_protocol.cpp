// SPDX-License-Identifier: Apache-2.0
#include "common/ipc/plugin_protocol.h"

#include "common/base/limits.h"

namespace secrets::plugin_protocol {
namespace {

constexpr ipc::Protocol kProtocol{"SLS1", 1, kMaxMessageBytes, "agent and plugin", 2};
constexpr std::uint16_t kWithPatience = 2;

/// What a plugin of version 1 waits, unless an admin sets its timeout=.
constexpr std::uint32_t kUsualPatience = 5000;

enum class Type : std::uint16_t {
    grant = 1,
    wipe = 2,
    ping = 3,
    check = 4,
    marker = 5,
    get = 6,
    bind = 7,
    granted = 101,
    nothing = 102,
    waiting = 103,
    refused = 104,
    done = 105,
    busy = 106,
    marked = 107,
};

class Writer : public ipc::MessageWriter {
  public:
    explicit Writer(Type type, std::uint16_t version = kProtocol.version)
        : ipc::MessageWriter(kProtocol, static_cast<std::uint16_t>(type), version) {}
};

StatusOr<Request> decode_grant(ipc::MessageReader body, std::uint16_t version) {
    GrantRequest grant;
    grant.job.value = body.number();
    grant.step.value = body.number();
    grant.uid.value = body.number();
    grant.wait_milliseconds = body.number();
    if (version >= kWithPatience) grant.patience_milliseconds = body.number();
    grant.ask = body.text(kMaxSpecBytes);
    if (version >= kWithPatience && !body.complete()) grant.node = body.text(kMaxNodeNameBytes);
    if (!body.complete() || grant.wait_milliseconds > kMaxWaitMilliseconds ||
        grant.patience_milliseconds > kMaxWaitMilliseconds) {
        return ipc::malformed_message("GRANT");
    }
    return Request(std::move(grant));
}

/// Encodes a request that does not say its patience in version 1.
ipc::Message encode_grant(const GrantRequest& grant) {
    const bool has_patience = grant.patience_milliseconds > 0;
    Writer writer(Type::grant, has_patience ? kWithPatience : kProtocol.version);
    writer.number(grant.job.value)
        .number(grant.step.value)
        .number(grant.uid.value)
        .number(grant.wait_milliseconds);
    if (has_patience) writer.number(grant.patience_milliseconds);
    writer.text(grant.ask);
    if (has_patience && !grant.node.empty()) writer.text(grant.node);
    return writer.finish();
}

StatusOr<Request> decode_wipe(ipc::MessageReader body) {
    WipeRequest wipe{JobId{body.number()}};
    if (!body.complete()) return ipc::malformed_message("WIPE");
    return Request(wipe);
}

StatusOr<Request> decode_check(ipc::MessageReader body) {
    CheckRequest check{body.text(kMaxSpecBytes)};
    if (!body.complete()) return ipc::malformed_message("CHECK");
    return Request(std::move(check));
}

StatusOr<Request> decode_get(ipc::MessageReader body) {
    GetRequest get;
    get.patience_milliseconds = body.number();
    get.spec = body.text(kMaxSpecBytes);
    if (!body.complete() || get.patience_milliseconds > kMaxWaitMilliseconds)
        return ipc::malformed_message("GET");
    return Request(std::move(get));
}

StatusOr<Request> decode_bind(ipc::MessageReader body) {
    BindRequest bind;
    bind.job.value = body.number();
    bind.uid.value = body.number();
    bind.run = body.text(kMaxRunIdBytes);
    if (!body.complete()) return ipc::malformed_message("BIND");
    return Request(std::move(bind));
}

}  // namespace

std::chrono::milliseconds time_to_answer(const GrantRequest& grant) {
    const std::uint32_t patience =
        grant.patience_milliseconds > 0 ? grant.patience_milliseconds : kUsualPatience;
    return std::chrono::milliseconds(patience) * 4 / 5;
}

ipc::Message encode(const Request& request) {
    if (const auto* grant = std::get_if<GrantRequest>(&request)) return encode_grant(*grant);
    if (const auto* wipe = std::get_if<WipeRequest>(&request)) {
        return Writer(Type::wipe).number(wipe->job.value).finish();
    }
    if (const auto* check = std::get_if<CheckRequest>(&request)) {
        return Writer(Type::check).text(check->ask).finish();
    }
    if (std::holds_alternative<MarkerRequest>(request)) return Writer(Type::marker).finish();
    if (const auto* get = std::get_if<GetRequest>(&request)) {
        return Writer(Type::get).number(get->patience_milliseconds).text(get->spec).finish();
    }
    if (const auto* bind = std::get_if<BindRequest>(&request)) {
        return Writer(Type::bind)
            .number(bind->job.value)
            .number(bind->uid.value)
            .text(bind->run)
            .finish();
    }
    return Writer(Type::ping).finish();
}

ipc::Message encode(const Reply& reply) {
    if (const auto* granted = std::get_if<Granted>(&reply)) {
        return Writer(Type::granted).number(granted->image_length).sentence(granted->note).finish();
    }
    if (const auto* nothing = std::get_if<Nothing>(&reply)) {
        return Writer(Type::nothing).sentence(nothing->note).finish();
    }
    if (const auto* waiting = std::get_if<Waiting>(&reply)) {
        return Writer(Type::waiting).number(waiting->wait_milliseconds).finish();
    }
    if (const auto* refused = std::get_if<Refused>(&reply)) {
        return Writer(Type::refused).sentence(refused->sentence).finish();
    }
    if (const auto* busy = std::get_if<Busy>(&reply)) {
        return Writer(Type::busy).sentence(busy->sentence).finish();
    }
    if (const auto* marked = std::get_if<Marked>(&reply)) {
        return Writer(Type::marked).number(marked->marker_length).finish();
    }
    return Writer(Type::done).sentence(std::get_if<Done>(&reply)->note).finish();
}

StatusOr<Request> decode_request(std::span<const std::byte> message) {
    const auto type = ipc::message_type(kProtocol, message);
    if (!type) return type.status();
    const ipc::MessageReader body(message);
    switch (static_cast<Type>(*type)) {
        case Type::grant:
            return decode_grant(body, ipc::message_version(message));
        case Type::wipe:
            return decode_wipe(body);
        case Type::ping:
            if (!body.complete()) return ipc::malformed_message("PING");
            return Request(PingRequest{});
        case Type::check:
            return decode_check(body);
        case Type::get:
            return decode_get(body);
        case Type::marker:
            if (!body.complete()) return ipc::malformed_message("MARKER");
            return Request(MarkerRequest{});
        case Type::bind:
            return decode_bind(body);
        default:
            return ipc::unknown_message_type(*type);
    }
}

StatusOr<Reply> decode_reply(std::span<const std::byte> message) {
    const auto type = ipc::message_type(kProtocol, message);
    if (!type) return type.status();
    ipc::MessageReader body(message);
    Reply reply;
    switch (static_cast<Type>(*type)) {
        case Type::granted: {
            Granted granted{body.number(), body.sentence()};
            reply = std::move(granted);
            break;
        }
        case Type::nothing:
            reply = Nothing{body.sentence()};
            break;
        case Type::waiting:
            reply = Waiting{body.number()};
            break;
        case Type::refused:
            reply = Refused{body.sentence()};
            break;
        case Type::done:
            reply = Done{body.sentence()};
            break;
        case Type::busy:
            reply = Busy{body.sentence()};
            break;
        case Type::marked:
            reply = Marked{body.number()};
            break;
        default:
            return ipc::unknown_message_type(*type);
    }
    if (!body.complete()) return ipc::malformed_message("reply");
    return reply;
}

}  // namespace secrets::plugin_protocol
