// SPDX-License-Identifier: Apache-2.0
#include "agentd/openbao/document_codec.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <limits>

#include "agentd/base/base64.h"
#include "common/base/names.h"
#include "common/base/text_as.h"

namespace secrets::openbao {
namespace {

namespace json = boost::json;

constexpr std::int64_t kFormat = 1;

/// The defect of a malformed document.
struct Malformed {
    std::string sentence;
};

json::string encoded(SecretView value) {
    const SecretBuffer text = encode_base64(value);
    const auto bytes = text.view().bytes();
    return json::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

std::int64_t seconds(vault::Time time) {
    return time.time_since_epoch().count();
}

const json::value& field(const json::object& object, const char* name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr) throw Malformed{std::string("it has no \"") + name + "\""};
    return *value;
}

std::int64_t number(const json::object& object, const char* name, std::int64_t least,
                    std::int64_t most = std::numeric_limits<std::int64_t>::max()) {
    boost::system::error_code error;
    const auto number = field(object, name).to_number<std::int64_t>(error);
    if (error || number < least || number > most) {
        throw Malformed{std::string("its \"") + name + "\" is not a valid number"};
    }
    return number;
}

/// Reads a time before the year 10000: a later one could overflow the clock's counter.
vault::Time time(const json::object& object, const char* name) {
    constexpr std::int64_t kEnd = 253402300800;
    return vault::Time(std::chrono::seconds(number(object, name, 0, kEnd - 1)));
}

const json::string& text(const json::object& object, const char* name) {
    const json::string* text = field(object, name).if_string();
    if (text == nullptr) throw Malformed{std::string("its \"") + name + "\" is not a string"};
    return *text;
}

std::string secret_name(const json::object& secret) {
    auto name = text_as<std::string>(text(secret, "name"));
    if (const Status why = check_stored_name(name); !why.ok()) throw Malformed{why.message()};
    return name;
}

SecretBuffer value(const json::object& secret) {
    auto value = decode_base64(std::as_bytes(std::span<const char>(text(secret, "value"))));
    if (!value) throw Malformed{"the value of " + secret_name(secret) + " is not base64"};
    return std::move(*value);
}

/// Calls `take` with each secret of a document.
template <typename Take>
void each_secret(const json::object& data, Take take) {
    if (number(data, "format", 1) != kFormat) {
        throw Malformed{"it was written by a later version of slurm-secretsd; update this one"};
    }
    const json::array* secrets = field(data, "secrets").if_array();
    if (secrets == nullptr) throw Malformed{"its \"secrets\" is not a list"};
    for (const json::value& secret : *secrets) {
        const json::object* object = secret.if_object();
        if (object == nullptr) throw Malformed{"one of its \"secrets\" is not an object"};
        take(*object);
    }
}

vault::Scope scope(const json::object& secret) {
    const json::string& word = text(secret, "scope");
    for (const vault::Scope scope : {vault::Scope::user, vault::Scope::workspace}) {
        if (word == vault::scope_word(scope)) return scope;
    }
    throw Malformed{"a \"scope\" is neither user nor workspace"};
}

}  // namespace

std::string path_of(const RunId& run) {
    return std::string(kRunsFolder) + "/" + run.text();
}

std::string path_of(const store::Owner& owner) {
    if (owner.is_workspace()) {
        return std::string(kWorkspacesFolder) + "/" + owner.workspace();
    }
    return std::string(kUsersFolder) + "/" + std::to_string(owner.uid().value);
}

std::optional<store::Owner> owner_at(const std::string& folder, const std::string& name) {
    if (folder == kWorkspacesFolder) {
        if (!check_workspace_name(name).ok()) return std::nullopt;
        return store::Owner::workspace_named(name);
    }
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), uid);
    if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return store::Owner::user(Uid{uid});
}

json::object write_run(const vault::RunHead& head, std::span<const vault::RunSecret> secrets) {
    json::array list;
    for (const vault::RunSecret& secret : secrets) {
        list.push_back(json::object{{"scope", vault::scope_word(secret.scope)},
                                    {"name", std::string(secret.name)},
                                    {"value", encoded(secret.value)}});
    }
    json::object data{{"format", kFormat},
                      {"owner", head.owner.value},
                      {"generation", head.generation},
                      {"created", seconds(head.created)},
                      {"expires", seconds(head.expires)},
                      {"platform", head.platform},
                      {"secrets", std::move(list)}};
    if (head.until_job != JobId()) data["until_job"] = head.until_job.value;
    return data;
}

json::object write_secrets(std::span<const service::ReplicatedSecret> secrets,
                           const std::string& user) {
    json::array list;
    for (const service::ReplicatedSecret& secret : secrets) {
        const store::SecretHead& head = secret.head;
        list.push_back(json::object{
            {"name", head.name},
            {"generation", head.generation},
            {"set", seconds(head.set)},
            {"expires", head.expires ? json::value(seconds(*head.expires)) : json::value()},
            {"value", encoded(secret.value.view())}});
    }
    json::object data{{"format", kFormat}, {"secrets", std::move(list)}};
    if (!user.empty()) data["user"] = user;
    return data;
}

std::string user_in(const json::object& data) {
    const json::value* user = data.if_contains("user");
    return user != nullptr && user->is_string() ? text_as<std::string>(user->get_string()) : "";
}

StatusOr<RunDocument> read_run(const RunId& run, const json::object& data) try {
    RunDocument document{{run, {}, 1, {}, {}}, {}};
    each_secret(data, [&](const json::object& secret) {
        document.secrets.push_back({scope(secret), secret_name(secret), value(secret)});
    });
    vault::RunHead& head = document.head;
    head.owner = Uid{static_cast<uid_t>(number(data, "owner", 0, UINT32_MAX - 1))};
    head.generation = static_cast<std::uint64_t>(number(data, "generation", 1));
    head.created = time(data, "created");
    head.expires = time(data, "expires");
    head.platform = text_as<std::string>(text(data, "platform"));
    if (data.contains("until_job")) {
        head.until_job.value = static_cast<std::uint32_t>(number(data, "until_job", 1, UINT32_MAX));
    }
    return document;
} catch (const Malformed& wrong) {
    return Status::failed(wrong.sentence);
}

StatusOr<std::vector<service::ReplicatedSecret>> read_secrets(const json::object& data) try {
    std::vector<service::ReplicatedSecret> stored;
    each_secret(data, [&](const json::object& secret) {
        store::SecretHead head;
        head.name = secret_name(secret);
        head.generation = static_cast<std::uint64_t>(number(secret, "generation", 1));
        head.set = time(secret, "set");
        if (!field(secret, "expires").is_null()) head.expires = time(secret, "expires");
        stored.push_back({std::move(head), value(secret)});
    });
    return stored;
} catch (const Malformed& wrong) {
    return Status::failed(wrong.sentence);
}

}  // namespace secrets::openbao
