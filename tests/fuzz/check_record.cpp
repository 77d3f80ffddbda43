// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/check_record.h"

#include <algorithm>
#include <vector>

#include "agentd/vault/record_codec.h"

namespace secrets::fuzz {
namespace {

vault::NewSecret copy_of(const vault::RunSecret& stored) {
    SecretBuffer value(stored.value.size());
    const Bytes bytes = stored.value.bytes();
    std::copy(bytes.begin(), bytes.end(), value.bytes().begin());
    return {stored.scope, std::string(stored.name), std::move(value)};
}

bool check_run(Bytes payload) {
    const auto head = vault::read_run_head(payload);
    const auto stored = vault::read_run_secrets(payload);
    must(head.ok() || !stored.ok(), "a run without a head has no secrets");
    if (!stored) return false;
    std::vector<vault::NewSecret> secrets;
    for (const vault::RunSecret& secret : *stored) {
        must(lies_in(bytes_of(secret.name), payload), "a name lies in the record");
        must(lies_in(secret.value.bytes(), payload), "a value lies in the record");
        must(secret.scope == vault::Scope::user || secret.scope == vault::Scope::workspace,
             "a scope is one that there is");
        secrets.push_back(copy_of(secret));
    }
    std::vector<std::byte> written(vault::run_payload_size(*head, secrets));
    vault::write_run(*head, secrets, written);
    must(same(written, payload), "a run writes the record that it was read from");
    return true;
}

bool check_hold(Bytes payload) {
    const auto hold = vault::read_hold(payload);
    if (!hold) return false;
    std::vector<std::byte> written(vault::hold_payload_size(*hold));
    vault::write_hold(*hold, written);
    must(same(written, payload), "a hold writes the record that it was read from");
    return true;
}

}  // namespace

bool check_record(vault::RecordType type, Bytes payload) {
    return type == vault::RecordType::run ? check_run(payload) : check_hold(payload);
}

}  // namespace secrets::fuzz
