// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/secret_id.h"

#include "common/auth/sha256.h"
#include "common/base/names.h"

namespace secrets::aws {
namespace {

constexpr std::string_view kRunPrefix = "tower-";
constexpr std::string_view kWorkspacePrefix = "workspace/";
constexpr std::string_view kArnPrefix = "arn:aws:secretsmanager:";
constexpr std::string_view kArnKind = "secret:";
constexpr std::size_t kSuffixBytes = 6;
constexpr std::string_view kSuffixCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Returns what follows the region and the account of an ARN; nothing if `text` is no ARN of a
/// secret.
std::optional<std::string_view> name_in_arn(std::string_view text) {
    if (!text.starts_with(kArnPrefix)) return std::nullopt;
    text.remove_prefix(kArnPrefix.size());
    for (int part = 0; part < 2; ++part) {  // the region and the account
        const auto colon = text.find(':');
        if (colon == text.npos) return std::nullopt;
        text.remove_prefix(colon + 1);
    }
    if (!text.starts_with(kArnKind)) return std::nullopt;
    return text.substr(kArnKind.size());
}

StatusOr<SecretAddress> named(SecretAddress address, std::string_view name) {
    if (Status wrong = check_stored_name(name); !wrong.ok()) return wrong;
    address.name = std::string(name);
    return address;
}

}  // namespace

StatusOr<SecretAddress> parse_secret_name(std::string_view name) {
    const auto slash = name.rfind('/');
    if (slash == name.npos) return named({}, name);
    const std::string_view scope = name.substr(0, slash);
    const std::string_view rest = name.substr(slash + 1);
    if (scope.starts_with(kRunPrefix)) {
        auto run = RunId::parse(std::string(scope.substr(kRunPrefix.size())));
        if (!run) return run.status();
        return named({.run = std::move(run).value(), .name = ""}, rest);
    }
    if (scope.starts_with(kWorkspacePrefix)) {
        const std::string_view workspace = scope.substr(kWorkspacePrefix.size());
        if (Status wrong = check_workspace_name(workspace); !wrong.ok()) return wrong;
        return named({.workspace = std::string(workspace), .name = ""}, rest);
    }
    return Status::invalid("invalid secret name " + in_quotes(name) +
                           ": expected NAME, workspace/WORKSPACE/NAME or tower-RUN/NAME");
}

std::string secret_name(const SecretAddress& address) {
    if (address.run) return std::string(kRunPrefix) + address.run->text() + "/" + address.name;
    if (address.workspace) {
        return std::string(kWorkspacePrefix) + *address.workspace + "/" + address.name;
    }
    return address.name;
}

std::string arn_suffix(const SecretAddress& address, Uid owner) {
    const bool has_scope = address.run || address.workspace;
    const std::string text =
        (has_scope ? "" : std::to_string(owner.value)) + ":" + secret_name(address);
    const Digest digest = sha256_of(std::as_bytes(std::span(text)));
    std::string suffix;
    for (std::size_t i = 0; i < kSuffixBytes; ++i) {
        suffix +=
            kSuffixCharacters[std::to_integer<std::size_t>(digest[i]) % kSuffixCharacters.size()];
    }
    return suffix;
}

std::string secret_arn(const ArnScope& scope, const SecretAddress& address, Uid owner) {
    return std::string(kArnPrefix) + scope.region + ":" + scope.account + ":" +
           std::string(kArnKind) + secret_name(address) + "-" + arn_suffix(address, owner);
}

std::vector<Candidate> candidates_of(std::string_view secret_id) {
    std::vector<Candidate> candidates;
    const auto in_arn = name_in_arn(secret_id);
    const std::string_view name = in_arn.value_or(secret_id);
    if (auto whole = parse_secret_name(name)) {
        candidates.push_back({std::move(whole).value(), ""});
    }
    const bool may_have_suffix =
        in_arn && name.size() > kSuffixBytes + 1 && name[name.size() - kSuffixBytes - 1] == '-';
    if (!may_have_suffix) return candidates;
    if (auto stem = parse_secret_name(name.substr(0, name.size() - kSuffixBytes - 1))) {
        candidates.push_back(
            {std::move(stem).value(), std::string(name.substr(name.size() - kSuffixBytes))});
    }
    return candidates;
}

}  // namespace secrets::aws
