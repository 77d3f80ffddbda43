// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/job_commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <optional>

#include "common/base/errno_status.h"
#include "common/base/secret_spec.h"
#include "common/base/unique_fd.h"
#include "ctl/client/exec_marker.h"
#include "ctl/client/job_values.h"
#include "ctl/client/secret_paths.h"

namespace secrets::ctl {
namespace {

CommandError unusable(const std::string& sentence) {
    return CommandError(ExitCode::bad_input, sentence);
}

void write_whole(int fd, std::span<const std::byte> bytes, const std::string& where) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) throw unusable(errno_status("cannot write to " + where).message());
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

/// Joins the items, each of which is checked, as one spec.
std::string spec_of(const std::vector<std::string>& items) {
    std::string spec;
    for (const std::string& item : items) {
        if (item.empty()) {
            throw unusable(
                "--secret names no secret: its text is empty; leave the option out for all that "
                "the job requested");
        }
        if (item.find('=') == item.npos && item.find_first_of(" \t\n") != item.npos)
            throw unusable(value_as_argument_sentence());
        spec += (spec.empty() ? "" : ",") + item;
    }
    if (spec.empty()) return spec;
    const auto parsed = parse_spec(spec);
    if (const SpecError* error = parsed.error())
        throw unusable("--secret: " + error->message + "\n" + mark_place(spec, *error));
    return spec;
}

void set_variable(std::string_view variable, const char* value) {
    if (::setenv(std::string(variable).c_str(), value, 1) != 0)
        throw unusable(errno_status("cannot set a variable of the command").message());
}

constexpr int kFirstFile = 100;

/// Puts a value into memory that the command inherits as a file, and returns the file's path. It
/// ends with the last process that has it open.
std::string make_file(const DeliveryEntry& entry) {
    const UniqueFd file(::memfd_create(std::string(entry.secret).c_str(), MFD_ALLOW_SEALING));
    if (!file) throw unusable(errno_status("cannot make a file of a secret").message());
    write_whole(file.get(), entry.value.bytes(), "a file of a secret");
    constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    // Programs refuse a key that others than the user may read.
    if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0 || ::fchmod(file.get(), 0400) != 0 ||
        ::lseek(file.get(), 0, SEEK_SET) != 0)
        throw unusable(errno_status("cannot make a file of a secret").message());
    // By the process's own number, so that the path is right for what the command starts, too.
    // Shell scripts use the low descriptors.
    const int kept = ::fcntl(file.get(), F_DUPFD, kFirstFile);
    if (kept < 0) throw unusable(errno_status("cannot make a file of a secret").message());
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(kept);
}

/// Puts the values into the environment, and keyed hashes of them into the marker.
void give(std::span<const DeliveryEntry> entries) {
    std::vector<std::string> paths(entries.size());
    std::vector<ExecVariable> given;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const DeliveryEntry& entry = entries[i];
        if (entry.is_file()) {
            paths[i] = make_file(entry);
            given.push_back({entry.variable, paths[i], entry.value.bytes(), true});
        } else {
            const auto bytes = entry.value.bytes();
            given.push_back(
                {entry.variable, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
        }
        set_variable(entry.variable, given.back().value.data());
    }
    const char* const text = ::getenv(kMarkerVariable);
    auto marker = text != nullptr ? parse_marker(text) : std::nullopt;
    // A shell that was attached to the job has none.
    if (!marker && !make_random(marker.emplace().key))
        throw unusable(errno_status("cannot make a marker: no random bytes").message());
    add_given(*marker, given);
    set_variable(kMarkerVariable, print_marker(*marker).c_str());
}

}  // namespace

ExitCode JobCommands::get(const GetOptions& options) const {
    require_secret_name(options.name);
    const bool is_terminal = ::isatty(STDOUT_FILENO) != 0;
    if (is_terminal && !options.show) {
        throw unusable(
            "cannot write a value to a terminal without --show; pass it on instead: "
            "secretctl get " +
            options.name + " | COMMAND, or secretctl exec --secret " + options.name +
            " -- COMMAND");
    }
    const JobValues values = JobValues::read(job_socket_, options.name + "=VALUE:file");
    if (values.entries().size() != 1)
        throw CommandError(ExitCode::refused,
                           "cannot read secrets of this job: the agent sent no value");
    const auto bytes = values.entries().front().value.bytes();
    write_whole(STDOUT_FILENO, bytes, "standard output");
    const bool ends_line = !bytes.empty() && bytes.back() == std::byte{'\n'};
    if (is_terminal && !ends_line)
        write_whole(STDOUT_FILENO, std::as_bytes(std::span("\n", 1)), "standard output");
    return ExitCode::fine;
}

ExitCode JobCommands::exec(const ExecOptions& options) const {
    if (options.command.empty())
        throw unusable("name a command after --; see secretctl exec --help");
    const JobValues values = JobValues::read(job_socket_, spec_of(options.items));
    if (!values.note().empty()) std::cerr << "secretctl: " << values.note() << "\n";
    give(values.entries());
    std::vector<char*> arguments;
    arguments.reserve(options.command.size() + 1);
    for (const std::string& word : options.command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::setrlimit(RLIMIT_CORE, &core_limit_);
    ::execvp(arguments.front(), arguments.data());
    const ExitCode code = errno == ENOENT ? ExitCode::no_command : ExitCode::not_executable;
    throw CommandError(code, "cannot run " + options.command.front() + ": " + ::strerror(errno));
}

}  // namespace secrets::ctl
