// SPDX-License-Identifier: Apache-2.0
// Promise: what is written to OpenBao is what is read from it, and a document that is malformed is
// no document, with a reason that says nothing of a value.

#include "agentd/openbao/document_codec.h"

#include <boost/json.hpp>

#include "tests/unit/catch.h"
#include "tests/unit/secrets_of.h"

namespace secrets::openbao {
namespace {

namespace json = boost::json;
using vault::Scope;

RunId run_of(const std::string& text) {
    return RunId::parse(text).value();
}

std::vector<vault::RunSecret> stored(const std::vector<vault::NewSecret>& secrets) {
    std::vector<vault::RunSecret> views;
    for (const auto& secret : secrets) {
        views.push_back({secret.scope, secret.name, secret.value.view()});
    }
    return views;
}

json::object run_document() {
    const vault::RunHead head{run_of("r"), Uid{1001}, 3, at(10), at(20), "tower"};
    std::vector<vault::NewSecret> secrets;
    secrets.push_back({Scope::user, "A", buffer_of(std::string_view("\0\xff\n", 3))});
    secrets.push_back({Scope::workspace, "A", buffer_of("")});
    return write_run(head, stored(secrets));
}

std::string why_not(const json::object& data) {
    const auto run = read_run(run_of("r"), data);
    return run ? "(read)" : run.status().message();
}

TEST_CASE("Document codec: reads a run as it was written") {
    const auto read = read_run(run_of("r"), run_document());
    REQUIRE(read);
    const vault::RunHead& head = read->head;
    CHECK(head.id.text() == "r");
    CHECK(head.owner == Uid{1001});
    CHECK(head.generation == 3);
    CHECK(head.created == at(10));
    CHECK(head.expires == at(20));
    CHECK(head.platform == "tower");
    REQUIRE(read->secrets.size() == 2);
    CHECK(read->secrets[0].scope == Scope::user);
    CHECK(read->secrets[0].name == "A");
    CHECK(text_of(read->secrets[0].value.view().bytes()) == std::string_view("\0\xff\n", 3));
    CHECK(read->secrets[1].scope == Scope::workspace);
    CHECK(read->secrets[1].value.size() == 0);
}

TEST_CASE("Document codec: reads the job with which a run ends") {
    CHECK_FALSE(run_document().contains("until_job"));
    CHECK(read_run(run_of("r"), run_document())->head.until_job == JobId());
    const vault::RunHead head{run_of("r"), Uid{1001}, 3, at(10), at(20), "tower", JobId{12}};
    json::object data = write_run(head, {});
    CHECK(read_run(run_of("r"), data)->head.until_job == JobId{12});
    data["until_job"] = 0;
    CHECK(why_not(data) == "its \"until_job\" is not a valid number");
}

TEST_CASE("Document codec: reads the stored secrets of an owner as they were written") {
    std::vector<service::ReplicatedSecret> kept;
    store::SecretHead head;
    head.name = "TOKEN";
    head.generation = 7;
    head.set = at(5);
    kept.push_back({head, buffer_of("value")});
    head.name = "OTHER";
    head.expires = at(9);
    kept.push_back({head, buffer_of("x")});
    const auto read = read_secrets(write_secrets(kept));
    REQUIRE(read);
    REQUIRE(read->size() == 2);
    CHECK((*read)[0].head.name == "TOKEN");
    CHECK((*read)[0].head.generation == 7);
    CHECK((*read)[0].head.set == at(5));
    CHECK_FALSE((*read)[0].head.expires);
    CHECK(text_of((*read)[0].value.view().bytes()) == "value");
    CHECK((*read)[1].head.expires == at(9));
    CHECK(read_secrets(write_secrets({}))->empty());
}

TEST_CASE("Document codec: rejects a malformed document with a reason") {
    REQUIRE(why_not(run_document()) == "(read)");
    const auto without = [](const char* field) {
        json::object data = run_document();
        data.erase(field);
        return why_not(data);
    };
    const auto with = [](const char* field, json::value value) {
        json::object data = run_document();
        data[field] = std::move(value);
        return why_not(data);
    };
    for (const char* field :
         {"format", "owner", "generation", "created", "expires", "platform", "secrets"}) {
        CHECK(without(field) == std::string("it has no \"") + field + "\"");
    }
    CHECK(with("format", 2) ==
          "it was written by a later version of slurm-secretsd; update this one");
    CHECK(with("owner", -1) == "its \"owner\" is not a valid number");
    CHECK(with("owner", 4294967295) == "its \"owner\" is not a valid number");
    CHECK(with("owner", "root") == "its \"owner\" is not a valid number");
    CHECK(with("expires", 253402300799) == "(read)");
    CHECK(with("expires", 253402300800) == "its \"expires\" is not a valid number");
    CHECK(with("generation", 0) == "its \"generation\" is not a valid number");
    CHECK(with("platform", 1) == "its \"platform\" is not a string");
    CHECK(with("secrets", "x") == "its \"secrets\" is not a list");
    CHECK(with("secrets", {"x"}) == "one of its \"secrets\" is not an object");
    const auto with_secret = [&](const char* field, json::value value) {
        json::object secret{{"scope", "user"}, {"name", "A"}, {"value", "eA=="}};
        secret[field] = std::move(value);
        json::array secrets;
        secrets.push_back(secret);
        return with("secrets", secrets);
    };
    CHECK(with_secret("value", "eQ==") == "(read)");
    CHECK(with_secret("value", "hunter2") == "the value of A is not base64");
    CHECK(with_secret("scope", "all") == "a \"scope\" is neither user nor workspace");
    CHECK(with_secret("name", "a b") != "(read)");
}

TEST_CASE("Document codec: maps runs and owners to paths and paths to owners") {
    CHECK(path_of(run_of("a.b")) == "runs/a.b");
    const auto user = store::Owner::user(Uid{1001});
    const auto lab = store::Owner::workspace_named("lab.1");
    CHECK(path_of(user) == "users/1001");
    CHECK(path_of(lab) == "workspaces/lab.1");
    CHECK(owner_at("users", "1001") == user);
    CHECK(owner_at("workspaces", "lab.1") == lab);
    for (const char* name : {"", "x", "-1", "1001x", "99999999999"}) {
        CAPTURE(name);
        CHECK_FALSE(owner_at("users", name));
    }
    CHECK_FALSE(owner_at("workspaces", "folder/"));
}

}  // namespace
}  // namespace secrets::openbao
