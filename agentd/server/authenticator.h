#pragma once
// Who makes a request: what a door finds out of its connections before anything is decided.

#include <optional>
#include <variant>

#include "agentd/api/router.h"
#include "agentd/net/asio.h"
#include "common/secure_memory/wipe.h"

namespace secrets::doors {

struct KnownCaller {
    desk::Caller caller;
    Origin origin{};
    /// The SHA-256 that the body must have, in digits; nothing: it need have none.
    std::optional<std::string> body_digest{};
};

/// Answers for the requests of one connection.
class CallerCheck {
  public:
    virtual ~CallerCheck() = default;

    /// By the head alone; the answer where it can't be told, or may not be told so.
    virtual asio::awaitable<std::variant<KnownCaller, HttpAnswer>> caller_of(
        const HttpHead& head) = 0;

    /// The answer where the body is not the one that the caller vouched for.
    std::optional<HttpAnswer> check_body(const KnownCaller& known, SecretView body);

  protected:
    CallerCheck() = default;
    CallerCheck(const CallerCheck&) = default;
    CallerCheck& operator=(const CallerCheck&) = default;

    /// Makes the answer to who is turned away; a door may write it down.
    virtual HttpAnswer refuse(unsigned status, const std::string& sentence);
};

/// The kernel has said who it is.
class LocalCaller : public CallerCheck {
  public:
    explicit LocalCaller(Uid uid) : uid_(uid) {}
    Uid uid() const { return uid_; }

    asio::awaitable<std::variant<KnownCaller, HttpAnswer>> caller_of(const HttpHead&) override {
        co_return KnownCaller{uid_};
    }

  private:
    Uid uid_;
};

}  // namespace secrets::doors
