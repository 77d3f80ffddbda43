#pragma once
// Puts questions to slurmctld within bounds: whatever slurmctld does, an answer comes in time.

#include <chrono>
#include <functional>
#include <memory>
#include <span>

#include "common/view_wire.h"

namespace secrets::slurmview {

/// What was found out about a job.
struct Told {
    view_wire::JobState state = view_wire::JobState::unknown;
    std::string why;  ///< why it is unknown
};

/// Asks slurmctld about one job, for as long as that takes. The Error: slurmctld can't be asked,
/// and it is no use to try with another job now.
using AskController = std::function<Result<Told>(JobId)>;

struct Bounds {
    /// After that long a question is answered with what is known by then.
    std::chrono::milliseconds patience = std::chrono::seconds(5);
    /// How long a job that was active is said to be that. That a job has ended is never said from
    /// memory: on this a hold is wiped, and the job may have started again.
    std::chrono::milliseconds memory = std::chrono::seconds(3);
};

/// One thread of its own asks, one question at a time. While that thread waits for slurmctld beyond
/// its question's time, further questions are refused. For use by one thread.
class Questions {
  public:
    explicit Questions(AskController ask, Bounds bounds = {});
    Questions(const Questions&) = delete;
    Questions& operator=(const Questions&) = delete;
    /// Does not wait for slurmctld: the thread ends when it answers.
    ~Questions();

    view_wire::Reply answer(std::span<const JobId> jobs);

  private:
    struct Question;
    struct Shared;

    static void work(const std::shared_ptr<Shared>& shared);

    std::shared_ptr<Shared> shared_;
};

}  // namespace secrets::slurmview
