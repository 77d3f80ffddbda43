// SPDX-License-Identifier: Apache-2.0
#include "ctl/pki/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <iostream>

#include "common/base/errno_status.h"
#include "common/base/unique_fd.h"
#include "ctl/client/answer.h"
#include "ctl/io/table.h"
#include "ctl/pki/pki_certificate.h"

namespace secrets::ctl::pki {
namespace {

constexpr mode_t kModeOfDirectory = 0700;
constexpr mode_t kModeOfKey = 0400;
constexpr mode_t kModeOfCertificate = 0444;

CommandError cannot_be_used(const std::string& sentence) {
    return CommandError(ExitCode::bad_input, sentence);
}

std::string file_in(const std::string& directory, const std::string& name) {
    return directory + (directory.ends_with('/') ? "" : "/") + name;
}

/// A new file, which must not exist before. The destructor removes the file unless keep() was
/// called.
class NewFile {
  public:
    NewFile(std::string path, const char* what_to_do)
        : path_(std::move(path)),
          fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kModeOfKey)) {
        if (!fd_ && errno == EEXIST) {
            throw CommandError(ExitCode::refused,
                               printable(path_) + " already exists; " + what_to_do);
        }
        if (!fd_) {
            throw cannot_be_used(errno_status("creating the file " + printable(path_)).message());
        }
    }
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    ~NewFile() {
        if (!kept_) ::unlink(path_.c_str());
    }

    int fd() const { return fd_.get(); }

    /// Throws if the file could not be written.
    void check(const Status& failure) {
        if (!failure.ok()) fail(failure);
    }

    /// Sets exactly this mode, whatever the umask is, and syncs the file to disk.
    void finish(mode_t mode) {
        if (::fchmod(fd_.get(), mode) != 0) fail(errno_status("fchmod()"));
        if (::fsync(fd_.get()) != 0) fail(errno_status("fsync()"));
    }

    void keep() { kept_ = true; }

  private:
    [[noreturn]] void fail(const Status& error) const {
        throw cannot_be_used("cannot write the file " + printable(path_) + ": " + error.message());
    }

    std::string path_;
    UniqueFd fd_;
    bool kept_ = false;
};

/// Writes both files of `name`, or neither if an error occurs.
void write_files(const Options& options, const std::string& name, const char* what_to_do,
                 const std::vector<const Identity*>& chain) {
    NewFile key(file_in(options.directory, name + ".key"), what_to_do);
    NewFile certificate(file_in(options.directory, name + ".crt"), what_to_do);
    key.check(write_key(key.fd(), *chain.front()));
    certificate.check(write_chain(certificate.fd(), chain));
    key.finish(kModeOfKey);
    certificate.finish(kModeOfCertificate);
    key.keep();
    certificate.keep();
}

UniqueFd open_to_read(const std::string& path, const std::string& directory) {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file) return file;
    if (errno == ENOENT || errno == ENOTDIR) {
        throw CommandError(ExitCode::refused,
                           printable(path) +
                               " does not exist; create a CA with: secretctl pki init " +
                               printable(directory));
    }
    throw cannot_be_used(errno_status("opening " + printable(path)).message());
}

void check_key_is_kept(const UniqueFd& file, const std::string& path) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        throw cannot_be_used(errno_status("fstat() of " + printable(path)).message());
    }
    if ((status.st_mode & 077) == 0) return;
    throw cannot_be_used(printable(path) +
                         " is readable by others than its owner, who could sign as this CA; "
                         "if none did, run: chmod 0400 " +
                         printable(path));
}

Identity read_ca(const std::string& directory) {
    const std::string key_path = file_in(directory, "ca.key");
    const std::string certificate_path = file_in(directory, "ca.crt");
    const UniqueFd key = open_to_read(key_path, directory);
    const UniqueFd certificate = open_to_read(certificate_path, directory);
    check_key_is_kept(key, key_path);
    Identity ca;
    if (const Status wrong = read_key(key.get(), ca); !wrong.ok()) {
        throw cannot_be_used(printable(key_path) + " " + wrong.message());
    }
    auto wrong = read_certificate(certificate.get(), ca);
    if (wrong.ok()) wrong = check_ca(ca);
    if (!wrong.ok()) throw cannot_be_used(printable(certificate_path) + " " + wrong.message());
    return ca;
}

int days_of(const std::string& text) {
    int days = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), days);
    if (error != std::errc() || end != text.data() + text.size() || days < 1 || days > kDaysOfCa) {
        throw cannot_be_used("--days must be a whole number from 1 to " +
                             std::to_string(kDaysOfCa));
    }
    return days;
}

std::vector<AltName> alt_names_of(const Options& options) {
    std::vector<AltName> names;
    const auto add = [&](const std::vector<std::string>& texts, auto parse) {
        for (const std::string& text : texts) {
            auto name = parse(text);
            if (!name) throw cannot_be_used(name.status().message());
            names.push_back(std::move(name).value());
        }
    };
    add(options.dns, parse_dns);
    add(options.ip, parse_ip);
    add(options.uri, parse_uri);
    if (names.empty()) add({options.name}, parse_dns);
    return names;
}

void say_json(const Options& options, const std::string& name, const Identity& made) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"key", file_in(options.directory, name + ".key")},
                                         {"certificate", file_in(options.directory, name + ".crt")},
                                         {"expires", end_of(made)}})
              << '\n';
}

}  // namespace

ExitCode init(const Options& options, bool json) {
    const auto ca = make_ca();
    if (!ca) throw cannot_be_used(ca.status().message());
    if (::mkdir(options.directory.c_str(), kModeOfDirectory) != 0 && errno != EEXIST) {
        throw cannot_be_used(
            errno_status("creating the directory " + printable(options.directory)).message());
    }
    write_files(options, "ca", "an existing CA is never replaced; name another directory",
                {&ca.value()});
    if (json) {
        say_json(options, "ca", *ca);
    } else {
        std::cout << "created a CA, valid until " << local_time(end_of(*ca)) << ": distribute "
                  << file_in(options.directory, "ca.crt") << ", and keep "
                  << file_in(options.directory, "ca.key") << " secret\n";
    }
    return ExitCode::fine;
}

ExitCode issue(const Options& options, bool json) {
    if (Status wrong = check_name(options.name); !wrong.ok()) throw cannot_be_used(wrong.message());
    const bool either = options.server || options.client;
    const Purpose purpose{options.name, alt_names_of(options), options.server || !either,
                          options.client || !either, days_of(options.days)};
    const Identity ca = read_ca(options.directory);
    const auto made = pki::issue(ca, purpose);
    if (!made) throw cannot_be_used(made.status().message());
    write_files(options, options.name,
                "move the .key and .crt of that name away, or issue another name",
                {&made.value(), &ca});
    if (json) {
        say_json(options, options.name, *made);
    } else {
        std::cout << "created " << file_in(options.directory, options.name)
                  << ".key and .crt, valid until " << local_time(end_of(*made)) << ", for "
                  << words_of(purpose.alt_names) << '\n';
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl::pki
