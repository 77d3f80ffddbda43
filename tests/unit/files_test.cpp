// SPDX-License-Identifier: Apache-2.0
// Promise: the files of a step are its user's alone, are whole when they can be seen, and nothing
// that is planted where they lie is followed.

#include "spank/files.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "agentd/auth/user_database.h"
#include "common/base/job_files.h"
#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/fake_users.h"
#include "tests/unit/skip.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::spank {
namespace {

namespace fs = std::filesystem;

constexpr JobId kJob{42};

DeliveryEntry file(std::string_view secret, std::string_view value) {
    return {"V_FILE", SecretView(std::as_bytes(std::span(value))), secret};
}

std::string content(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

struct stat status_of(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) FAIL(path << " is not there");
    return status;
}

std::vector<std::string> names_in(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) {
        names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// A node's directory for files, and alice's job.
struct Node {
    StepFiles step(std::uint32_t id = 0, Uid user = auth::uid_of("alice")) const {
        return StepFiles(all_jobs, kJob, StepId{id}, {user.value, user.value});
    }
    std::string written(std::vector<DeliveryEntry> entries) const {
        StepFiles files = step();
        const Status failure = files.write(entries);
        return !failure.ok() ? failure.message() : "";
    }

    TemporaryFolder folder;
    std::string all_jobs = folder.file("jobs");
    std::string job = all_jobs + "/42";
    uid_t alice = auth::uid_of("alice").value;
    uid_t bob = auth::uid_of("bob").value;
};

TEST_CASE("StepFiles: writes exact bytes into files that only the user of the job may read",
          "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    const std::string any_bytes("\0a\n\xff\0", 5);
    const std::string longest(kMaxValueBytes, 'x');
    StepFiles files = node.step(0xfffffffb);
    const std::vector entries = {file("KEY", any_bytes), file("my-key", ""), file("L", longest),
                                 DeliveryEntry{"VARIABLE", SecretView()}};
    REQUIRE(files.write(entries).ok());
    CHECK(files.path_of("KEY") == node.job + "/KEY.batch");
    CHECK(content(node.job + "/KEY.batch") == any_bytes);
    CHECK(content(node.job + "/L.batch") == longest);
    CHECK(names_in(node.job) == std::vector<std::string>{"KEY.batch", "L.batch", "my-key.batch"});
    CHECK((status_of(node.all_jobs).st_mode & 07777) == 0711);
    CHECK((status_of(node.job).st_mode & 07777) == 0570);
    CHECK(status_of(node.job).st_uid == node.alice);
    CHECK(status_of(node.job).st_gid == 0);
    for (const std::string& name : names_in(node.job)) {
        const auto status = status_of(node.job + "/" + name);
        CHECK((status.st_mode & 07777) == 0400);
        CHECK(status.st_uid == node.alice);
        CHECK(status.st_gid == node.alice);
    }
    files.remove();
    CHECK(names_in(node.job).empty());
}

TEST_CASE("StepFiles: gives the job directory the group of the directory of all jobs", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    REQUIRE(mkdir(node.all_jobs.c_str(), 0711) == 0);
    REQUIRE(chown(node.all_jobs.c_str(), node.bob, node.bob) == 0);
    CHECK(node.written({file("A", "a")}).empty());
    CHECK(status_of(node.job).st_gid == node.bob);
    CHECK(status_of(node.job).st_uid == node.alice);
}

TEST_CASE("StepFiles: creates no directory for a step without files", "[files]") {
    const Node node;
    CHECK(node.written({{"A", SecretView()}}).empty());
    CHECK_FALSE(fs::exists(node.all_jobs));
}

TEST_CASE("StepFiles: writes a repeated secret once and separate files for each step", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    StepFiles first = node.step(0);
    StepFiles second = node.step(1);
    REQUIRE(first.write(std::vector{file("A", "a"), file("A", "a")}).ok());
    REQUIRE(second.write(std::vector{file("A", "b")}).ok());
    CHECK(names_in(node.job) == std::vector<std::string>{"A.0", "A.1"});
    first.remove();
    CHECK(names_in(node.job) == std::vector<std::string>{"A.1"});
    CHECK(content(node.job + "/A.1") == "b");
}

TEST_CASE("StepFiles: replaces a symbolic link at the job directory without following it",
          "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    const std::string elsewhere = node.folder.file("elsewhere");
    REQUIRE(mkdir(node.all_jobs.c_str(), 0711) == 0);
    REQUIRE(mkdir(elsewhere.c_str(), 0700) == 0);
    fs::create_symlink(elsewhere, node.job);
    CHECK(node.written({file("A", "a")}).empty());
    CHECK(fs::is_empty(elsewhere));
    CHECK((status_of(elsewhere).st_mode & 07777) == 0700);
    CHECK(status_of(elsewhere).st_uid == 0);
    CHECK(S_ISDIR(status_of(node.job).st_mode));
    CHECK(content(node.job + "/A.0") == "a");
}

TEST_CASE("StepFiles: replaces a file or a foreign directory at the job directory", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    REQUIRE(mkdir(node.all_jobs.c_str(), 0711) == 0);
    std::ofstream(node.job) << "planted";
    CHECK(node.written({file("A", "a")}).empty());
    CHECK(content(node.job + "/A.0") == "a");

    fs::remove_all(node.job);
    REQUIRE(mkdir(node.job.c_str(), 0777) == 0);
    std::ofstream(node.job + "/planted") << "planted";
    REQUIRE(chown(node.job.c_str(), node.bob, node.bob) == 0);
    CHECK(node.written({file("A", "a")}).empty());
    CHECK(names_in(node.job) == std::vector<std::string>{"A.0"});
    CHECK(status_of(node.job).st_uid == node.alice);
    CHECK((status_of(node.job).st_mode & 07777) == 0570);
}

TEST_CASE("StepFiles: reports a foreign job directory that cannot be removed", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    fs::create_directories(node.job + "/deep/deeper");
    REQUIRE(chmod(node.all_jobs.c_str(), 0711) == 0);
    REQUIRE(chown(node.job.c_str(), node.bob, node.bob) == 0);
    CHECK(node.written({file("A", "a")}) ==
          "cannot remove " + node.job +
              ", which is not this job's directory: removing a file in the directory failed: "
              "Directory not empty");
    CHECK(names_in(node.job) == std::vector<std::string>{"deep"});
}

TEST_CASE("StepFiles: replaces a symbolic link at a file without following it", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    const std::string target = node.folder.file("target");
    std::ofstream(target) << "untouched";
    REQUIRE(node.written({file("A", "a")}).empty());
    fs::remove(node.job + "/A.0");
    fs::create_symlink(target, node.job + "/A.0");
    CHECK(node.written({file("A", "again")}).empty());
    CHECK(content(target) == "untouched");
    CHECK((status_of(target).st_mode & 07777) != 0400);
    CHECK(S_ISREG(status_of(node.job + "/A.0").st_mode));
    CHECK(content(node.job + "/A.0") == "again");
}

TEST_CASE("StepFiles: rejects a symbolic link at the temporary name of a file", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    const std::string target = node.folder.file("target");
    std::ofstream(target) << "untouched";
    REQUIRE(node.written({file("B", "b")}).empty());
    const std::string planted = node.job + "/.A.0." + std::to_string(getpid());
    for (const bool leads_somewhere : {true, false}) {
        fs::create_symlink(leads_somewhere ? target : target + "-new", planted);
        CHECK(node.written({file("A", "a")}) ==
              "cannot write the file of secret 'A': creating it failed: File exists");
        fs::remove(planted);
    }
    CHECK(content(target) == "untouched");
    CHECK_FALSE(fs::exists(target + "-new"));
    CHECK(names_in(node.job) == std::vector<std::string>{"B.0"});
}

TEST_CASE("StepFiles: leaves no file when one of them cannot be written", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    REQUIRE(node.written({file("X", "x")}).empty());
    fs::remove(node.job + "/X.0");
    fs::create_directories(node.job + "/B.0/planted");
    CHECK(node.written({file("A", "a"), file("B", "b")}) ==
          "cannot write the file of secret 'B': renaming it to " + node.job +
              "/B.0 failed: Is a directory");
    CHECK(names_in(node.job) == std::vector<std::string>{"B.0"});
}

TEST_CASE("StepFiles: rejects a directory of all jobs that others may write to", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    const Node node;
    REQUIRE(mkdir(node.all_jobs.c_str(), 0700) == 0);
    REQUIRE(chmod(node.all_jobs.c_str(), 01777) == 0);
    CHECK(node.written({file("A", "a")}) ==
          "the directory for job files, " + node.all_jobs +
              ", is writable by others than its owner; run: chmod 0711 " + node.all_jobs);
    REQUIRE(chmod(node.all_jobs.c_str(), 0711) == 0);
    const std::string link = node.folder.file("link");
    fs::create_symlink(node.all_jobs, link);
    StepFiles files(link, kJob, StepId{0}, {node.alice, node.alice});
    const Status failure = files.write(std::vector{file("A", "a")});
    REQUIRE_FALSE(failure.ok());
    CHECK(failure.message() ==
          "opening the directory for job files, " + link + ", failed: Not a directory");
    CHECK(names_in(node.all_jobs).empty());
}

TEST_CASE("StepFiles: writes the files of steps that start concurrently", "[files]") {
    if (geteuid() != 0) SKIP_BECAUSE("needs root, which alone can give files away");
    for (int round = 0; round < 20; ++round) {
        const Node node;
        std::vector<Status> failures(8);
        std::vector<StepFiles> steps;  // made here: looking up alice is no thread's business
        for (std::uint32_t id = 0; id < failures.size(); ++id) steps.push_back(node.step(id));
        std::vector<std::thread> threads;
        for (std::size_t id = 0; id < failures.size(); ++id) {
            threads.emplace_back(
                [&, id] { failures[id] = steps[id].write(std::vector{file("A", "a")}); });
        }
        for (std::thread& thread : threads) thread.join();
        for (const Status& failure : failures) CHECK(failure.message() == "");
        CHECK(names_in(node.job).size() == failures.size());
        CHECK(status_of(node.job).st_uid == node.alice);
        CHECK((status_of(node.job).st_mode & 07777) == 0570);
    }
}

TEST_CASE("Job file removal: deletes one level and follows no symbolic link", "[files]") {
    const TemporaryFolder folder;
    const std::string job = folder.file("42");
    const auto removed = [&] {
        const auto all_jobs = open_files_directory(folder.path());
        REQUIRE(all_jobs.ok());
        const auto result = remove_job_files(all_jobs->get(), kJob);
        return result ? std::string(*result ? "removed" : "nothing") : result.status().message();
    };
    CHECK(removed() == "nothing");
    fs::create_directory(folder.file("kept"));
    std::ofstream(folder.file("kept") + "/file") << "kept";
    fs::create_directories(job + "/empty");
    std::ofstream(job + "/A.0") << "a";
    fs::create_symlink(folder.file("kept"), job + "/link");
    fs::create_symlink(folder.file("kept") + "/file", job + "/link-to-file");
    CHECK(removed() == "removed");
    CHECK_FALSE(fs::exists(job));
    fs::create_symlink(folder.file("kept"), job);
    CHECK(removed() == "removed");
    CHECK_FALSE(fs::is_symlink(job));
    CHECK(content(folder.file("kept") + "/file") == "kept");
    fs::create_directories(job + "/deep/deeper");
    std::ofstream(job + "/A.0") << "a";
    CHECK(removed() == "removing a file in the directory failed: Directory not empty");
    CHECK_FALSE(fs::exists(job + "/A.0"));
}

}  // namespace
}  // namespace secrets::spank
