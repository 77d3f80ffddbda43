#include "agentd/audit.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

namespace secrets::audit {
namespace {

/// Whether standard error is the journal's stream that systemd gave us (sd_journal_stream_fd(3)).
bool stderr_is_the_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (stream == nullptr || fstat(2, &status) != 0) return false;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

}  // namespace

void open(const Config& config) {
    const bool journal = config.log_target == LogTarget::journal ||
                         (config.log_target == LogTarget::automatic && stderr_is_the_journal());
    std::shared_ptr<spdlog::logger> logger;
    if (journal) {
        auto sink = std::make_shared<spdlog::sinks::systemd_sink_st>("slurm-secretsd");
        logger = std::make_shared<spdlog::logger>("slurm-secretsd", sink);
        logger->set_pattern("%v");
    } else {
        auto sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
        logger = std::make_shared<spdlog::logger>("slurm-secretsd", sink);
        logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l: %v");
    }
    logger->set_level(spdlog::level::from_str(config.log_level));
    logger->flush_on(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
}

void event(std::string_view sentence) {
    spdlog::info("{}", sentence);
}

void refused(std::string_view who, std::string_view what, std::string_view why) {
    spdlog::warn("refused {} to {}: {}", what, who, why);
}

void trouble(std::string_view sentence) {
    spdlog::error("{}", sentence);
}

void fatal(std::string_view sentence) {
    spdlog::critical("{}", sentence);
}

}  // namespace secrets::audit
