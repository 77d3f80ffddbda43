// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads and writes the secrets of a mount of KV v2 in OpenBao (or Vault), under the folder that the
// configuration names.

#include <boost/json/object.hpp>
#include <optional>

#include "agentd/openbao/server_pool.h"

namespace secrets::openbao {

struct Document {
    std::uint64_t version = 0;                ///< the newest; 0: there never was one
    std::optional<boost::json::object> data;  ///< empty: missing or destroyed
    bool may_lag = false;  ///< no active server answered: the last write may be missing
    std::optional<std::chrono::sys_seconds> date{};  ///< by the server's clock
};

enum class WriteOutcome { written, version_differs };
struct Written {
    WriteOutcome outcome = WriteOutcome::written;
    std::uint64_t version = 0;  ///< the new one
};

/// An answer of a server, with its JSON if that is an object.
struct KvAnswer : Answer {
    boost::json::object content;
};

/// A client of KV v2. Paths are relative to the folder ("runs/demo"), and of any characters, but
/// `.` or `..` can't be a part. A Status has a sentence for people and nothing of a value; that of
/// a change has the code `unavailable` if the change may have been made. Must outlive the loop's
/// run.
class KvClient {
  public:
    KvClient(boost::asio::io_context& loop, Supervisor& supervisor, const OpenBao& config,
             std::unique_ptr<boost::asio::ssl::context> context)
        : servers_(loop, supervisor, config, std::move(context)) {}

    boost::asio::awaitable<StatusOr<Document>> read(std::string path, Clock::time_point deadline);

    /// Writes by check-and-set: only if the newest version is `version`. If an answer was lost and
    /// the write repeated, the version differs because of the first write.
    boost::asio::awaitable<StatusOr<Written>> write(std::string path, boost::json::object data,
                                                    std::uint64_t version,
                                                    Clock::time_point deadline);

    /// Overwrites this version for good, and earlier ones that the mount may have; later ones stay.
    /// Succeeds also if the version is gone.
    boost::asio::awaitable<Status> destroy(std::string path, std::uint64_t version,
                                           Clock::time_point deadline);

    /// Removes the metadata of a path, with all versions.
    boost::asio::awaitable<Status> purge(std::string path, Clock::time_point deadline);

    /// Returns the names in a folder ("runs"), including those of destroyed documents.
    boost::asio::awaitable<StatusOr<std::vector<std::string>>> list(std::string folder,
                                                                    Clock::time_point deadline);

    /// Returns how many versions the mount keeps of a path without a setting of its own: 0 is
    /// OpenBao's own number, 10. Returns nothing if the policy does not allow the query.
    boost::asio::awaitable<std::optional<std::int64_t>> max_versions(Clock::time_point deadline);

    void stop_renewing() { servers_.stop_renewing(); }
    void stop() { servers_.stop(); }
    /// Returns why OpenBao did not answer the last time; empty if it did.
    const std::string& trouble() const { return servers_.trouble(); }

  private:
    std::string target_of(const char* what, const std::string& path) const;
    boost::asio::awaitable<StatusOr<KvAnswer>> ask(net::HttpsRequest request,
                                                   bool (*is_expected)(const KvAnswer&),
                                                   Clock::time_point deadline);

    ServerPool servers_;
};

}  // namespace secrets::openbao
