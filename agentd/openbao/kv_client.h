// SPDX-License-Identifier: Apache-2.0
#pragma once
// The secrets of a mount of KV v2 in OpenBao (or Vault), under the folder that the configuration
// names.

#include <boost/json/object.hpp>
#include <optional>

#include "agentd/openbao/server_pool.h"

namespace secrets::openbao {

struct Document {
    std::uint64_t version = 0;                ///< the newest; 0: there never was one
    std::optional<boost::json::object> data;  ///< nothing: it is not there, or was destroyed
    bool may_lag = false;  ///< no active server said it: what was written last may not be in it
};

enum class WriteOutcome { written, version_differs };
struct Written {
    WriteOutcome outcome = WriteOutcome::written;
    std::uint64_t version = 0;  ///< the new one
};

/// Paths are relative to the folder ("runs/demo"), and of any characters, but `.` or `..` can't be
/// a part. An Status is a sentence for people and says nothing of a value. Must outlive the loop's
/// run.
class KvClient {
  public:
    KvClient(boost::asio::io_context& loop, Supervisor& supervisor, const OpenBao& config,
             std::unique_ptr<boost::asio::ssl::context> context)
        : servers_(loop, supervisor, config, std::move(context)) {}

    boost::asio::awaitable<StatusOr<Document>> read(std::string path, Clock::time_point deadline);

    /// By check-and-set: only where the newest version is `version`. Where an answer was lost and
    /// the write repeated, that differs by what was written first.
    boost::asio::awaitable<StatusOr<Written>> write(std::string path, boost::json::object data,
                                                    std::uint64_t version,
                                                    Clock::time_point deadline);

    /// Overwrites this version for good, and those before it that the mount may have kept; later
    /// ones stay. Also fine when it is gone.
    boost::asio::awaitable<Status> destroy(std::string path, std::uint64_t version,
                                           Clock::time_point deadline);

    /// Removes what is known of a path, all versions with it.
    boost::asio::awaitable<Status> purge(std::string path, Clock::time_point deadline);

    /// The names in a folder ("runs"), of those that were destroyed, too.
    boost::asio::awaitable<StatusOr<std::vector<std::string>>> list(std::string folder,
                                                                    Clock::time_point deadline);

    /// How many versions the mount keeps of a path that says nothing of it: 0 is OpenBao's own
    /// number, 10. Nothing where the policy does not let us know.
    boost::asio::awaitable<std::optional<std::int64_t>> versions_kept(Clock::time_point deadline);

    void stop_renewing() { servers_.stop_renewing(); }
    void stop() { servers_.stop(); }
    /// Why it did not answer the last time; empty: it did.
    const std::string& trouble() const { return servers_.trouble(); }

  private:
    std::string target_of(const char* what, const std::string& path) const;

    ServerPool servers_;
};

}  // namespace secrets::openbao
