// SPDX-License-Identifier: Apache-2.0
#include "spank/command_line.h"

#include <initializer_list>
#include <string>
#include <vector>

#include "tests/unit/catch.h"

namespace secrets::spank {
namespace {

std::string line(std::initializer_list<const char*> arguments) {
    std::string bytes;
    for (const char* argument : arguments) bytes.append(argument).push_back('\0');
    return bytes;
}

std::vector<std::string> texts(std::span<const std::string_view> arguments) {
    return {arguments.begin(), arguments.end()};
}

using Texts = std::vector<std::string>;

TEST_CASE("CommandLine: ends the options where Slurm read to") {
    CommandLine command(line({"sbatch", "-n", "1", "job.sh", "--export-file=x", ":", "y"}));
    command.set_parsed(3);
    CHECK(texts(command.options()) == Texts{"-n", "1"});
    CHECK(command.following().empty());
    command.next_component(false);
    command.set_parsed(3);
    CHECK(texts(command.options()) == Texts{"-n", "1"});
}

TEST_CASE("CommandLine: goes on to the components of a heterogeneous job") {
    CommandLine command(
        line({"sbatch", "-n1", "--secret=A", ":", "-n2", ":", "-n3", "job.sh", "x"}));
    command.set_parsed(3);
    CHECK(texts(command.options()) == Texts{"-n1", "--secret=A"});
    const auto following = command.following();
    REQUIRE(following.size() == 2);
    CHECK(texts(following[0]) == Texts{"-n2"});
    CHECK(texts(following[1]) == Texts{"-n3", "job.sh", "x"});
    command.next_component(false);
    command.set_parsed(2);
    CHECK(texts(command.options()) == Texts{"-n2"});
    command.next_component(false);
    command.set_parsed(2);
    CHECK(texts(command.options()) == Texts{"-n3"});
}

TEST_CASE("CommandLine: finds srun's next component after a command") {
    CommandLine command(line({"srun", "-n1", "true", "a", ":", "-n2", "false"}));
    command.set_parsed(2);
    command.next_component(true);
    command.set_parsed(2);
    CHECK(texts(command.options()) == Texts{"-n2"});
}

TEST_CASE("CommandLine: bears any number that Slurm may report") {
    for (const int parsed : {-1, 0, 1, 2, 3, 100, 2147483647}) {
        CAPTURE(parsed);
        CommandLine command(line({"srun", "true"}));
        command.set_parsed(parsed);
        CHECK(command.options().size() <= 1);
        command.next_component(true);
        command.set_parsed(parsed);
        CHECK(command.options().size() <= 1);
    }
    CommandLine nothing{std::string()};
    nothing.set_parsed(1);
    CHECK(nothing.options().empty());
}

TEST_CASE("CommandLine: reads this process's own") {
    CHECK_FALSE(CommandLine::read().arguments().empty());
}

TEST_CASE("CommandLine: finds an option in full and shortened, and its last value") {
    const std::vector<std::string_view> options = {"--export-fi=x", "--het-group", "1",
                                                   "--het-group=2", "--export=ALL"};
    CHECK(has_option(options, "--export-file", 10));
    CHECK_FALSE(has_option(std::span(options).subspan(1), "--export-file", 10));
    CHECK(option_value(options, "--het-group") == "2");
    CHECK(option_value(std::span(options).first(3), "--het-group") == "1");
    CHECK(option_value(options, "--het").empty());
    CHECK(option_value(std::span(options).first(2), "--het-group").empty());
}

}  // namespace
}  // namespace secrets::spank
