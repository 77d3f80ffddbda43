// SPDX-License-Identifier: Apache-2.0
#include "agentd/vault/record_codec.h"

#include <string.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/secure_memory/delivery.h"

namespace secrets::vault {
namespace {

/// Writes numbers and texts in sequence. Without a buffer it only counts, so that size and content
/// of a payload come from one description.
class RecordWriter {
  public:
    RecordWriter() = default;
    explicit RecordWriter(std::span<std::byte> out) : out_(out), writes_(true) {}

    template <typename Number>
    void number(Number value) {
        bytes(std::as_bytes(std::span(&value, 1)));
    }
    void text(std::string_view text) {
        number(static_cast<std::uint16_t>(text.size()));
        bytes(std::as_bytes(std::span(text)));
    }
    void bytes(std::span<const std::byte> bytes) {
        if (writes_ && !bytes.empty()) memcpy(out_.data() + used_, bytes.data(), bytes.size());
        used_ += bytes.size();
    }
    std::size_t used() const { return used_; }

  private:
    std::span<std::byte> out_;
    bool writes_ = false;
    std::size_t used_ = 0;
};

class RecordReader {
  public:
    explicit RecordReader(std::span<const std::byte> payload) : rest_(payload) {}

    template <typename Number>
    Number number() {
        Number value{};
        const auto taken = bytes(sizeof(value));
        if (!failed_) memcpy(&value, taken.data(), sizeof(value));
        return value;
    }
    std::string_view text() {
        const auto taken = bytes(number<std::uint16_t>());
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }
    std::span<const std::byte> bytes(std::size_t length) {
        if (length > rest_.size()) failed_ = true;
        if (failed_) return {};
        const auto taken = rest_.first(length);
        rest_ = rest_.subspan(length);
        return taken;
    }
    bool failed() const { return failed_; }
    bool at_end() const { return !failed_ && rest_.empty(); }

  private:
    std::span<const std::byte> rest_;
    bool failed_ = false;
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
    return take_run_head(eye);
}

StatusOr<std::vector<RunSecret>> read_run_secrets(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    if (auto head = take_run_head(eye); !head) return head.status();
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
    if (!eye.at_end() || secrets.size() != count) return malformed("run");
    return secrets;
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
    if (!eye.at_end()) return malformed("hold");
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
    if (!eye.at_end() || !read_delivery(image.bytes())) return malformed("cached grant");
    return grant;
}

SecretView image_in(std::span<const std::byte> payload) {
    RecordReader eye(payload);
    accept_cached_grant(eye);
    return SecretView(eye.bytes(eye.number<std::uint32_t>()));
}

}  // namespace secrets::vault
