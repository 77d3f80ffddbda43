// SPDX-License-Identifier: Apache-2.0
#pragma once
// Records a node's contacts with its hubs, for the status.

#include "agentd/net/https_connection.h"
#include "agentd/service/cluster_status.h"

namespace secrets::node {

/// The hubs by their position in the configuration. Not thread-safe.
class HubContacts {
  public:
    explicit HubContacts(const std::vector<HttpsUrl>& urls);

    /// Notes that a hub gave no answer.
    void note_silence(std::size_t hub, const Status& failure);
    /// Notes that a hub answered, whatever it answered.
    void note_answer(std::size_t hub, const net::HttpsResponse& answer,
                     std::optional<service::WallTime> certificate_expires);
    /// Notes why a hub refused a request of this host's own agent; empty: it did not.
    void note_refusal(std::size_t hub, const std::string& why);

    std::vector<service::HubContact> describe() const;

  private:
    struct Hub {
        service::HubContact contact;
        std::string silence{};  ///< why it gave no answer the last time; empty if it gave one
        std::string
            refusal{};  ///< why it refused this host's agent the last time; empty: it did not
    };

    std::vector<Hub> hubs_;
};

}  // namespace secrets::node
