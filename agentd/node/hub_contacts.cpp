// SPDX-License-Identifier: Apache-2.0
#include "agentd/node/hub_contacts.h"

namespace secrets::node {
namespace {

service::WallTime now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

HubContacts::HubContacts(const std::vector<HttpsUrl>& urls) {
    for (const HttpsUrl& url : urls) hubs_.push_back({{url.text}});
}

void HubContacts::note_silence(std::size_t hub, const Status& failure) {
    hubs_[hub].silence = failure.message();
}

void HubContacts::note_answer(std::size_t hub, const net::HttpsResponse& answer,
                              std::optional<service::WallTime> certificate_expires) {
    Hub& known = hubs_[hub];
    known.silence.clear();
    known.contact.last_contact = now();
    known.contact.certificate_expires = certificate_expires;
    if (answer.date) known.contact.clock_ahead = now() - *answer.date;
}

void HubContacts::note_refusal(std::size_t hub, const std::string& why) {
    hubs_[hub].refusal = why;
}

std::vector<service::HubContact> HubContacts::describe() const {
    std::vector<service::HubContact> contacts;
    for (const Hub& hub : hubs_) {
        contacts.push_back(hub.contact);
        contacts.back().trouble = hub.silence.empty() ? hub.refusal : hub.silence;
    }
    return contacts;
}

}  // namespace secrets::node
