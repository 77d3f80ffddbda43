// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/hidden_line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <system_error>

#include "common/base/deadline.h"
#include "ctl/io/bracketed_paste.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

/// The longest line that a terminal accepts, newline included (N_TTY_BUF_SIZE); the kernel silently
/// drops the bytes after it.
constexpr std::size_t kLineBytes = 4096;

/// How long nothing may follow a line for it to be the only one. The pieces of a paste arrive some
/// tens of milliseconds apart over ssh.
constexpr std::chrono::milliseconds kQuiet(250);
/// The same within a paste of several lines: longer, since what comes later is read by the shell.
constexpr std::chrono::milliseconds kQuietAfterText(500);
/// How long the end of a bracketed paste is waited for if nothing arrives.
constexpr std::chrono::milliseconds kQuietInPaste(5000);
/// How long input that does not end is read and dropped.
constexpr std::chrono::seconds kMaxPaste(30);

constexpr std::array kSignals = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                 SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};

volatile sig_atomic_t arrived_signal = 0;

void note_signal(int signal) {
    arrived_signal = signal;
}

/// Matches the control characters but a tab.
bool is_control(char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

CommandError cannot_use(int error) {
    return CommandError(ExitCode::bad_input,
                        "cannot read from the terminal: " + std::generic_category().message(error));
}

/// Returns whether the terminal at standard error may be sent sequences that set a mode.
bool has_modes() {
    const char* kind = std::getenv("TERM");
    return kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb" &&
           ::isatty(STDERR_FILENO) != 0;
}

enum class Input { arrived, none, interrupted };

/// Turns the terminal's echo off and bracketed paste on during its lifetime. Signals are only
/// noted, and only in wait_for_input(): a signal that arrived between two calls would otherwise not
/// wake the next one.
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
        if (has_modes_) std::cerr << kPasteModeOn << std::flush;
    }
    EchoOff(const EchoOff&) = delete;
    EchoOff& operator=(const EchoOff&) = delete;
    ~EchoOff() {
        if (has_modes_) std::cerr << kPasteModeOff << std::flush;
        while (::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_) != 0 && errno == EINTR) {
        }
        restore_signals();
    }

    /// Makes input readable as soon as it arrives, not only when its line is complete.
    void read_incomplete_lines() const {
        termios at_once = before_;
        at_once.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON);
        at_once.c_cc[VMIN] = 1;
        at_once.c_cc[VTIME] = 0;
        ::tcsetattr(STDIN_FILENO, TCSANOW, &at_once);
    }

    /// Waits for input, without a limit if `most` is not given.
    Input wait_for_input(std::optional<std::chrono::milliseconds> most = {}) const {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        const Deadline end = Deadline::in(most.value_or(std::chrono::milliseconds(0)));
        while (true) {
            const int left = end.poll_milliseconds();
            const timespec limit{.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1'000'000L};
            const int ready = ::ppoll(&input, 1, most ? &limit : nullptr, &mask_before_);
            if (ready >= 0) return ready > 0 ? Input::arrived : Input::none;
            if (errno != EINTR) throw cannot_use(errno);
            if (arrived_signal != 0) return Input::interrupted;
        }
    }

  private:
    void restore_signals() {
        for (std::size_t i = 0; i < kSignals.size(); ++i) {
            ::sigaction(kSignals[i], &signals_before_[i], nullptr);
        }
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
    }

    const bool has_modes_ = has_modes();
    termios before_{};
    sigset_t mask_before_{};
    std::array<struct sigaction, kSignals.size()> signals_before_{};
};

/// Reads what arrives into the free space. Returns the number of bytes, 0 at the end of input;
/// nothing if a signal arrived first.
std::optional<std::size_t> read_some(SecretText& text) {
    while (true) {
        const ssize_t got =
            ::read(STDIN_FILENO, text.free_space().data(), text.free_space().size());
        if (got >= 0) {
            text.filled(static_cast<std::size_t>(got));
            return static_cast<std::size_t>(got);
        }
        if (errno != EINTR) throw cannot_use(errno);
        if (arrived_signal != 0) return std::nullopt;
    }
}

/// Reads to the first newline. Returns nothing if a signal arrived first.
std::optional<SecretText> read_to_newline(const EchoOff& terminal) {
    SecretText line(kLineBytes);
    while (!line.characters().ends_with('\n') && !line.free_space().empty()) {
        if (terminal.wait_for_input() == Input::interrupted) return std::nullopt;
        const auto got = read_some(line);
        if (!got) return std::nullopt;
        if (*got == 0) {
            throw CommandError(ExitCode::bad_input, "no value was typed; nothing is changed");
        }
    }
    return line;
}

/// Reads and drops what follows a line until nothing more arrives, and returns whether that was any
/// text; nothing if a signal arrived first. What was left unread, the shell would read.
std::optional<bool> drop_following(const EchoOff& terminal, bool is_in_paste) {
    terminal.read_incomplete_lines();
    SecretText text(kLineBytes);
    bool has_more = false;  // than the text that is in the buffer
    for (const Deadline end = Deadline::in(kMaxPaste); !end.passed();) {
        const Input input = terminal.wait_for_input(is_in_paste                   ? kQuietInPaste
                                                    : has_more || text.size() > 0 ? kQuietAfterText
                                                                                  : kQuiet);
        if (input == Input::interrupted) return std::nullopt;
        if (input == Input::none) break;
        const auto got = read_some(text);
        if (!got) return std::nullopt;
        if (*got == 0) break;
        is_in_paste = is_paste_open(text.characters(), is_in_paste);
        if (text.free_space().empty()) {
            has_more = true;
            text.cut_back_to(0);
        }
    }
    return has_more || without_paste_brackets(text.characters()).size() > 0;
}

/// Returns nothing if a signal arrived first.
std::optional<SecretText> read_line(const EchoOff& terminal) {
    const auto line = read_to_newline(terminal);
    if (!line) return std::nullopt;
    const auto is_followed = drop_following(terminal, is_paste_open(line->characters(), false));
    if (!is_followed) return std::nullopt;
    if (*is_followed) {
        throw CommandError(ExitCode::bad_input,
                           "several lines were pasted or typed at once; nothing is changed; give a "
                           "value of several lines on standard input or with --file");
    }
    if (line->size() >= kLineBytes - 1) {
        throw CommandError(ExitCode::bad_input,
                           "a terminal accepts lines of at most " + std::to_string(kLineBytes - 2) +
                               " bytes, and this one may have been cut; give the value on standard "
                               "input or with --file");
    }
    SecretText value = without_paste_brackets(line->characters().substr(0, line->size() - 1));
    if (std::any_of(value.characters().begin(), value.characters().end(), is_control)) {
        throw CommandError(ExitCode::bad_input,
                           "the typed value contains a control character, such as that of an arrow "
                           "key; nothing is changed; type it again, or give such a value on "
                           "standard input or with --file");
    }
    return value;
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
