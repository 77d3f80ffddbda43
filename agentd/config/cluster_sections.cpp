// SPDX-License-Identifier: Apache-2.0
// The keys that make an agent a hub, or a node of a hub.

#include <arpa/inet.h>

#include <algorithm>
#include <tuple>

#include "agentd/config/yaml_reader.h"
#include "common/base/names.h"

namespace secrets::yaml_reader {
namespace {

/// The default port of a hub.
constexpr std::uint16_t kHubPort = 8443;
constexpr std::uint16_t kOpenBaoPort = 8200;

/// Returns the port after a host's colon.
std::uint16_t port_of(const YAML::Node& node, const std::string& text) {
    const bool digits = !text.empty() && text.size() <= 5 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    const unsigned long port = digits ? std::stoul(text) : 0;
    if (port < 1 || port > 65535)
        throw Wrong{node.Mark(), in_quotes(text) + " is not a valid port"};
    return static_cast<std::uint16_t>(port);
}

bool is_address(const std::string& text, int family) {
    in6_addr bytes{};
    return inet_pton(family, text.c_str(), &bytes) == 1;
}

/// Whether the text consists of the characters of a name or an IPv4 address.
bool is_host(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_';
    });
}

/// Splits `host:port` or `[address]:port`; a missing port is the usual one.
std::pair<std::string, std::uint16_t> host_and_port_of(const YAML::Node& node,
                                                       const std::string& text,
                                                       std::uint16_t usual_port = kHubPort) {
    const bool bracketed = text.starts_with('[');
    const std::size_t end = bracketed ? text.find(']') : text.find(':');
    const std::string host = text.substr(bracketed ? 1 : 0, end - (bracketed ? 1 : 0));
    const std::string rest = end == text.npos ? "" : text.substr(end + (bracketed ? 1 : 0));
    const bool fine = !host.empty() && (!bracketed || end != text.npos) &&
                      (rest.empty() || rest.starts_with(':')) &&
                      (bracketed ? is_address(host, AF_INET6) : is_host(host));
    if (!fine)
        throw Wrong{node.Mark(),
                    "invalid address " + in_quotes(text) + "; expected HOST or HOST:PORT"};
    return {host, rest.empty() ? usual_port : port_of(node, rest.substr(1))};
}

HttpsUrl https_url_of(const YAML::Node& node, std::uint16_t usual_port, const char* what) {
    constexpr std::string_view kScheme = "https://";
    HttpsUrl url{text_of(node), "", 0};
    if (!url.text.starts_with(kScheme)) {
        throw Wrong{node.Mark(), in_quotes(url.text) + " is not a valid " + what +
                                     " address, as in https://" + what +
                                     ".example.org:" + std::to_string(usual_port)};
    }
    std::string rest = url.text.substr(kScheme.size());
    if (rest.ends_with('/')) rest.pop_back();
    std::tie(url.host, url.port) = host_and_port_of(node, rest, usual_port);
    return url;
}

std::vector<HttpsUrl> https_urls_of(const YAML::Node& node, std::uint16_t usual_port,
                                    const char* what) {
    if (!node.IsSequence()) {
        throw Wrong{node.Mark(),
                    std::string("expected a list, as in [https://") + what + ".example.org]"};
    }
    std::vector<HttpsUrl> urls;
    for (const YAML::Node& element : node) {
        urls.push_back(https_url_of(element, usual_port, what));
    }
    return urls;
}

/// Reads a path in a URL of OpenBao: parts that need no escape.
std::string api_path_of(const YAML::Node& node) {
    std::string path = text_of(node);
    while (path.ends_with('/')) path.pop_back();
    const bool has_other =
        path.find_first_not_of(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/") != path.npos;
    if (!path.empty() && !path.starts_with('/') && !has_other && path.find("..") == path.npos &&
        path.find("//") == path.npos) {
        return path;
    }
    throw Wrong{node.Mark(), in_quotes(path) +
                                 " is not a valid OpenBao path; expected names of letters, digits, "
                                 "'.', '_' and '-', separated by slashes"};
}

std::vector<std::string> login_hosts_of(const YAML::Node& node) {
    std::vector<std::string> hosts = texts_of(node);
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (!hosts[i].empty() && hosts[i].find_first_of("/?#@ []*,") == std::string::npos) continue;
        throw Wrong{node[i].Mark(), in_quotes(hosts[i]) + " is not a valid host name or address"};
    }
    return hosts;
}

}  // namespace

void read_listen(const YAML::Node& node, Listen& listen) {
    const auto path = [](std::string& target) {
        return [&target](const YAML::Node& value) { target = path_of(value); };
    };
    const auto address = [&](const YAML::Node& value) {
        std::tie(listen.host, listen.port) = host_and_port_of(value, text_of(value));
        if (is_address(listen.host, AF_INET) || is_address(listen.host, AF_INET6)) return;
        throw Wrong{value.Mark(),
                    in_quotes(listen.host) +
                        " is not a valid listen address, as in 0.0.0.0 (all of IPv4), "
                        "10.77.0.1:8443 or [::]:8443 (all)"};
    };
    read_mapping(node, {{"address", address},
                        {"certificate", path(listen.certificate)},
                        {"key", path(listen.key)},
                        {"client_ca", path(listen.client_ca)},
                        {"agents", [&](const auto& value) { listen.agents = text_of(value); }},
                        {"host_certificates",
                         [&](const auto& value) { listen.host_certificates = flag_of(value); }},
                        {"login_hosts", [&](const YAML::Node& value) {
                             listen.login_hosts = login_hosts_of(value);
                         }}});
    if (listen.host.empty()) throw Wrong{node.Mark(), "listen needs an address, as in 0.0.0.0"};
    if (listen.certificate.empty()) {
        throw Wrong{node.Mark(), "listen needs a certificate (of this hub)"};
    }
    if (listen.host_certificates && listen.client_ca.empty()) {
        throw Wrong{node.Mark(),
                    "listen.host_certificates is set, but listen.client_ca (their CA) is not set"};
    }
}

void read_hub(const YAML::Node& node, Hub& hub) {
    const auto urls = [&](const auto& value) { hub.urls = https_urls_of(value, kHubPort, "hub"); };
    read_mapping(node,
                 {{"urls", urls},
                  {"ca", [&](const auto& value) { hub.ca = path_of(value); }},
                  {"certificate", [&](const auto& value) { hub.certificate = path_of(value); }},
                  {"key", [&](const auto& value) { hub.key = path_of(value); }},
                  {"node", [&](const auto& value) { hub.node = text_of(value); }}});
    if (hub.urls.empty()) throw Wrong{node.Mark(), "hub needs urls"};
    if (hub.certificate.empty() != hub.key.empty()) {
        throw Wrong{node.Mark(), "hub.certificate and hub.key go together"};
    }
}

void read_openbao(const YAML::Node& node, OpenBao& openbao) {
    const auto urls = [&](const auto& value) {
        openbao.urls = https_urls_of(value, kOpenBaoPort, "openbao");
    };
    const auto file = [](std::string& target) {
        return [&target](const YAML::Node& value) { target = path_of(value); };
    };
    const auto path = [](std::string& target) {
        return [&target](const YAML::Node& value) { target = api_path_of(value); };
    };
    const auto name_space = [&](const YAML::Node& value) {
        if (!text_of(value).empty()) openbao.name_space = api_path_of(value);
    };
    read_mapping(node, {{"urls", urls},
                        {"ca", file(openbao.ca)},
                        {"namespace", name_space},
                        {"mount", path(openbao.mount)},
                        {"path", path(openbao.path)},
                        {"approle", path(openbao.approle)},
                        {"role_id_file", file(openbao.role_id_file)},
                        {"secret_id_file", file(openbao.secret_id_file)}});
    if (openbao.urls.empty()) throw Wrong{node.Mark(), "openbao needs urls"};
}

}  // namespace secrets::yaml_reader
