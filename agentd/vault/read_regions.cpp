// SPDX-License-Identifier: Apache-2.0
#include "agentd/vault/read_regions.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/errno_status.h"

namespace secrets::vault {
namespace {

/// Tells whether a region has the image: a process that was given the region may have written to
/// it.
bool has(const Delivery& delivery, SecretView image) {
    if (delivery.image_length != image.size()) return false;
    if (is_secretmem(delivery.fd.get())) {
        const auto view = RegionView::map(delivery.fd.get());
        return view && view->bytes().size() >= image.size() &&
               memcmp(view->bytes().data(), image.bytes().data(), image.size()) == 0;
    }
    // Not mapped: the process may shorten such a region at any moment.
    SecretBuffer content(image.size());
    const ssize_t count =
        pread(delivery.fd.get(), content.bytes().data(), content.bytes().size(), 0);
    return count == static_cast<ssize_t>(image.size()) &&
           memcmp(content.bytes().data(), image.bytes().data(), image.size()) == 0;
}

StatusOr<Delivery> duplicate(const Delivery& delivery) {
    UniqueFd fd(fcntl(delivery.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd)
        return errno_status("cannot pass on a region: fcntl(F_DUPFD)", StatusCode::unavailable);
    return Delivery{std::move(fd), delivery.image_length};
}

std::size_t whole_pages(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

Status too_many(JobId job) {
    return {StatusCode::resource_exhausted,
            "the values that processes of job " + std::to_string(job.value) + " were given take " +
                std::to_string(kMaxReadBytesOfJob) +
                " bytes of the agent's locked memory, which is the limit for one job; request "
                "fewer of them at a time, or read them again less often"};
}

}  // namespace

StatusOr<Delivery> ReadRegions::deliver(JobId job, Uid owner, const std::string& request,
                                        SecretView image, MemoryKind kind) {
    OfJob& of_job = jobs_[job];
    of_job.owner = owner;
    const auto found = of_job.open.find(request);
    if (found != of_job.open.end() && has(found->second, image)) return duplicate(found->second);
    const std::size_t bytes = whole_pages(image.size());
    if (of_job.bytes + bytes > kMaxReadBytesOfJob) return too_many(job);
    auto region = LockedRegion::create(image.size(), kind);
    if (!region) return region.status();
    memcpy(region->bytes().data(), image.bytes().data(), image.size());
    of_job.bytes += bytes;
    Delivery fresh{region->unmap_and_release(), static_cast<std::uint32_t>(image.size())};
    auto passed = duplicate(fresh);
    if (passed) of_job.open.insert_or_assign(request, std::move(fresh));
    return passed;
}

void ReadRegions::close(JobId job) noexcept {
    const auto found = jobs_.find(job);
    if (found != jobs_.end()) found->second.open.clear();
}

void ReadRegions::close_of(Uid owner) noexcept {
    for (auto& [job, of_job] : jobs_) {
        if (of_job.owner == owner) of_job.open.clear();
    }
}

void ReadRegions::close_all() noexcept {
    for (auto& [job, of_job] : jobs_) of_job.open.clear();
}

}  // namespace secrets::vault
