// SPDX-License-Identifier: Apache-2.0
#include "slurmview/address_cache.h"

#include <algorithm>

namespace secrets::slurmview {

AddressCache::Answer AddressCache::find(const std::string& host, const std::string& address,
                                        Time since) const {
    const auto found = hosts_.find(host);
    if (found == hosts_.end()) return {.is_due = true};
    const Host& known = found->second;
    const bool has =
        std::find(known.addresses.begin(), known.addresses.end(), address) != known.addresses.end();
    const auto age = Clock::now() - known.looked_up_at;
    const auto most = has                   ? bounds_.memory_of_nodes
                      : !known.failure.ok() ? bounds_.memory_of_failures
                                            : bounds_.doubt_of_nodes;
    const bool is_new = known.looked_up_at >= since;
    return {has, !is_new && age >= most, has ? Status() : known.failure};
}

bool AddressCache::was_looked_up(const std::string& host, Time since) const {
    const auto found = hosts_.find(host);
    return found != hosts_.end() && found->second.looked_up_at >= since;
}

void AddressCache::take(const std::string& host, StatusOr<std::vector<std::string>> addresses) {
    Host& known = hosts_[host];
    known.looked_up_at = Clock::now();
    known.failure = addresses.status();
    if (!addresses) return;
    if (addresses->empty()) {
        known.failure = Status::failed("cannot resolve " + host + ": it has no address");
        return;
    }
    known.addresses = std::move(addresses).value();
}

}  // namespace secrets::slurmview
