// SPDX-License-Identifier: Apache-2.0
// Promise: the agent finds the directories that jobs may have left, and removes no other.

#include "agentd/slurm/job_file_cleaner.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

namespace fs = std::filesystem;

TEST_CASE("JobFileCleaner: lists only directories named by a job id that are old enough") {
    const TemporaryFolder folder;
    slurm::JobFileCleaner files(folder.path());
    for (const char* name : {"7", "4294967295", "007", "4294967296", "-1", "7x", "x", ".7"}) {
        fs::create_directory(folder.file(name));
    }
    auto jobs = files.jobs(std::chrono::seconds(0));
    std::sort(jobs.begin(), jobs.end());
    CHECK(jobs == std::vector{JobId{7}, JobId{4294967295}});
    CHECK(files.jobs(std::chrono::seconds(60)).empty());
    CHECK(slurm::JobFileCleaner(folder.file("nowhere")).jobs(std::chrono::seconds(0)).empty());
}

TEST_CASE("JobFileCleaner: removes the files of an ended job and of no other") {
    service::keep_the_log_quiet();
    const TemporaryFolder folder;
    slurm::JobFileCleaner files(folder.path());
    for (const char* job : {"7", "8"}) {
        fs::create_directory(folder.file(job));
        std::ofstream(folder.file(job) + "/A.0") << "a";
    }
    files.remove(JobId{7});
    files.remove(JobId{9});
    CHECK_FALSE(fs::exists(folder.file("7")));
    CHECK(fs::exists(folder.file("8") + "/A.0"));
}

TEST_CASE("JobFileCleaner: never lists a directory again that it failed to remove") {
    service::keep_the_log_quiet();
    const TemporaryFolder folder;
    slurm::JobFileCleaner files(folder.path());
    fs::create_directories(folder.file("7") + "/deep/deeper");
    files.remove(JobId{7});
    CHECK(fs::exists(folder.file("7")));
    CHECK(files.jobs(std::chrono::seconds(0)).empty());
}

TEST_CASE("JobFileCleaner: ignores a directory of all jobs that others may write to") {
    service::keep_the_log_quiet();
    const TemporaryFolder folder;
    slurm::JobFileCleaner files(folder.path());
    fs::create_directory(folder.file("7"));
    REQUIRE(chmod(folder.path().c_str(), 01777) == 0);
    CHECK(files.jobs(std::chrono::seconds(0)).empty());
    files.remove(JobId{7});
    CHECK(fs::exists(folder.file("7")));
}

}  // namespace
}  // namespace secrets
