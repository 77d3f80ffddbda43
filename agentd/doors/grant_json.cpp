#include "agentd/doors/grant_json.h"

#include <boost/json.hpp>

#include "common/limits.h"
#include "common/names.h"

namespace secrets::doors {
namespace {

namespace json = boost::json;

/// The longest that a node says it waits for an answer.
constexpr std::uint64_t kMaxPatience = 60 * 1000;

/// Takes fields out of an object, and keeps what is wrong with the first that is.
class Fields {
  public:
    explicit Fields(const json::object& object) : object_(object) {}

    std::uint32_t number(std::string_view name, std::uint64_t most) {
        ++taken_;
        const json::value* value = object_.if_contains(name);
        std::uint64_t number = most + 1;
        if (value != nullptr && value->is_int64() && value->get_int64() >= 0) {
            number = static_cast<std::uint64_t>(value->get_int64());
        }
        if (number > most) fail(name, "a whole number from 0 to " + std::to_string(most));
        return static_cast<std::uint32_t>(number);
    }
    std::string text(std::string_view name, std::size_t most) {
        ++taken_;
        const json::value* value = object_.if_contains(name);
        if (value != nullptr && value->is_string() && value->get_string().size() <= most) {
            return std::string(value->get_string());
        }
        fail(name, "a text of at most " + std::to_string(most) + " bytes");
        return "";
    }
    Failure wrong() const {
        if (wrong_ || taken_ == object_.size()) return wrong_;
        return Error{"the body has a field that is not known"};
    }

  private:
    void fail(std::string_view name, const std::string& expected) {
        if (!wrong_) wrong_ = Error{"\"" + std::string(name) + "\": " + expected + " is expected"};
    }

    const json::object& object_;
    std::size_t taken_ = 0;
    Failure wrong_;
};

}  // namespace

Result<GrantRequest> parse_grant(std::span<const std::byte> body) {
    json::error_code error;
    json::parse_options options;
    options.max_depth = 2;
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    const json::value value = json::parse(text, error, {}, options);
    if (error) return Error{"the JSON is malformed: " + error.message()};
    if (!value.is_object()) return Error{"an object is expected"};
    Fields fields(value.get_object());
    GrantRequest request;
    request.ask.job.value = fields.number("job", UINT32_MAX);
    request.ask.step.value = fields.number("step", UINT32_MAX);
    request.ask.uid.value = fields.number("uid", UINT32_MAX);
    request.ask.wait_milliseconds = fields.number("wait_ms", kMaxWaitMilliseconds);
    request.patience = std::chrono::milliseconds(fields.number("patience_ms", kMaxPatience));
    request.ask.ask = fields.text("ask", kMaxAskBytes);
    request.node = fields.text("node", kMaxNodeNameBytes);
    if (auto wrong = fields.wrong()) return *wrong;
    return request;
}

}  // namespace secrets::doors
