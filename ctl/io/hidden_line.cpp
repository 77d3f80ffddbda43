// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/hidden_line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <iostream>
#include <optional>
#include <system_error>

#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

/// The longest line that a terminal accepts, newline included (N_TTY_BUF_SIZE); the kernel silently
/// drops the bytes after it.
constexpr std::size_t kLineBytes = 4096;

constexpr std::array kSignals = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                 SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};

volatile sig_atomic_t arrived_signal = 0;

void note_signal(int signal) {
    arrived_signal = signal;
}

CommandError cannot_use(int error) {
    return CommandError(ExitCode::bad_input,
                        "cannot read from the terminal: " + std::generic_category().message(error));
}

/// Turns the terminal's echo off during its lifetime. Signals are only noted, and only in
/// wait_for_input(): a signal that arrived between two calls would otherwise not wake the next one.
class EchoOff {
  public:
    EchoOff() {
        struct sigaction action {};
        action.sa_handler = note_signal;
        sigemptyset(&action.sa_mask);
        arrived_signal = 0;
        sigset_t held_back;
        sigemptyset(&held_back);
        for (const int number : kSignals) {
            // A terminal call of this process in the background raises these two, which must
            // interrupt that call.
            if (number != SIGTTIN && number != SIGTTOU) sigaddset(&held_back, number);
        }
        ::sigprocmask(SIG_BLOCK, &held_back, &mask_before_);
        for (std::size_t i = 0; i < kSignals.size(); ++i) {
            ::sigaction(kSignals[i], nullptr, &signals_before_[i]);
            if (signals_before_[i].sa_handler == SIG_IGN) continue;  // ignored, as under nohup
            ::sigaction(kSignals[i], &action, nullptr);
        }
        if (::tcgetattr(STDIN_FILENO, &before_) != 0) {
            restore_signals();
            throw cannot_use(errno);
        }
        termios hidden = before_;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    EchoOff(const EchoOff&) = delete;
    EchoOff& operator=(const EchoOff&) = delete;
    ~EchoOff() {
        while (::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_) != 0 && errno == EINTR) {
        }
        restore_signals();
    }

    /// Returns false if a signal arrived first.
    bool wait_for_input() const {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        while (::ppoll(&input, 1, nullptr, &mask_before_) < 0) {
            if (errno != EINTR) throw cannot_use(errno);
            if (arrived_signal != 0) return false;
        }
        return true;
    }

  private:
    void restore_signals() {
        for (std::size_t i = 0; i < kSignals.size(); ++i) {
            ::sigaction(kSignals[i], &signals_before_[i], nullptr);
        }
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    }

    termios before_{};
    sigset_t mask_before_{};
    std::array<struct sigaction, kSignals.size()> signals_before_{};
};

/// Returns nothing if a signal arrived first.
std::optional<SecretText> read_line(const EchoOff& terminal) {
    SecretText line(kLineBytes);
    while (true) {
        if (!terminal.wait_for_input()) return std::nullopt;
        const ssize_t got =
            ::read(STDIN_FILENO, line.free_space().data(), line.free_space().size());
        if (got < 0 && errno == EINTR && arrived_signal != 0) return std::nullopt;
        if (got < 0 && errno != EINTR) throw cannot_use(errno);
        if (got == 0) {
            throw CommandError(ExitCode::bad_input, "no value was typed; nothing is changed");
        }
        if (got > 0) line.filled(static_cast<std::size_t>(got));
        if (line.characters().ends_with('\n')) break;
        if (line.free_space().empty()) break;
    }
    if (line.size() >= kLineBytes - 1) {
        throw CommandError(ExitCode::bad_input,
                           "a terminal accepts lines of at most " + std::to_string(kLineBytes - 2) +
                               " bytes, and this one may have been cut; give the value on standard "
                               "input or with --file");
    }
    SecretText text(line.size());
    text.append(line.characters().substr(0, line.size() - 1));
    return text;
}

}  // namespace

SecretText read_hidden_line(const std::string& prompt) {
    while (true) {
        std::optional<SecretText> line;
        {
            const EchoOff echo_off;
            std::cerr << prompt << std::flush;
            try {
                line = read_line(echo_off);
            } catch (...) {
                std::cerr << '\n';
                throw;
            }
            std::cerr << '\n';
        }
        if (line) return std::move(*line);
        // The terminal is restored, and the signal takes its default effect: it ends or stops this
        // process.
        ::raise(arrived_signal);
    }
}

}  // namespace secrets::ctl
