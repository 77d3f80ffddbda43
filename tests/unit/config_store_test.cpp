// SPDX-License-Identifier: Apache-2.0
// Promise: the keys of a store in OpenBao are understood as they are documented, or refused at
// their place.

#include "agentd/config/config.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

StatusOr<Config> load(const std::string& text) {
    return parse_config(text, "file");
}

std::string refusal_of(const std::string& text) {
    const auto config = load(text);
    return config ? "(read)" : config.status().message().substr(std::string("file:").size());
}

TEST_CASE("Config: reads every key of store.openbao and defaults the optional ones") {
    const auto config = load(
        "store: { openbao: { urls: ['https://a', 'https://[::1]:1/'], ca: /ca, namespace: x/y/, "
        "mount: kv, path: a/b, approle: c, role_id_file: /r, secret_id_file: /s } }\n");
    REQUIRE(config.ok());
    const OpenBao& openbao = config->openbao;
    REQUIRE(openbao.urls.size() == 2);
    CHECK(openbao.urls[0] == HttpsUrl{"https://a", "a", 8200});
    CHECK(openbao.urls[1] == HttpsUrl{"https://[::1]:1/", "::1", 1});
    CHECK(openbao.ca == "/ca");
    CHECK(openbao.name_space == "x/y");
    CHECK(openbao.mount == "kv");
    CHECK(openbao.path == "a/b");
    CHECK(openbao.approle == "c");
    CHECK(openbao.role_id_file == "/r");
    CHECK(openbao.secret_id_file == "/s");
    CHECK(needs_restart(*load(""), *config) == "store");

    const auto usual = load("store: { openbao: { urls: ['https://a'] } }\n");
    REQUIRE(usual.ok());
    CHECK(usual->openbao.mount == "secret");
    CHECK(usual->openbao.path == "slurm-secrets");
    CHECK(usual->openbao.approle == "approle");
    CHECK(load("")->openbao.urls.empty());
}

TEST_CASE("Config: rejects an invalid store.openbao with its position") {
    const auto openbao = [](const std::string& keys) {
        return refusal_of("store: { openbao: { " + keys + " } }\n");
    };
    CHECK(openbao("mount: kv") == "1:19: openbao needs urls");
    CHECK(openbao("urls: x") == "1:27: expected a list, as in [https://openbao.example.org]");
    CHECK(
        openbao("urls: ['http://a']") ==
        "1:28: 'http://a' is not a valid openbao address, as in https://openbao.example.org:8200");
    CHECK(openbao("url: []") ==
          "1:21: unknown key 'url'; expected one of: urls, ca, namespace, mount, path, "
          "approle, role_id_file, secret_id_file");
    for (const char* path : {"''", "/a", "a//b", "a/../b", "'a b'", "a%2f"}) {
        CAPTURE(path);
        CHECK(openbao(std::string("urls: ['https://a'], mount: ") + path)
                  .find("is not a valid OpenBao path") != std::string::npos);
    }
    CHECK(refusal_of("store: { file: /x, openbao: { urls: ['https://a'] } }\n") ==
          "1:8: store.openbao and store.file (with store.key_file) are mutually exclusive");
    CHECK(
        refusal_of("store: { openbao: { urls: ['https://a'] } }\nhub: { urls: ['https://b'] }\n") ==
        "1:1: hub and store.openbao are mutually exclusive: the hubs of a node use OpenBao, not "
        "the node");
}

}  // namespace
}  // namespace secrets
