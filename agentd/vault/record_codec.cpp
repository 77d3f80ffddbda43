// SPDX-License-Identifier: Apache-2.0
#include "agentd/vault/record_codec.h"

#include <algorithm>

#include "common/base/byte_codec.h"
#include "common/base/limits.h"
#include "common/secure_memory/delivery.h"

namespace secrets::vault {
namespace {

class RecordWriter : public ByteWriter {
  public:
    using ByteWriter::ByteWriter;

    void text(std::string_view text) {
        number(static_cast<std::uint16_t>(text.size()));
        bytes(std::as_bytes(std::span(text)));
    }
};

class RecordReader : public ByteReader {
  public:
    using ByteReader::ByteReader;

    std::string_view text() {
        const auto taken = bytes(number<std::uint16_t>());
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }
};

void describe_run(RecordWriter& pen, const RunHead& head, std::span<const NewSecret> secrets) {
    pen.number(static_cast<std::uint32_t>(head.owner.value));
    pen.number(head.generation);
    pen.number(static_cast<std::int64_t>(head.created.time_since_epoch().count()));
    pen.number(static_cast<std::int64_t>(head.expires.time_since_epoch().count()));
    pen.text(head.id.text());
    pen.text(head.platform);
    pen.number(static_cast<std::uint32_t>(secrets.size()));
    for (const NewSecret& secret : secrets) {
        pen.number(static_cast<std::uint8_t>(secret.scope));
        pen.text(secret.name);
        pen.number(static_cast<std::uint32_t>(secret.value.size()));
        pen.bytes(secret.value.view().bytes());
    }
}

void describe_hold(RecordWriter& pen, const Hold& hold) {
    pen.number(hold.job.value);
    pen.number(static_cast<std::uint32_t>(hold.owner.value));
    pen.number(static_cast<std::int64_t>(hold.since.time_since_epoch().count()));
    pen.number(static_cast<std::uint32_t>(hold.grants.size()));
    for (const Grant& grant : hold.grants) {
        pen.text(grant.ask);
        pen.text(grant.run);
        pen.number(grant.generation);
    }
}

void describe_hub_grant(RecordWriter& pen, const CachedGrant& grant, SecretView image) {
    pen.number(grant.job.value);
    pen.number(static_cast<std::uint32_t>(grant.owner.value));
    pen.text(grant.ask);
    pen.text(grant.run);
    pen.text(grant.tag);
    pen.number(static_cast<std::uint32_t>(image.size()));
    pen.bytes(image.bytes());
}

CachedGrant accept_cached_grant(RecordReader& eye) {
    CachedGrant grant;
    grant.job.value = eye.number<std::uint32_t>();
    grant.owner.value = eye.number<std::uint32_t>();
    grant.ask = eye.text();
    grant.run = eye.text();
    grant.tag = eye.text();
    return grant;
}

Time read_time(RecordReader& eye) {
    return Time(std::chrono::seconds(eye.number<std::int64_t>()));
}

Status malformed(const char* what) {
    return Status::failed(std::string("malformed ") + what + " record");
}

StatusOr<RunHead> take_run_head(RecordReader& eye) {
    const Uid owner{eye.number<std::uint32_t>()};
    const auto generation = eye.number<std::uint64_t>();
    const Time created = read_time(eye);
    const Time expires = read_time(eye);
    auto id = RunId::parse(eye.text());
    const std::string_view platform = eye.text();
    if (eye.failed() || !id) return malformed("run");
    return RunHead{std::move(id).value(), owner, generation, created, expires,
                   std::string(platform)};
}

/// Reads what follows a run's head.
StatusOr<std::vector<RunSecret>> take_run_secrets(RecordReader& eye) {
    std::vector<RunSecret> secrets;
    const auto count = eye.number<std::uint32_t>();
    secrets.reserve(std::min<std::size_t>(count, kMaxSecretsPerRun));
    for (std::uint32_t i = 0; i < count && !eye.failed(); ++i) {
        RunSecret secret;
        secret.scope = static_cast<Scope>(eye.number<std::uint8_t>());
        secret.name = eye.text();
        secret.value = SecretView(eye.bytes(eye.number<std::uint32_t>()));
        if (secret.scope != Scope::user && secret.scope != Scope::workspace) break;
        secrets.push_back(secret);
    }
    if (!eye.complete() || secrets.size() != count) return malformed("run");
    return secrets;
}

}  // namespace

const char* scope_word(Scope scope) {
    return scope == Scope::user ? "user" : "workspace";
}

std::size_t run_payload_size(const RunHead& head, std::span<const NewSecret> secrets) {
    RecordWriter pen;
    describe_run(pen, head, secrets);
    return pen.used();
}

void write_run(const RunHead& head, std::span<const NewSecret> secrets, std::span<std::byte> out) {
    RecordWriter pen(out);
    describe_run(pen, head, secrets);
}

StatusOr<RunHead> read_run_head(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    auto head = take_run_head(eye);
    if (!head) return head;
    const auto secrets = take_run_secrets(eye);
    if (!secrets) return secrets.status();
    return head;
}

StatusOr<std::vector<RunSecret>> read_run_secrets(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    if (auto head = take_run_head(eye); !head) return head.status();
    return take_run_secrets(eye);
}

std::size_t hold_payload_size(const Hold& hold) {
    RecordWriter pen;
    describe_hold(pen, hold);
    return pen.used();
}

void write_hold(const Hold& hold, std::span<std::byte> out) {
    RecordWriter pen(out);
    describe_hold(pen, hold);
}

StatusOr<Hold> read_hold(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    Hold hold;
    hold.job.value = eye.number<std::uint32_t>();
    hold.owner.value = eye.number<std::uint32_t>();
    hold.since = read_time(eye);
    const auto count = eye.number<std::uint32_t>();
    for (std::uint32_t i = 0; i < count && !eye.failed(); ++i) {
        Grant grant;
        grant.ask = eye.text();
        grant.run = eye.text();
        grant.generation = eye.number<std::uint64_t>();
        hold.grants.push_back(std::move(grant));
    }
    if (!eye.complete()) return malformed("hold");
    return hold;
}

std::size_t cached_grant_payload_size(const CachedGrant& grant, SecretView image) {
    RecordWriter pen;
    describe_hub_grant(pen, grant, image);
    return pen.used();
}

void write_cached_grant(const CachedGrant& grant, SecretView image, std::span<std::byte> out) {
    RecordWriter pen(out);
    describe_hub_grant(pen, grant, image);
}

StatusOr<CachedGrant> read_cached_grant(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    CachedGrant grant = accept_cached_grant(eye);
    const SecretView image(eye.bytes(eye.number<std::uint32_t>()));
    if (!eye.complete() || !read_delivery(image.bytes())) return malformed("cached grant");
    return grant;
}

SecretView image_in(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    accept_cached_grant(eye);
    return SecretView(eye.bytes(eye.number<std::uint32_t>()));
}

}  // namespace secrets::vault
