#include "agentd/doors/grant_json.h"

#include <algorithm>
#include <vector>

#include "agentd/doors/value_json.h"
#include "common/limits.h"
#include "common/names.h"

namespace secrets::doors {
namespace {

namespace json = boost::json;
using json::string_view;

/// The longest that a node says it waits for an answer.
constexpr std::uint64_t kMaxPatience = 60 * 1000;

/// One field of the body: a number, or a text of at most `most` bytes.
struct Field {
    std::string_view name;
    std::uint64_t most;
    std::uint64_t* number;
    std::string* text;
    bool is_there = false;
};

/// What Boost.JSON's parser calls: an object with those fields, each once.
class GrantHandler : public BodyHandler<GrantHandler> {
    friend BodyHandler<GrantHandler>;

  public:
    explicit GrantHandler(std::vector<Field> fields) : fields_(std::move(fields)) {}

    bool on_object_begin(json::error_code& error) {
        if (in_object_) return unexpected("an object", error);
        in_object_ = true;
        return true;
    }
    bool on_object_end(std::size_t, json::error_code& error) {
        for (const Field& field : fields_) {
            if (!field.is_there)
                return fail("\"" + std::string(field.name) + "\" is missing", error);
        }
        return true;
    }
    bool on_key_part(string_view part, std::size_t, json::error_code& error) {
        if (key_.size() + part.size() > kLongestField) return fail("a name is far too long", error);
        key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t size, json::error_code& error) {
        if (!on_key_part(part, size, error)) return false;
        const std::string key = std::exchange(key_, {});
        const auto found = std::find_if(fields_.begin(), fields_.end(),
                                        [&](const Field& field) { return field.name == key; });
        if (found == fields_.end())
            return fail("the field " + quoted(key) + " is not known", error);
        if (found->is_there) return fail("the field " + quoted(key) + " stands twice", error);
        found->is_there = true;
        field_ = &*found;
        return true;
    }

    bool on_int64(std::int64_t number, string_view, json::error_code& error) {
        if (!in_object_ || field_->number == nullptr || number < 0 ||
            static_cast<std::uint64_t>(number) > field_->most) {
            return unexpected("this number", error);
        }
        *field_->number = static_cast<std::uint64_t>(number);
        return true;
    }
    bool on_number_part(string_view, json::error_code&) { return true; }
    bool on_string_part(string_view part, std::size_t, json::error_code& error) {
        if (!in_object_ || field_->text == nullptr) return unexpected("a text", error);
        if (field_->text->size() + part.size() > field_->most) {
            return unexpected("a longer one", error);
        }
        field_->text->append(part.data(), part.size());
        return true;
    }
    bool on_string(string_view part, std::size_t size, json::error_code& error) {
        return on_string_part(part, size, error);
    }

  private:
    bool unexpected(const std::string& found, json::error_code& error) {
        if (!in_object_) return fail("an object is expected, not " + found, error);
        const std::string most = std::to_string(field_->most);
        return fail("\"" + std::string(field_->name) + "\": " +
                        (field_->text != nullptr ? "a text of at most " + most + " bytes"
                                                 : "a whole number from 0 to " + most) +
                        " is expected, not " + found,
                    error);
    }

    std::vector<Field> fields_;
    Field* field_ = nullptr;
    bool in_object_ = false;
    std::string key_;
};

}  // namespace

Result<GrantRequest> parse_grant(std::span<const std::byte> body) {
    GrantRequest request;
    std::uint64_t job = 0;
    std::uint64_t step = 0;
    std::uint64_t uid = 0;
    std::uint64_t wait = 0;
    std::uint64_t patience = 0;
    json::basic_parser<GrantHandler> parser(
        strict_json(), std::vector<Field>{{"job", UINT32_MAX, &job, nullptr},
                                          {"step", UINT32_MAX, &step, nullptr},
                                          {"uid", UINT32_MAX, &uid, nullptr},
                                          {"wait_ms", kMaxWaitMilliseconds, &wait, nullptr},
                                          {"patience_ms", kMaxPatience, &patience, nullptr},
                                          {"ask", kMaxAskBytes, nullptr, &request.ask.ask},
                                          {"node", kMaxNodeNameBytes, nullptr, &request.node}});
    if (const auto wrong = parse_whole(parser, body)) return *wrong;
    request.ask.job.value = static_cast<std::uint32_t>(job);
    request.ask.step.value = static_cast<std::uint32_t>(step);
    request.ask.uid.value = static_cast<uid_t>(uid);
    request.ask.wait_milliseconds = static_cast<std::uint32_t>(wait);
    request.patience = std::chrono::milliseconds(patience);
    return request;
}

}  // namespace secrets::doors
