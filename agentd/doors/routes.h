#pragma once
// What may be asked of the control door: one table from method and path to a request, and what each
// request means to the desk. Knows no socket.

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/desk/desk.h"

namespace secrets::doors {

/// An answer before it is HTTP. No body: only a status.
struct HttpAnswer {
    unsigned status = 200;
    std::string content_type;
    std::string body;
    std::string allow{};  ///< the methods that the path knows, with 405
    std::string etag{};   ///< the generation of what was asked for or changed; may be empty
    std::optional<std::chrono::seconds> retry_after{};  ///< with 503, where waiting may help
};

/// A request whose head was read and whose body was not.
struct HttpHead {
    desk::Caller caller;
    std::string_view method;
    std::string_view target;  ///< path and query, as they came
    std::string_view content_type;
    std::optional<std::uint64_t> content_length;
    bool has_body = false;             ///< a length above 0, or a transfer encoding
    std::string_view if_match{};       ///< empty where it is not there
    std::string_view if_none_match{};  ///< the same
};

/// Decides on the head alone: a route's handler, which the body is then given to, or the refusal.
/// What is refused here costs no byte of a body.
class Routes {
  public:
    explicit Routes(desk::Desk& desk) : desk_(desk) {}

    /// What one line of the table is about.
    struct Entry {
        std::string_view method;
        std::string_view path;   ///< `{run}` and the like stand for one part each
        std::string_view query;  ///< the one query parameter that it takes; empty for none
    };
    static std::vector<Entry> table();

    using Handler = std::function<HttpAnswer(std::span<const std::byte> body)>;
    std::variant<Handler, HttpAnswer> find(const HttpHead& head);

  private:
    desk::Desk& desk_;
};

/// An answer of problem JSON.
HttpAnswer problem(unsigned status, std::string_view detail);

}  // namespace secrets::doors
