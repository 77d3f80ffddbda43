// SPDX-License-Identifier: Apache-2.0
// Promise: the keys that make an agent a hub, or a node of one, are understood as they are
// documented, or refused at their place.

#include "agentd/config/config.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

std::string refusal_of(const std::string& text) {
    const auto config = parse_config(text, "agentd.yaml");
    return config ? "(read)" : config.status().message();
}

/// With `line` in the place of the key that it begins with, or on top of the others.
std::string listen_with(const std::string& line = "") {
    std::string text = "listen:\n";
    for (const std::string usual : {"address: 0.0.0.0", "certificate: /a/hub.crt"}) {
        const auto key = usual.substr(0, usual.find(':') + 1);
        if (!line.starts_with(key)) text += "  " + usual + "\n";
    }
    return text + (line.empty() ? "" : "  " + line + "\n");
}

TEST_CASE("Config: is neither hub nor node by default") {
    const auto config = parse_config("", "agentd.yaml");
    REQUIRE(config);
    CHECK(config->listen == Listen{});
    CHECK(config->hub == Hub{});
}

TEST_CASE("Config: reads the keys of listen and defaults the optional ones") {
    const auto config = parse_config(
        "listen: { address: '10.77.0.1:9443', certificate: /a/hub.crt, key: /a/hub.key, client_ca: "
        "/a/ca.crt, agents: secrets }",
        "agentd.yaml");
    REQUIRE(config);
    CHECK(config->listen ==
          Listen{"10.77.0.1", 9443, "/a/hub.crt", "/a/hub.key", "/a/ca.crt", "secrets"});
    const auto least = parse_config(listen_with(), "agentd.yaml");
    REQUIRE(least);
    CHECK(least->listen == Listen{"0.0.0.0", 8443, "/a/hub.crt", "", "", ""});
}

TEST_CASE("Config: accepts only an IP address in listen.address and defaults to port 8443") {
    struct Row {
        std::string text;
        std::string host;
        std::uint16_t port;
    };
    for (const Row& row : {Row{"0.0.0.0", "0.0.0.0", 8443}, Row{"0.0.0.0:1", "0.0.0.0", 1},
                           Row{"127.0.0.1:65535", "127.0.0.1", 65535}, Row{"[::]", "::", 8443},
                           Row{"[::1]:443", "::1", 443}, Row{"0.0.0.0:0443", "0.0.0.0", 443}}) {
        CAPTURE(row.text);
        const auto config = parse_config(listen_with("address: '" + row.text + "'"), "a");
        REQUIRE(config);
        CHECK(config->listen.host == row.host);
        CHECK(config->listen.port == row.port);
    }
    for (const std::string text :
         {"hub.example.org", "localhost:8443", "1.2.3", "1.2.3.4.5", "256.0.0.1", "010.0.0.1"}) {
        CAPTURE(text);
        CHECK(
            refusal_of(listen_with("address: " + text))
                .find("is not a valid listen address, as in 0.0.0.0 (all of IPv4), 10.77.0.1:8443 "
                      "or [::]:8443 (all)") != std::string::npos);
    }
    for (const std::string text : {"", ":8443", "::1", "[::1", "[::1]8443", "[0.0.0.0]", "[]",
                                   "[fe80::1%eth0]", "0.0.0.0/24", "0.0.0.0 :1"}) {
        CAPTURE(text);
        CHECK(refusal_of(listen_with("address: '" + text + "'")) ==
              "agentd.yaml:3:12: invalid address '" + text + "'; expected HOST or HOST:PORT");
    }
    for (const std::string port :
         {"", "0", "65536", "99999", "100000", "-1", "+1", "1x", "http", "1:1", "0x50", " 1"}) {
        CAPTURE(port);
        CHECK(refusal_of(listen_with("address: '0.0.0.0:" + port + "'"))
                  .find("'" + port + "' is not a valid port") != std::string::npos);
    }
}

TEST_CASE("Config: requires address and certificate in listen and absolute paths") {
    CHECK(refusal_of("listen: { certificate: /a }") ==
          "agentd.yaml:1:9: listen needs an address, as in 0.0.0.0");
    CHECK(refusal_of("listen: { address: 0.0.0.0 }") ==
          "agentd.yaml:1:9: listen needs a certificate (of this hub)");
    CHECK(refusal_of("listen: {}") == "agentd.yaml:1:9: listen needs an address, as in 0.0.0.0");
    CHECK(refusal_of("listen: 0.0.0.0").find("expected keys and values") != std::string::npos);
    for (const std::string key : {"certificate", "key", "client_ca"}) {
        CHECK(refusal_of(listen_with(key + ": hub.pem")).find("is not an absolute path") !=
              std::string::npos);
        CHECK(refusal_of(listen_with(key + ": [/a]")).find("expected a text value") !=
              std::string::npos);
        CHECK(refusal_of(listen_with(key + ":")).find("has no value") != std::string::npos);
    }
    CHECK(refusal_of(listen_with("agents: [a]")).find("expected a text value") !=
          std::string::npos);
    CHECK(refusal_of(listen_with("port: 1")) ==
          "agentd.yaml:4:3: unknown key 'port'; expected one of: address, certificate, "
          "key, client_ca, agents, host_certificates, login_hosts");
    CHECK(refusal_of(listen_with("key: /a\n  key: /b")).find("duplicate key 'key'") !=
          std::string::npos);
}

TEST_CASE("Config: reads every key of hub and defaults the optional ones") {
    const auto config = parse_config(
        "hub: { urls: ['https://hub1.example.org', 'https://10.0.0.1:9443/', 'https://[fd00::1]'], "
        "ca: /a/ca.crt, node: n1, certificate: /a/n1.crt, key: /a/n1.key }",
        "agentd.yaml");
    REQUIRE(config);
    CHECK(config->hub == Hub{{{"https://hub1.example.org", "hub1.example.org", 8443},
                              {"https://10.0.0.1:9443/", "10.0.0.1", 9443},
                              {"https://[fd00::1]", "fd00::1", 8443}},
                             "/a/ca.crt",
                             "n1",
                             "/a/n1.crt",
                             "/a/n1.key"});
    const auto least = parse_config("hub: { urls: ['https://hub'] }", "agentd.yaml");
    REQUIRE(least);
    CHECK(least->hub == Hub{{{"https://hub", "hub", 8443}}, "", ""});
}

TEST_CASE("Config: requires client_ca for host_certificates and hub.key with hub.certificate") {
    const auto config =
        parse_config(listen_with("client_ca: /a/ca.crt\n  host_certificates: true"), "agentd.yaml");
    REQUIRE(config);
    CHECK(config->listen.host_certificates);
    CHECK(refusal_of(listen_with("host_certificates: true")) ==
          "agentd.yaml:2:3: listen.host_certificates is set, but listen.client_ca (their CA) is "
          "not set");
    for (const char* key : {"certificate", "key"}) {
        CAPTURE(key);
        CHECK(refusal_of(std::string("hub: { urls: ['https://hub'], ") + key + ": /a }") ==
              "agentd.yaml:1:6: hub.certificate and hub.key go together");
    }
}

TEST_CASE("Config: rejects an invalid hub URL with its position") {
    for (const std::string url :
         {"https://", "https:///", "https://:1", "https://a/v1", "https://a//", "https://a?b",
          "https://a#b", "https://u@a", "https://a b", "https://[a]", "https://[::1", "https://::1",
          "https://a\\n", "https://a\\0", "https://\\u00e4", "https://a,b"}) {
        CAPTURE(url);
        const std::string refusal = refusal_of("hub:\n  urls: [\"" + url + "\"]\n");
        CHECK(refusal.starts_with("agentd.yaml:2:10: invalid address '"));
        CHECK(refusal.ends_with("; expected HOST or HOST:PORT"));
    }
    for (const std::string url : {"", "hub", "http://hub", "HTTPS://hub", "//hub", " https://a"}) {
        CAPTURE(url);
        CHECK(refusal_of("hub:\n  urls: [\"" + url + "\"]\n") ==
              "agentd.yaml:2:10: '" + url +
                  "' is not a valid hub address, as in https://hub.example.org:8443");
    }
    for (const std::string port : {"0", "65536", "x", "-1"}) {
        CHECK(refusal_of("hub: { urls: ['https://a:" + port + "'] }")
                  .ends_with("'" + port + "' is not a valid port"));
    }
}

TEST_CASE("Config: requires a non-empty list in hub.urls and rejects unknown keys of hub") {
    CHECK(refusal_of("hub: { urls: [] }").ends_with("hub needs urls"));
    CHECK(refusal_of("hub: { ca: /a }").ends_with("hub needs urls"));
    CHECK(refusal_of("hub: { urls: 'https://a' }")
              .ends_with("expected a list, as in [https://hub.example.org]"));
    CHECK(refusal_of("hub: { urls: ['https://a'], ca: a }").ends_with("is not an absolute path"));
    CHECK(refusal_of("hub: { urls: ['https://a'], name: a }")
              .ends_with("unknown key 'name'; expected one of: urls, ca, certificate, key, node"));
}

TEST_CASE("Config: rejects an agent that is both hub and node") {
    CHECK(refusal_of(listen_with() + "hub: { urls: ['https://a'] }\n") ==
          "agentd.yaml:1:1: listen and hub are mutually exclusive: an agent either is a hub or "
          "uses hubs");
}

TEST_CASE("Config: requires client_ca when a hub has a platform with a certificate") {
    const std::string platforms = "platforms: [{ name: tower, certificate: tower.example.org }]\n";
    CHECK(refusal_of(platforms) == "(read)");  // nodes and hub may share a file
    CHECK(refusal_of(listen_with("client_ca: /a/ca.crt") + platforms) == "(read)");
    CHECK(refusal_of(listen_with() + platforms) ==
          "agentd.yaml:1:1: platform 'tower' sets certificate, but listen.client_ca (its CA) is "
          "not set");
    CHECK(refusal_of(listen_with() + "platforms: [{ name: tower, user: tower }]\n") == "(read)");
    const auto config = parse_config(platforms, "agentd.yaml");
    REQUIRE(config);
    CHECK(config->platforms.front().certificate == "tower.example.org");
    CHECK(config->platforms.front().user.empty());
}

TEST_CASE("Config: requires a restart when listen.address or listen.agents or hub changes") {
    Config running;
    running.listen = {"0.0.0.0", 8443, "/a", "/b", "/c", "x"};
    Config wanted = running;
    wanted.listen.certificate = wanted.listen.key = wanted.listen.client_ca = "/other";
    CHECK(needs_restart(running, wanted).empty());
    wanted.listen.port = 1;
    CHECK(needs_restart(running, wanted) == "listen.address");
    wanted.listen = running.listen;
    wanted.listen.host = "::";
    CHECK(needs_restart(running, wanted) == "listen.address");
    wanted.listen = running.listen;
    wanted.listen.agents = "y";
    CHECK(needs_restart(running, wanted) == "listen.agents");
    wanted.listen = {};
    CHECK(needs_restart(running, wanted) == "listen.address, listen.agents");
    wanted = running;
    wanted.hub.node = "n2";
    CHECK(needs_restart(running, wanted) == "hub");
}

TEST_CASE("Config: accepts only names or addresses in listen.login_hosts") {
    const std::string listen = "listen: { address: 10.0.0.1, certificate: /c, login_hosts: ";
    const auto hosts_in = [&](const std::string& list) {
        return parse_config(listen + list + " }\n", "agentd.yaml")->listen.login_hosts;
    };
    CHECK(hosts_in("[login, 10.77.0.4, 'fd00::4']") ==
          std::vector<std::string>{"login", "10.77.0.4", "fd00::4"});
    CHECK(hosts_in("[]").empty());
    for (const std::string bad : {"login[1-3]", "10.77.0.0/24", "*.example.org", "", "a b"}) {
        CAPTURE(bad);
        CHECK(refusal_of(listen + "[login, '" + bad + "'] }\n") ==
              "agentd.yaml:1:68: '" + bad + "' is not a valid host name or address");
    }
}

}  // namespace
}  // namespace secrets
