#include "slurmview/questions.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace secrets::slurmview {

using view_wire::JobState;
using Clock = std::chrono::steady_clock;

namespace {

std::string in_seconds(Clock::duration duration) {
    return std::to_string(std::chrono::round<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

struct Questions::Question {
    std::vector<JobId> jobs;
    std::vector<JobState> states;
    std::string why;
    Clock::time_point since;
    bool done = false;
    bool abandoned = false;  ///< nobody waits for the rest of it
};

/// What both threads use, under `mutex`. It outlives whichever ends first.
struct Questions::Shared {
    Shared(AskController ask_controller, Bounds given)
        : ask(std::move(ask_controller)), bounds(given) {}

    const AskController ask;
    const Bounds bounds;
    std::mutex mutex;
    std::condition_variable changed;
    std::shared_ptr<Question> question;  ///< what is being asked; none: the thread is free
    bool ended = false;
    std::unordered_map<JobId, Clock::time_point> active_until;
};

Questions::Questions(AskController ask, Bounds bounds)
    : shared_(std::make_shared<Shared>(std::move(ask), bounds)) {
    std::thread(work, shared_).detach();
}

Questions::~Questions() {
    const std::lock_guard lock(shared_->mutex);
    shared_->ended = true;
    if (shared_->question) shared_->question->abandoned = true;
    shared_->changed.notify_all();
}

void Questions::work(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    while (true) {
        shared->changed.wait(lock, [&] { return shared->ended || shared->question; });
        if (shared->ended) return;
        const std::shared_ptr<Question> question = shared->question;
        for (std::size_t i = 0; i < question->jobs.size() && !question->abandoned; ++i) {
            const JobId job = question->jobs[i];
            lock.unlock();
            const auto told = shared->ask(job);
            lock.lock();
            if (!told) {
                question->why = told.error().sentence;
                break;
            }
            question->states[i] = told->state;
            if (told->state == JobState::unknown) question->why = told->why;
            if (told->state == JobState::active) {
                shared->active_until[job] = Clock::now() + shared->bounds.memory;
            }
        }
        question->done = true;
        shared->question.reset();
        shared->changed.notify_all();
    }
}

view_wire::Reply Questions::answer(std::span<const JobId> jobs) {
    std::unique_lock lock(shared_->mutex);
    const auto now = Clock::now();
    std::erase_if(shared_->active_until, [&](const auto& entry) { return entry.second <= now; });
    view_wire::States reply{std::vector(jobs.size(), JobState::active), ""};
    const auto question = std::make_shared<Question>();
    std::vector<std::size_t> places;  // in the reply, of the question's jobs
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (shared_->active_until.contains(jobs[i])) continue;
        question->jobs.push_back(jobs[i]);
        places.push_back(i);
    }
    if (places.empty()) return reply;
    if (shared_->question) {
        return view_wire::Refused{"still waiting for slurmctld, which was asked " +
                                  in_seconds(now - shared_->question->since) + " ago"};
    }
    question->states.assign(places.size(), JobState::unknown);
    question->since = now;
    shared_->question = question;
    shared_->changed.notify_all();
    const auto& patience = shared_->bounds.patience;
    if (!shared_->changed.wait_for(lock, patience, [&] { return question->done; })) {
        question->abandoned = true;
        question->why = "slurmctld did not answer within " + in_seconds(patience);
    }
    for (std::size_t i = 0; i < places.size(); ++i) reply.states[places[i]] = question->states[i];
    reply.sentence = question->why;
    return reply;
}

}  // namespace secrets::slurmview
