// SPDX-License-Identifier: Apache-2.0
// Promise: what a credential says of its request is read as it was written, and nothing else is
// taken for it; and a body is the one that the caller vouched for.

#include "common/ipc/hub_request.h"

#include <algorithm>
#include <cctype>

#include "agentd/base/sha256.h"
#include "agentd/server/authenticator.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

const HubRequest kRequest{"hub.example.org", "PUT", "/v1/runs/r?a=b", std::string(64, 'a')};

TEST_CASE("HubRequest: reads a request as it was printed") {
    const HubRequest requests[] = {kRequest,
                                   {"", "", "", ""},
                                   {"::1", "GET", "/", "x"},
                                   {"h", "PUT", std::string(30000, 't'), "d"},
                                   {"a b", " ", "\t", "\r"}};
    for (const HubRequest& request : requests) {
        const auto read = parse_hub_request(print_hub_request(request));
        REQUIRE(read);
        CHECK(*read == request);
    }
    CHECK(print_hub_request(kRequest) ==
          "slurm-secrets 1\nhub.example.org\nPUT\n/v1/runs/r?a=b\n" + std::string(64, 'a') + "\n");
}

TEST_CASE("HubRequest: rejects text that is not a request") {
    const std::string good = print_hub_request(kRequest);
    std::vector<std::string> bad = {"",
                                    "\n",
                                    "\n\n\n\n\n",
                                    "slurm-secrets 1",
                                    "slurm-secrets 1\n",
                                    good + "\n",
                                    good + "x",
                                    good + good,
                                    " " + good,
                                    "\n" + good,
                                    "slurm-secrets 2" + good.substr(15),
                                    "slurm-secrets 1 " + good.substr(15),
                                    "slurm-secrets 1\r" + good.substr(15),
                                    "Slurm-secrets 1" + good.substr(15),
                                    std::string("slurm-secrets 1\0", 16) + good.substr(15),
                                    std::string(5, '\0'),
                                    std::string(100000, '\n')};
    for (std::size_t length = 0; length < good.size(); ++length) {
        bad.push_back(good.substr(0, length));
    }
    for (const std::string& text : bad) {
        CAPTURE(text);
        const auto read = parse_hub_request(text);
        REQUIRE_FALSE(read);
        CHECK(read.status().message() == "its payload is not a slurm-secrets request");
    }
}

TEST_CASE("Authenticator: accepts only the body whose digest the caller vouched for") {
    server::LocalAuthenticator check(Uid{0});
    const std::string body = "{\"owner\":\"alice\"}";
    const auto answer_to = [&](const std::string& text, std::optional<std::string> digest) {
        SecretBuffer buffer(text.size());
        const Bytes bytes = bytes_of(text);
        std::copy(bytes.begin(), bytes.end(), buffer.bytes().begin());
        return check.check_body({Uid{0}, {}, std::move(digest)}, buffer.view());
    };
    const std::string digest = to_hex(sha256_of(bytes_of(body)));
    CHECK(digest == "eed23b4b6baa35175fce2fbb2bebe954d3be5b517ffcb6e0292ad8d659e463dc");
    const std::string of_nothing =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    CHECK_FALSE(answer_to(body, std::nullopt));
    CHECK_FALSE(answer_to(body, digest));
    CHECK_FALSE(answer_to("", of_nothing));
    std::string upper = digest;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    for (const std::string& wrong :
         {std::string(), of_nothing, upper, digest + " ", digest.substr(1), std::string(64, '0')}) {
        const auto answer = answer_to(body, wrong);
        REQUIRE(answer);
        CHECK(answer->status == 401);
        CHECK(answer->body.find("\"title\":\"Unauthorized\"") != std::string::npos);
        CHECK(answer->body.find("created for a different body") != std::string::npos);
    }
    CHECK(answer_to(body + " ", digest));
    CHECK(answer_to("", digest));
}

}  // namespace
}  // namespace secrets
