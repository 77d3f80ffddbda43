// SPDX-License-Identifier: Apache-2.0
// Promise: a key or a credential that others could read, or that is no such file, is not used, and
// it is said why.

#include "agentd/base/credential_file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

struct Written {
    std::string line(std::string_view content, mode_t mode = 0400, bool is_credential = false) {
        unlink(path.c_str());
        std::ofstream(path, std::ios::binary) << content;
        chmod(path.c_str(), mode);
        const auto line = read_private_line({path, is_credential}, "FILE");
        return line ? std::string(text_of(line->view().bytes())) : line.status().message();
    }

    TemporaryFolder folder;
    std::string path = folder.file("credential");
};

TEST_CASE("Credential file: reads one word without its newline and rejects anything else") {
    Written written;
    CHECK(written.line("word\n") == "word");
    CHECK(written.line("word") == "word");
    CHECK(written.line(std::string(4096, 'x')) == std::string(4096, 'x'));
    const std::string none = "cannot use FILE: expected one line without spaces";
    for (const std::string& content :
         {std::string(), std::string("\n"), std::string("two words"), std::string("a\nb\n"),
          std::string("a\n\n"), std::string("\0", 1), std::string(4097, 'x')}) {
        CAPTURE(content.size());
        CHECK(written.line(content) == none);
    }
}

TEST_CASE("Credential file: rejects a file open to others unless systemd provides it") {
    Written written;
    for (const mode_t mode : {0440U, 0404U, 0420U, 0410U}) {
        CAPTURE(mode);
        CHECK(written.line("word", mode) ==
              "cannot use FILE: other users than its owner may read it; run: chmod 0400 " +
                  written.path);
        CHECK(written.line("word", mode, true) == "word");
    }
}

TEST_CASE("Credential file: rejects a path that is not a regular file") {
    const TemporaryFolder folder;
    const std::string pipe = folder.file("pipe");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    for (const std::string& path : {pipe, folder.file("."), std::string("/dev/null")}) {
        const auto line = read_private_line({path, false}, "FILE");
        REQUIRE_FALSE(line);
        CHECK(line.status().message() == "cannot read FILE: it is not a regular file");
    }
    const auto line = read_private_line({folder.file("none"), false}, "FILE");
    CHECK(line.status().message() == "cannot open FILE: open() failed: No such file or directory");
}

TEST_CASE("Credential file: prefers a configured file to a systemd credential") {
    setenv("CREDENTIALS_DIRECTORY", "/credentials", 1);
    CHECK(credential_path("/file", "name", "key")->path == "/file");
    CHECK_FALSE(credential_path("/file", "name", "key")->is_credential);
    CHECK(credential_path("", "name", "key")->path == "/credentials/name");
    CHECK(credential_path("", "name", "key")->is_credential);
    unsetenv("CREDENTIALS_DIRECTORY");
    CHECK(credential_path("", "name", "key").status().message() ==
          "set key in the configuration, or give the unit the credential name "
          "(LoadCredentialEncrypted=)");
}

}  // namespace
}  // namespace secrets
