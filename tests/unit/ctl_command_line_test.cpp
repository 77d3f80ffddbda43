// SPDX-License-Identifier: Apache-2.0
// Promise: secretctl's help and its sentences about a bad command line are the same with each
// version of CLI11.

#include <CLI/CLI.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "ctl/commands/command_line.h"
#include "tests/unit/catch.h"

namespace secrets::ctl {
namespace {

using Words = std::vector<std::string>;

/// Returns the help that the words ask for, or the sentence about what is wrong with them.
std::string answer_to(const Words& words) {
    CLI::App app;
    CommandLine line;
    describe(app, line);
    try {
        app.parse(Words(words.rbegin(), words.rend()));
    } catch (const CLI::Success& wanted) {
        std::ostringstream out;
        app.exit(wanted, out, out);
        return out.str();
    } catch (const CLI::ParseError& error) {
        return usage_sentence(app, error, words);
    }
    return "";
}

TEST_CASE("Help of secretctl: shows which arguments and options a command has") {
    CHECK(answer_to({"rm", "--help"}) ==
          "Remove secrets\n"
          "Usage: secretctl rm [OPTIONS] NAME...\n"
          "\n"
          "Positionals:\n"
          "  NAME ...                Their names\n"
          "\n"
          "Options:\n"
          "  -h,--help               Print this help message and exit\n"
          "  --workspace NAME        A workspace that you administer\n"
          "\n"
          "Examples:\n"
          "  secretctl rm HF_TOKEN\n"
          "  secretctl rm OLD_KEY OLDER_KEY --workspace lab\n");
    CHECK(answer_to({"pki", "--help"})
              .find("\n"
                    "Usage: secretctl pki [OPTIONS] SUBCOMMAND\n"
                    "\n"
                    "Options:\n"
                    "  -h,--help               Print this help message and "
                    "exit\n"
                    "\n"
                    "Commands:\n"
                    "  init                    Create a CA\n") != std::string::npos);
}

TEST_CASE("Help of secretctl: marks an argument of several words") {
    CHECK(answer_to({"exec", "--help"})
              .find("Usage: secretctl exec [OPTIONS] COMMAND...\n\nPositionals:\n"
                    "  COMMAND ...             The command, after --\n") != std::string::npos);
    CHECK(answer_to({"set", "--help"}).find("  NAME                    The secret's name\n") !=
          std::string::npos);
    CHECK(answer_to({"runs", "--help"}).find("Usage: secretctl runs [OPTIONS] [RUN]\n") !=
          std::string::npos);
}

TEST_CASE("Help of secretctl: shows which options belong together") {
    const std::string push = answer_to({"push", "--help"});
    CHECK(push.find("  --store FILE            Read Nextflow's store.json instead\n") !=
          std::string::npos);
    CHECK(push.find("  --remove Needs: --store Overwrite and remove the store after the push\n") !=
          std::string::npos);
    CHECK(answer_to({"pki", "issue", "--help"})
              .find("  --server Excludes: --client\n"
                    "                          For servers only\n") != std::string::npos);
}

TEST_CASE("Command line of secretctl: says what is wrong in words of its own") {
    const std::string push = "; see secretctl push --help";
    CHECK(answer_to({"push"}) == "RUN is required" + push);
    CHECK(answer_to({"push", "r", "--ttl"}) == "--ttl requires a value" + push);
    CHECK(answer_to({"push", "r", "--ttl", "1h", "--ttl", "2h"}) ==
          "--ttl may be given only once" + push);
    CHECK(answer_to({"exec", "--secret", "A", "--secret", "B", "--secret"}) ==
          "--secret requires a value; see secretctl exec --help");
    CHECK(answer_to({"push", "r", "--socket", "a", "--socket", "b"}) ==
          "--socket may be given only once" + push);
    CHECK(answer_to({"push", "r", "--scope", "x"}) == "--scope must be user or workspace" + push);
    CHECK(answer_to({"push", "r", "--remove"}) == "--remove requires --store" + push);
    CHECK(answer_to({"push", "r", "--from", "a", "--store", "b"}) ==
          "--from excludes --store" + push);
    CHECK(answer_to({"pki"}) == "A subcommand is required; see secretctl pki --help");
    CHECK(answer_to({"pki", "issue", "d", "n", "--days", "1", "--days", "2"}) ==
          "--days may be given only once; see secretctl pki issue --help");
}

TEST_CASE("Command line of secretctl: repeats no value that a flag was given") {
    CHECK(answer_to({"set", "NAME", "--keep-newline=hunter2"}) ==
          "an option that takes no value was given one; see secretctl set --help");
}

}  // namespace
}  // namespace secrets::ctl
