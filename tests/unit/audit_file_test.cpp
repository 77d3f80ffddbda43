// SPDX-License-Identifier: Apache-2.0
// Promise: a line that append() took is in the file in whole; one that it did not take is an error
// with the reason, and what comes after it begins a line of its own.

#include "agentd/audit/audit_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "tests/unit/catch.h"
#include "tests/unit/child.h"
#include "tests/unit/skip.h"
#include "tests/unit/small_disk.h"

namespace secrets::audit {
namespace {

std::string refusal_of(const std::string& path) {
    const auto trail = AuditFile::open(path);
    return trail.ok() ? "(opened)" : trail.status().message();
}

void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

TEST_CASE("AuditFile: creates a file of mode 0600 and appends at its end") {
    const TemporaryFolder folder;
    const std::string path = folder.file("audit");
    const mode_t before = umask(0);
    auto trail = AuditFile::open(path);
    umask(before);
    REQUIRE(trail.ok());
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    CHECK(trail->append("one\n").ok());
    auto second = AuditFile::open(path);
    REQUIRE(second.ok());
    CHECK(second->append("two\n").ok());
    CHECK(trail->append("three\n").ok());
    CHECK(content_of(path) == "one\ntwo\nthree\n");
}

TEST_CASE("AuditFile: rejects a path that is not a regular file") {
    const TemporaryFolder folder;
    write(folder.file("file"), "kept");
    std::filesystem::create_symlink(folder.file("file"), folder.file("link"));
    std::filesystem::create_symlink(folder.file("new"), folder.file("dangling"));
    mkfifo(folder.file("fifo").c_str(), 0600);
    const auto wrong = [&](const std::string& name) {
        return "cannot open the audit trail " + folder.file(name) + ": ";
    };
    const std::string link = "it is a symbolic link; name the file itself";
    CHECK(refusal_of(folder.file("link")) == wrong("link") + link);
    CHECK(refusal_of(folder.file("dangling")) == wrong("dangling") + link);
    CHECK(!std::filesystem::exists(folder.file("new")));
    CHECK(refusal_of(folder.file("fifo")) == wrong("fifo") + "it is not a regular file");
    CHECK(refusal_of(folder.path()) ==
          "cannot open the audit trail " + folder.path() + ": Is a directory");
    CHECK(refusal_of("/dev/null").ends_with("it is not a regular file"));
    CHECK(refusal_of(folder.file("none/audit")) ==
          wrong("none/audit") + "No such file or directory");
    CHECK(content_of(folder.file("file")) == "kept");
}

TEST_CASE("AuditFile: returns an error when it has no permission to open the file") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, to become another user");
    const TemporaryFolder folder;
    write(folder.file("audit"), "");
    std::filesystem::permissions(folder.file("audit"), std::filesystem::perms(0600));
    Child child([&] {
        if (!become_other_user()) return 1;
        return refusal_of(folder.file("audit")).ends_with("Permission denied") ? 0 : 2;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("AuditFile: returns an error on a full disk and ends a torn line before the next") {
    if (!SmallDisk::can_be_made()) SKIP_BECAUSE("needs root, to mount a small file system");
    const SmallDisk disk;
    const std::string path = disk.file("audit");
    auto trail = AuditFile::open(path);
    REQUIRE(trail.ok());
    const std::string line = std::string(99, 'x') + "\n";
    REQUIRE(trail->append(line).ok());
    disk.fill();
    std::size_t whole = 1;  // the rest of its page is the file's already
    Status failure;
    while ((failure = trail->append(line)).ok()) ++whole;
    CHECK(failure.message() ==
          "cannot write the audit trail " + path + ": No space left on device");
    CHECK_FALSE(trail->append(line).ok());
    CHECK_FALSE(trail->append(line).ok());
    const std::string torn = content_of(path);
    CHECK(torn.size() == 4096);

    SECTION("when the same object goes on writing") {
        disk.make_room();
        CHECK(trail->append("next\n").ok());
        CHECK(trail->append("last\n").ok());
    }
    SECTION("when a new object opens the file") {
        disk.make_room();
        auto other = AuditFile::open(path);
        REQUIRE(other.ok());
        CHECK(other->append("next\n").ok());
        CHECK(other->append("last\n").ok());
    }
    CHECK(content_of(path) == torn + "\nnext\nlast\n");
    CHECK(whole == 40);  // and 96 bytes of the next
}

TEST_CASE("AuditFile: returns an error when the file size limit is reached") {
    // The kernel's own limit on a file's size breaks off a write in its middle.
    const TemporaryFolder folder;
    Child child([&] {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit small{10, 10};
        auto trail = AuditFile::open(folder.file("audit"));
        if (!trail || !trail->append("123456\n").ok() || setrlimit(RLIMIT_FSIZE, &small) != 0)
            return 1;
        if (trail->append("abcdef\n").ok()) return 2;
        return trail->append("x\n").message().ends_with("File too large") ? 0 : 3;
    });
    CHECK(child.wait() == 0);
    CHECK(content_of(folder.file("audit")) == "123456\nabc");
}

}  // namespace
}  // namespace secrets::audit
