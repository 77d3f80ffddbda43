// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/command_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace secrets::ctl::doctor {
namespace {

using Clock = std::chrono::steady_clock;

/// Starts the command; returns its process id, or -1.
pid_t start(const std::vector<std::string>& command, int output) {
    std::vector<std::string> words = command;
    std::vector<char*> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid = -1;
    if (::posix_spawnp(&pid, arguments[0], &files, nullptr, arguments.data(), environ) != 0)
        pid = -1;
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

/// Reads to the end; returns false if the end does not arrive before the deadline.
bool read_all(int fd, std::string& text, Clock::time_point deadline) {
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd waiting{fd, POLLIN, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<long>(0, left.count())));
        if (ready == 0) return false;
        if (ready < 0 && errno == EINTR) continue;
        char buffer[4096];
        const ssize_t got = ::read(fd, buffer, sizeof buffer);
        if (got == 0) return true;
        if (got < 0 && errno != EINTR) return false;
        if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    }
}

}  // namespace

std::optional<CommandResult> run_command(const std::vector<std::string>& command,
                                         std::chrono::seconds longest) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const pid_t pid = start(command, write_end.get());
    write_end.reset();
    if (pid < 0) return std::nullopt;

    std::string text;
    const bool whole = read_all(read_end.get(), text, Clock::now() + longest);
    if (!whole) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!whole || !WIFEXITED(status)) return std::nullopt;
    return CommandResult{WEXITSTATUS(status), std::move(text)};
}

std::optional<std::string> output_of(const std::vector<std::string>& command,
                                     std::chrono::seconds longest) {
    auto done = run_command(command, longest);
    if (!done || done->code != 0) return std::nullopt;
    return std::move(done->output);
}

}  // namespace secrets::ctl::doctor
