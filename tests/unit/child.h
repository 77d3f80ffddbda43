// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace secrets {

/// A forked child that runs `body` and exits with its result. `body` must not contain Catch
/// assertions: the exit code reports errors. The destructor kills a child that still runs.
class Child {
  public:
    template <typename Body>
    explicit Child(Body body) : pid_(fork()) {
        if (pid_ == 0) _exit(body());
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (waited_ || pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }

    pid_t pid() const { return pid_; }

    /// Waits for the child's end. Returns the exit code, or minus the number of the signal that
    /// ended the child.
    int wait() {
        int status = 0;
        if (pid_ <= 0 || waitpid(pid_, &status, 0) != pid_) return -1000;
        waited_ = true;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

  private:
    pid_t pid_ = -1;
    bool waited_ = false;
};

/// An account that belongs to no user, to test the view of another user. Only root can become it.
inline constexpr uid_t kOtherUid = 65534;

inline bool become_other_user() {
    return setresgid(kOtherUid, kOtherUid, kOtherUid) == 0 &&
           setresuid(kOtherUid, kOtherUid, kOtherUid) == 0;
}

}  // namespace secrets
