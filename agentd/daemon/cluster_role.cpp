#include "agentd/daemon/cluster_role.h"

#include <unistd.h>

namespace secrets::cluster {
namespace {

/// A node's usual name in slurm.conf.
std::string short_host_name() {
    char name[256] = "";
    gethostname(name, sizeof(name) - 1);
    return std::string(name).substr(0, std::string_view(name).find('.'));
}

}  // namespace

Result<std::unique_ptr<boost::asio::ssl::context>> make_hub_client_context(const Hub& hub) {
    auto context = make_client_context(hub.ca, "hub.ca");
    if (!context || hub.certificate.empty()) return context;
    auto wrong = doors::show_certificate(**context, "hub", hub.certificate, hub.key);
    if (wrong) return *wrong;
    return context;
}

Result<TlsContexts> make_tls_contexts(const Config& config) {
    TlsContexts contexts;
    if (!config.listen.host.empty()) {
        auto context = doors::make_server_context(config.listen);
        if (!context) return context.error();
        contexts.hub = std::move(context).value();
    }
    if (!config.hub.urls.empty()) {
        auto context = make_hub_client_context(config.hub);
        if (!context) return context.error();
        contexts.client = std::move(context).value();
    }
    if (!config.openbao.urls.empty()) {
        auto context = make_client_context(config.openbao.ca, "store.openbao.ca");
        if (!context) return context.error();
        contexts.openbao = std::move(context).value();
    }
    return contexts;
}

Membership::Membership(boost::asio::io_context& loop, const Config& config, TlsContexts contexts,
                       UniqueFd listener, desk::Desk& desk, doors::RunWaiters& waiters,
                       doors::SharedStore* shared) {
    if (contexts.hub) {
        nodes_ = std::make_unique<HubNodes>(loop, config, desk, waiters, shared);
        door_ = std::make_unique<doors::TlsDoor>(loop, std::move(listener), std::move(contexts.hub),
                                                 desk, nodes_.get(), shared);
        configure(config.listen);
    }
    if (contexts.client) {
        const std::string node = config.hub.node.empty() ? short_host_name() : config.hub.node;
        client_ = std::make_unique<HubClient>(loop, config.hub, std::move(contexts.client));
        asks_ = std::make_unique<HubAsks>(*client_, desk, node);
        checks_ = std::make_unique<HubChecks>(*client_, node);
        relay_ = std::make_unique<HubRelay>(*client_);
        report_ = std::make_unique<HoldsReport>(loop, *client_, *asks_, desk, node);
    }
}

Result<std::shared_ptr<boost::asio::ssl::context>> Membership::renewed_context(
    const Listen& listen) const {
    if (!door_ || listen.host.empty()) return std::shared_ptr<boost::asio::ssl::context>();
    return doors::make_server_context(listen);
}

void Membership::set_context(std::shared_ptr<boost::asio::ssl::context> context) {
    if (context) door_->set_context(std::move(context));
}

void Membership::configure(const Listen& listen) {
    if (nodes_) nodes_->configure(listen);
    if (door_) door_->take_host_certificates(listen.host_certificates);
}

void Membership::stop() {
    if (door_) door_->stop();
    if (nodes_) nodes_->stop();
    if (report_) report_->stop();
    if (client_) client_->stop();
}

void Membership::end_silent() {
    if (door_) door_->end_silent();
}

void Membership::abort() {
    if (door_) door_->abort();
}

}  // namespace secrets::cluster
