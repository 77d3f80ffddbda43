// Promise: a configuration is understood as it is documented, or refused with file, line and
// column.

#include "agentd/config.h"

#include <fstream>

#include "agentd/duration.h"
#include "spank/arguments.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

Result<Config> load(const std::string& text) {
    const TemporaryFolder folder;
    const std::string path = folder.file("agentd.yaml");
    std::ofstream(path) << text;
    auto config = load_config(path);
    if (config) return config;
    std::string sentence = config.error().sentence;
    if (sentence.starts_with(path)) sentence.erase(0, path.size() + 1);
    return Error{sentence};
}

TEST_CASE("an empty file is the defaults, and so is the file that is installed") {
    const auto empty = load("");
    REQUIRE(empty.ok());
    CHECK(empty->node_socket == "/run/slurm-secrets/node.sock");
    CHECK(empty->limits.value_bytes == 65536);
    CHECK(load("# nothing but a comment\n").ok());
}

TEST_CASE("every key is read") {
    const auto config = load(R"(
node_socket: /a/node.sock
control_socket: /a/control.sock
memory: { require_secretmem: true }
limits: { value_bytes: 10, run_bytes: 20, runs_per_owner: 3, total_bytes: 2097152 }
runs: { default_ttl: 90s, max_ttl: 2d }
platforms:
  - { name: tower, user: tower, users: [alice, bob], groups: [hpc] }
log: { level: debug, to: stderr }
)");
    REQUIRE(config.ok());
    CHECK(config->node_socket == "/a/node.sock");
    CHECK(config->control_socket == "/a/control.sock");
    CHECK(config->require_secretmem);
    CHECK(config->limits.value_bytes == 10);
    CHECK(config->limits.run_bytes == 20);
    CHECK(config->limits.runs_per_owner == 3);
    CHECK(config->limits.total_bytes == 2097152);
    CHECK(config->default_ttl == std::chrono::seconds(90));
    CHECK(config->max_ttl == std::chrono::hours(48));
    REQUIRE(config->platforms.size() == 1);
    CHECK(config->platforms[0].users == std::vector<std::string>{"alice", "bob"});
    CHECK(config->platforms[0].groups == std::vector<std::string>{"hpc"});
    CHECK(config->log_level == "debug");
    CHECK(config->log_target == LogTarget::standard_error);
}

TEST_CASE("what is wrong is refused with its line and column") {
    struct Case {
        std::string text;
        std::string sentence;
    };
    for (const Case& each : {
             Case{"node_sockets: /x\n", "1:1: the key 'node_sockets' is not known"},
             Case{"\nlimits:\n  value_byte: 1\n", "3:3: the key 'value_byte' is not known"},
             Case{"node_socket: relative\n", "1:14: 'relative' is not an absolute path"},
             Case{"node_socket: [a]\n", "1:14: a text is expected here"},
             Case{"limits: { value_bytes: 65537 }\n",
                  "1:24: '65537' is not a whole number from 1 to 65536"},
             Case{"limits: { value_bytes: -1 }\n", "is not a whole number"},
             Case{"limits: 3\n", "1:9: keys and values are expected here"},
             Case{"memory: { require_secretmem: maybe }\n", "'maybe' is neither true nor false"},
             Case{"runs: { default_ttl: soon }\n", "'soon' is not a duration"},
             Case{"runs: { default_ttl: 3d, max_ttl: 2d }\n", "longer than runs.max_ttl"},
             Case{"platforms: [{ name: x }]\n", "a platform needs the user it connects as"},
             Case{"platforms: { name: x }\n", "a list of platforms is expected here"},
             Case{"log: { level: loud }\n", "'loud' is not debug, info, warn or error"},
             Case{"log: { to: paper }\n", "'paper' is not auto, journal or stderr"},
             Case{"node_socket: /a\nnode_socket: /b\n", "2:1: the key 'node_socket' stands twice"},
             Case{"node_socket: [a\n", "2:1: end of sequence flow not found"},
             Case{"- a\n", "1:1: keys and values are expected here"},
         }) {
        CAPTURE(each.text);
        const auto config = load(each.text);
        REQUIRE_FALSE(config.ok());
        CAPTURE(config.error().sentence);
        CHECK(config.error().sentence.find(each.sentence) != std::string::npos);
    }
    CHECK(load_config("/no/such/file").error().sentence ==
          "the configuration /no/such/file can't be read");
}

TEST_CASE("durations are a number and a unit") {
    CHECK(*parse_duration("90s") == std::chrono::seconds(90));
    CHECK(*parse_duration("12h") == std::chrono::hours(12));
    CHECK(print_duration(std::chrono::hours(48)) == "2d");
    CHECK(print_duration(std::chrono::seconds(90)) == "90s");
    for (const char* wrong :
         {"", "s", "12", "1.5h", "-1h", "0s", "1w", " 1h", "3651d", "99999999999999999999s"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_duration(wrong).ok());
    }
}

TEST_CASE("the plugin's arguments are read, and a wrong one is said and leaves the rest") {
    const auto read = [](std::vector<std::string> texts, spank::Arguments& arguments) {
        std::vector<char*> values;
        for (std::string& text : texts) values.push_back(text.data());
        const auto wrong =
            spank::read_arguments(static_cast<int>(values.size()), values.data(), arguments);
        return wrong ? wrong->sentence : std::string();
    };
    spank::Arguments arguments;
    CHECK(read({"node_socket=/x", "timeout=3", "wait=0", "on_error=continue", "run_id_env=A,B"},
               arguments)
              .empty());
    CHECK(arguments.node_socket == "/x");
    CHECK(arguments.timeout == std::chrono::seconds(3));
    CHECK(arguments.wait == std::chrono::seconds(0));
    CHECK(arguments.on_error_continue);
    CHECK(arguments.run_id_variables == std::vector<std::string>{"A", "B"});
    for (const char* wrong : {"timeout", "timeout=", "timeout=x", "timeout=601", "node_socket=x",
                              "on_error=maybe", "colour=red", "run_id_env=A B"}) {
        spank::Arguments others;
        CAPTURE(wrong);
        CHECK(read({wrong}, others).starts_with("plugstack.conf: the argument '"));
        CHECK(others.node_socket == "/run/slurm-secrets/node.sock");
    }
}

}  // namespace
}  // namespace secrets
