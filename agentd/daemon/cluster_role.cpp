// SPDX-License-Identifier: Apache-2.0
#include "agentd/daemon/cluster_role.h"

#include <unistd.h>

#include "agentd/hub/node_routes.h"

namespace secrets {
namespace {

/// Returns a node's usual name in slurm.conf.
std::string short_host_name() {
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    return std::string(name).substr(0, std::string_view(name).find('.'));
}

std::string text_of_address(const Listen& listen) {
    const bool is_ipv6 = listen.host.find(':') != listen.host.npos;
    const std::string host = is_ipv6 ? "[" + listen.host + "]" : listen.host;
    return host + ":" + std::to_string(listen.port);
}

}  // namespace

StatusOr<std::unique_ptr<boost::asio::ssl::context>> make_hub_client_context(const Hub& hub) {
    auto context = net::make_client_context(hub.ca, "hub.ca");
    if (!context || hub.certificate.empty()) return context;
    auto wrong = net::show_certificate(**context, "hub", hub.certificate, hub.key);
    if (!wrong.ok()) return wrong;
    return context;
}

StatusOr<TlsContexts> make_tls_contexts(const Config& config) {
    TlsContexts contexts;
    if (!config.listen.host.empty()) {
        auto context = net::make_server_context(config.listen);
        if (!context) return context.status();
        contexts.hub = std::move(context).value();
    }
    if (!config.hub.urls.empty()) {
        auto context = make_hub_client_context(config.hub);
        if (!context) return context.status();
        contexts.client = std::move(context).value();
    }
    if (!config.openbao.urls.empty()) {
        auto context = net::make_client_context(config.openbao.ca, "store.openbao.ca");
        if (!context) return context.status();
        contexts.openbao = std::move(context).value();
    }
    return contexts;
}

ClusterRole::ClusterRole(boost::asio::io_context& loop, Supervisor& supervisor,
                         const Config& config, TlsContexts contexts, UniqueFd listener,
                         service::Services& services, service::RunWaiters& waiters,
                         service::SharedStore* shared, vault::FdStore* keeper)
    : keeper_(keeper) {
    if (contexts.hub) {
        nodes_ = std::make_unique<hub::NodeApiHandler>(loop, supervisor, config, services, waiters,
                                                       shared);
        hub_server_ =
            std::make_unique<server::HubServer>(loop, std::move(listener), std::move(contexts.hub),
                                                services, hub::hub_routes(*nodes_), shared);
        configure(config.listen);
        address_ = text_of_address(config.listen);
    }
    if (contexts.client) {
        const node::NodeName node(config.hub.node.empty() ? short_host_name() : config.hub.node,
                                  keeper);
        node_ = node;
        certificate_end_ = net::certificate_end(*contexts.client);
        client_ = std::make_unique<node::HubClient>(loop, config.hub, std::move(contexts.client));
        asks_ = std::make_unique<node::RemoteGrants>(*client_, services, node);
        bindings_ = std::make_unique<node::RemoteBindings>(*client_, node);
        checks_ = std::make_unique<node::RemoteSubmitCheck>(*client_, node);
        relay_ = std::make_unique<node::HubProxy>(*client_);
        report_ = std::make_unique<node::HoldReporter>(loop, supervisor, *client_, *asks_, services,
                                                       node);
        hub_check_ = std::make_unique<node::HubCheck>(*client_, node);
    }
}

void ClusterRole::take_node_names(const std::vector<std::string>& found) {
    if (node_) return node_->take_over(found);
    // A name of the time when this agent was a node's.
    vault::KeptWord earlier(node::kNodeName, keeper_);
    earlier.take_over(found);
    earlier.forget();
}

server::GrantAtHub ClusterRole::grant_at_hub() {
    if (!asks_) return nullptr;
    return [asks = asks_.get()](plugin_protocol::GrantRequest request, api::IsGone is_gone) {
        return asks->ask(std::move(request), std::move(is_gone));
    };
}

server::BindRun ClusterRole::bind_at_hub() {
    if (!bindings_) return nullptr;
    return [bindings = bindings_.get()](service::RunBinding binding) {
        return bindings->bind(std::move(binding));
    };
}

server::CheckAtHub ClusterRole::check_at_hub() {
    if (!checks_) return nullptr;
    return [checks = checks_.get()](Uid uid, std::string spec) {
        return checks->why_not_submit(uid, std::move(spec));
    };
}

server::ReadAtHub ClusterRole::read_at_hub() {
    if (!asks_) return nullptr;
    return [asks = asks_.get()](plugin_protocol::GrantRequest request) {
        return asks->read(std::move(request));
    };
}

api::Router::Forward ClusterRole::forward() {
    if (!relay_) return nullptr;
    return [relay = relay_.get()](const api::RequestHead& head) { return relay->forward(head); };
}

StatusOr<std::shared_ptr<boost::asio::ssl::context>> ClusterRole::renewed_context(
    const Listen& listen) const {
    if (!hub_server_ || listen.host.empty()) return std::shared_ptr<boost::asio::ssl::context>();
    return net::make_server_context(listen);
}

void ClusterRole::set_context(std::shared_ptr<boost::asio::ssl::context> context) {
    if (context) hub_server_->set_context(std::move(context));
}

void ClusterRole::configure(const Listen& listen) {
    if (nodes_) nodes_->configure(listen);
    if (hub_server_) hub_server_->take_host_certificates(listen.host_certificates);
}

service::ClusterStatus ClusterRole::describe() const {
    service::ClusterStatus status;
    if (hub_server_) {
        status.role = "hub";
        status.munge_trouble = hub_server_->munge_trouble();
        const hub::SeenHosts& seen = nodes_->seen_hosts();
        status.listener = {address_, hub_server_->certificate_end(), seen.count(), seen.last()};
    }
    if (client_) {
        status.role = "node";
        status.node = node_->text();
        status.munge_trouble = client_->munge_trouble();
        status.hubs = client_->contacts();
        status.certificate_expires = certificate_end_;
    }
    return status;
}

boost::asio::awaitable<void> ClusterRole::check() {
    if (hub_server_) co_await hub_server_->check_munge();
    if (hub_check_) co_await hub_check_->run();
}

void ClusterRole::stop() {
    if (hub_server_) hub_server_->stop();
    if (nodes_) nodes_->stop();
    if (report_) report_->stop();
    if (client_) client_->stop();
}

void ClusterRole::end_silent() {
    if (hub_server_) hub_server_->end_silent();
}

void ClusterRole::abort() {
    if (hub_server_) hub_server_->abort();
}

}  // namespace secrets
