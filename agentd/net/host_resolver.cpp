// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/host_resolver.h"

#include <netdb.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <mutex>
#include <optional>
#include <utility>

#include "agentd/base/detached_thread.h"

namespace secrets::net {
namespace {

constexpr std::size_t kMostThreads = 16;
constexpr std::size_t kMostBackground = kMostThreads / 2;
/// All memory of the agent is locked, and so are these stacks.
constexpr std::size_t kStackBytes = 512UL * 1024;

/// How long an answer is used without another lookup: for the connections that one event causes.
constexpr auto kFresh = std::chrono::seconds(2);

/// How long a lookup is waited for if addresses are known. A resolver that works is much faster.
constexpr auto kMoment = std::chrono::milliseconds(200);

/// A lookup that has lasted for so long does not count as in flight any more.
constexpr auto kAbandoned = std::chrono::seconds(60);

StatusOr<HostAddresses> query_system(const std::string& name) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found);
    if (error != 0) return Status::failed(gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
    HostAddresses addresses;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        asio::ip::tcp::endpoint endpoint;
        if (each->ai_addrlen > endpoint.capacity()) continue;
        std::copy_n(reinterpret_cast<const std::byte*>(each->ai_addr), each->ai_addrlen,
                    reinterpret_cast<std::byte*>(endpoint.data()));
        endpoint.resize(each->ai_addrlen);
        addresses.push_back(endpoint.address());
    }
    if (addresses.empty()) return Status::failed("it has no address");
    return addresses;
}

std::optional<asio::ip::address> parse_address(const std::string& text) {
    ErrorCode error;
    const auto address = asio::ip::make_address(text, error);
    if (error) return std::nullopt;
    return address;
}

}  // namespace

struct HostResolver::Shared {
    std::mutex mutex;
    asio::io_context* loop = nullptr;  ///< null once the loop has gone
    HostResolver* resolver = nullptr;
    Query query = query_system;
    std::size_t threads = 0;
    std::size_t background = 0;  ///< of the threads
};

/// A lookup of one thread.
struct HostResolver::Task {
    std::shared_ptr<Shared> shared;
    Query query;
    std::string name;
    Use use;
};

HostResolver::HostResolver(asio::io_context& loop)
    : asio::execution_context::service(loop), shared_(std::make_shared<Shared>()) {
    shared_->loop = &loop;
    shared_->resolver = this;
}

HostResolver::~HostResolver() = default;

void HostResolver::shutdown() {
    const std::lock_guard lock(shared_->mutex);
    shared_->loop = nullptr;
}

void HostResolver::set_query(Query query) {
    shared_->query = std::move(query);
}

void HostResolver::begin(const std::string& name, Use use) {
    if (!parse_address(name)) static_cast<void>(begin(name, hosts_[name], use));
}

asio::awaitable<HostLookup> HostResolver::look_up(std::string name, Use use,
                                                  Clock::time_point deadline) {
    if (const auto address = parse_address(name)) {
        HostLookup itself;
        itself.addresses.push_back(*address);
        co_return itself;
    }
    Host& host = hosts_[name];
    const auto asked = Clock::now();
    bool is_answered = host.resolved_at != Clock::time_point{} && asked < host.resolved_at + kFresh;
    bool has_begun = false;
    while (!is_answered) {
        if (!has_begun) has_begun = begin(name, host, use);
        const auto moment = (has_begun ? host.began_at : asked) + kMoment;
        const bool is_urgent = use == Use::connection && !host.addresses.empty();
        const auto until = is_urgent ? std::min(deadline, moment) : deadline;
        if (Clock::now() >= until) break;
        co_await changed_.wait(until);
        is_answered = has_begun && !host.is_in_flight;
    }
    std::string trouble = host.trouble;
    if (!has_begun && !is_answered) {
        trouble = "it was not looked up: other lookups take too long";
    } else if (!is_answered) {
        trouble = "the resolver does not answer in time";
    }
    co_return HostLookup{host.addresses, std::move(trouble)};
}

/// Starts a thread for a name unless one is looking it up. Returns false if there are too many.
bool HostResolver::begin(const std::string& name, Host& host, Use use) {
    const auto now = Clock::now();
    if (host.is_in_flight && now < host.began_at + kAbandoned) return true;
    const bool is_background = use == Use::background;
    const std::lock_guard lock(shared_->mutex);
    if (shared_->threads >= kMostThreads) return false;
    if (is_background && shared_->background >= kMostBackground) return false;
    auto task = std::make_unique<Task>(Task{shared_, shared_->query, name, use});
    if (!start_detached_thread(kStackBytes, &HostResolver::run, task.get())) return false;
    static_cast<void>(task.release());  // the thread owns it
    ++shared_->threads;
    if (is_background) ++shared_->background;
    host.is_in_flight = true;
    host.began_at = now;
    return true;
}

void HostResolver::take(const std::string& name, StatusOr<HostAddresses> answer) {
    Host& host = hosts_[name];
    host.is_in_flight = false;
    host.trouble = answer.ok() ? "" : answer.status().message();
    if (answer.ok()) {
        host.addresses = std::move(answer).value();
        host.resolved_at = Clock::now();
    }
    changed_.wake();
}

/// Runs in a thread of its own.
void* HostResolver::run(void* argument) {
    const std::unique_ptr<Task> task(static_cast<Task*>(argument));
    std::optional<StatusOr<HostAddresses>> answer;
    try {
        answer = task->query(task->name);
    } catch (const std::exception&) {  // memory ran out
    }
    const std::lock_guard lock(task->shared->mutex);
    // Before the loop has the answer: who waits for it may begin the next lookup.
    --task->shared->threads;
    if (task->use == Use::background) --task->shared->background;
    if (!answer) return nullptr;  // the lookup counts as in flight until it is abandoned
    try {
        pass_on(*task, *std::move(answer));
    } catch (const std::exception&) {  // likewise
    }
    return nullptr;
}

/// Passes an answer from its thread, which has the lock, to the loop.
void HostResolver::pass_on(const Task& task, StatusOr<HostAddresses> answer) {
    if (task.shared->loop == nullptr) return;
    auto taken = [shared = task.shared, name = task.name, answer = std::move(answer)]() mutable {
        // Only the loop's thread sets `loop` to null.
        if (shared->loop != nullptr) shared->resolver->take(name, std::move(answer));
    };
    asio::post(*task.shared->loop, std::move(taken));
}

}  // namespace secrets::net
