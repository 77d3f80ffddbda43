// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/random_password.h"

#include <sys/random.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace secrets::aws {
namespace {

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// Returns the kinds of characters that the rules allow, each without what they exclude.
std::vector<std::string> kinds_of(const PasswordRules& rules) {
    std::vector<std::string> kinds;
    const auto add = [&](bool is_excluded, std::string_view characters) {
        if (is_excluded) return;
        std::string kind;
        for (const char each : characters) {
            if (rules.exclude_characters.find(each) == std::string::npos) kind += each;
        }
        if (!kind.empty()) kinds.push_back(std::move(kind));
    };
    add(rules.exclude_capitals, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    add(rules.exclude_small, "abcdefghijklmnopqrstuvwxyz");
    add(rules.exclude_digits, "0123456789");
    add(rules.exclude_punctuation, kPunctuation);
    return kinds;
}

/// Draws numbers below a bound, each as likely as any other.
class Draw {
  public:
    /// Returns nothing if the kernel has no random bytes. `bound`: 1 to 256.
    std::optional<std::size_t> below(std::size_t bound) {
        const std::size_t fair = 256 - 256 % bound;
        while (true) {
            if (next_ == drawn_.size()) {
                const auto bytes = drawn_.bytes();
                if (getrandom(bytes.data(), bytes.size(), 0) !=
                    static_cast<ssize_t>(bytes.size())) {
                    return std::nullopt;
                }
                next_ = 0;
            }
            const auto byte = std::to_integer<std::size_t>(drawn_.bytes()[next_++]);
            if (byte < fair) return byte % bound;
        }
    }

  private:
    SecretBuffer drawn_{256};
    std::size_t next_ = drawn_.size();
};

bool has_one_of(std::span<const std::byte> password, std::string_view kind) {
    return std::any_of(password.begin(), password.end(), [&](std::byte each) {
        return kind.find(static_cast<char>(each)) != std::string_view::npos;
    });
}

Status check(const PasswordRules& rules, std::span<const std::string> kinds) {
    if (rules.length < 1 || rules.length > kMaxPasswordBytes) {
        return Status::invalid("PasswordLength must be between 1 and " +
                               std::to_string(kMaxPasswordBytes));
    }
    if (kinds.empty() && !rules.include_space) {
        return Status::invalid("no characters are left for the password: exclude fewer");
    }
    if (rules.require_each_type && rules.length < kinds.size()) {
        return Status::invalid("PasswordLength is too short: the password needs one of each of " +
                               std::to_string(kinds.size()) + " kinds of characters");
    }
    return Status();
}

}  // namespace

StatusOr<SecretBuffer> make_password(const PasswordRules& rules) {
    const std::vector<std::string> kinds = kinds_of(rules);
    if (Status wrong = check(rules, kinds); !wrong.ok()) return wrong;
    std::string characters = rules.include_space ? " " : "";
    for (const std::string& kind : kinds) characters += kind;
    Draw draw;
    SecretBuffer password(rules.length);
    const auto has_each_kind = [&] {
        return std::all_of(kinds.begin(), kinds.end(), [&](const std::string& kind) {
            return has_one_of(password.bytes(), kind);
        });
    };
    do {
        for (std::byte& each : password.bytes()) {
            const auto place = draw.below(characters.size());
            if (!place) return Status::unavailable("cannot make a password: no random bytes");
            each = static_cast<std::byte>(characters[*place]);
        }
    } while (rules.require_each_type && !has_each_kind());
    return password;
}

}  // namespace secrets::aws
