// SPDX-License-Identifier: Apache-2.0
// Promise: a configuration is understood as it is documented, or refused with file, line and
// column.

#include "agentd/config/config.h"

#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

StatusOr<Config> load(const std::string& text) {
    const TemporaryFolder folder;
    const std::string path = folder.file("agentd.yaml");
    std::ofstream(path) << text;
    auto config = load_config(path);
    if (config) return config;
    std::string sentence = config.status().message();
    if (sentence.starts_with(path)) sentence.erase(0, path.size() + 1);
    return Status::failed(sentence);
}

void check_is_default(const Config& config) {
    CHECK(config.node_socket == "/run/slurm-secrets/node.sock");
    CHECK(config.job_socket == "/run/slurm-secrets/job.sock");
    CHECK(config.control_socket == "/run/slurm-secrets/control.sock");
    CHECK(config.files_directory == "/run/slurm-secrets/jobs");
    CHECK(config.view_socket == "/run/slurm-secrets-view/view.sock");
    CHECK_FALSE(config.require_secretmem);
    CHECK_FALSE(config.force_memfd);
    CHECK(config.limits.value_bytes == 65536);
    CHECK(config.limits.run_bytes == 1048576);
    CHECK(config.limits.runs_per_owner == 1000);
    CHECK(config.limits.runs_per_platform == 100000);
    CHECK(config.limits.total_bytes == 1073741824);
    CHECK(config.limits.bytes_per_owner == 268435456);
    CHECK(config.default_ttl == std::chrono::hours(24));
    CHECK(config.max_ttl == std::chrono::hours(30 * 24));
    CHECK(config.reaper_interval == std::chrono::minutes(1));
    CHECK(config.slurm_accounts_interval == std::chrono::minutes(1));
    CHECK(config.log_level == "info");
    CHECK(config.log_target == LogTarget::automatic);
    CHECK(config.audit_file.empty());
}

/// What is wrong with the text, after the file's name.
std::string refusal_of(const std::string& text) {
    const auto config = load(text);
    return config ? "(read)" : config.status().message();
}

TEST_CASE("Config: uses the defaults for an empty file") {
    for (const char* text : {"", "# nothing but a comment\n", "---\n", "{}\n"}) {
        const auto config = load(text);
        REQUIRE(config.ok());
        check_is_default(*config);
        CHECK(config->platforms.empty());
    }
}

TEST_CASE("Config: installed agentd.yaml shows the defaults and changes none") {
    const std::string path = SOURCE_FOLDER "/etc/agentd.yaml";
    const auto installed = load_config(path);
    if (!installed) FAIL(installed.status().message());
    check_is_default(*installed);
    CHECK(installed->platforms.empty());

    // A line of settings has no space behind its '#', or two and more; a comment has one.
    std::ifstream file(path);
    std::string settings;
    for (std::string line; std::getline(file, line);) {
        if (line.size() < 2 || line[0] != '#') continue;
        if (line[1] != ' ' || line[2] == ' ') settings += line.substr(1) + "\n";
    }
    // A hub is no node of one.
    const std::size_t hub = settings.find("\nhub:\n") + 1;
    const std::size_t behind = settings.find("\nlog:\n") + 1;
    REQUIRE(hub < behind);
    const auto node = load(settings.substr(hub, behind - hub));
    if (!node) FAIL(node.status().message());
    CHECK(node->hub.urls.size() == 1);
    settings.erase(hub, behind - hub);
    // A store is a file or openbao.
    const std::size_t in_file = settings.find("\n  file: /var/lib") + 1;
    const std::size_t in_openbao = settings.find("\n  openbao:\n") + 1;
    REQUIRE(in_file < in_openbao);
    const auto shared = load(std::string(settings).erase(in_file, in_openbao - in_file));
    if (!shared) FAIL(shared.status().message());
    CHECK(shared->openbao.urls.size() == 2);
    CHECK_FALSE(shared->openbao.secret_id_file.empty());
    settings.erase(in_openbao, settings.find("\nlisten:\n") + 1 - in_openbao);
    const auto shown = load(settings);
    if (!shown) FAIL(shown.status().message());
    check_is_default(*shown);
    REQUIRE(shown->platforms.size() == 1);
    CHECK(shown->platforms[0].name == "tower");
    CHECK(shown->platforms[0].certificate == "tower.example.org");
    CHECK(shown->listen.host == "0.0.0.0");
    for (const char* key : {"node_socket",
                            "job_socket",
                            "control_socket",
                            "files_directory",
                            "view_socket",
                            "require_secretmem",
                            "force_memfd",
                            "value_bytes",
                            "run_bytes",
                            "runs_per_owner",
                            "bytes_per_owner",
                            "runs_per_platform",
                            "total_bytes",
                            "default_ttl",
                            "max_ttl",
                            "interval",
                            "level",
                            "to",
                            "file",
                            "users",
                            "groups",
                            "accounts",
                            "slurm_accounts",
                            "address",
                            "certificate",
                            "key",
                            "client_ca",
                            "agents"}) {
        CAPTURE(key);
        CHECK(settings.find(std::string(key) + ":") != std::string::npos);
    }
}

TEST_CASE("Config: reads general keys as written") {
    const auto config = load(R"(
node_socket: /a/node.sock
job_socket: /a/job.sock
control_socket: /a/control.sock
files_directory: /a/jobs
view_socket: /a/view.sock
memory: { require_secretmem: true }
limits: { value_bytes: 10, run_bytes: 20, runs_per_owner: 3, bytes_per_owner: 5, runs_per_platform: 4, total_bytes: 2097152 }
runs: { default_ttl: 90s, max_ttl: 2d }
reaper: { interval: 5s }
platforms:
  - { name: tower, user: tower, users: [alice, bob], groups: [hpc] }
log: { level: debug, to: stderr }
audit: { file: /a/audit.jsonl }
)");
    REQUIRE(config.ok());
    CHECK(config->node_socket == "/a/node.sock");
    CHECK(config->job_socket == "/a/job.sock");
    CHECK(config->control_socket == "/a/control.sock");
    CHECK(config->files_directory == "/a/jobs");
    CHECK(config->view_socket == "/a/view.sock");
    CHECK(config->require_secretmem);
    CHECK(config->limits.value_bytes == 10);
    CHECK(config->limits.run_bytes == 20);
    CHECK(config->limits.runs_per_owner == 3);
    CHECK(config->limits.bytes_per_owner == 5);
    CHECK(config->limits.runs_per_platform == 4);
    CHECK(config->limits.total_bytes == 2097152);
    CHECK(config->default_ttl == std::chrono::seconds(90));
    CHECK(config->max_ttl == std::chrono::hours(48));
    CHECK(config->reaper_interval == std::chrono::seconds(5));
    REQUIRE(config->platforms.size() == 1);
    CHECK(config->platforms[0].users == std::vector<std::string>{"alice", "bob"});
    CHECK(config->platforms[0].groups == std::vector<std::string>{"hpc"});
    CHECK(config->log_level == "debug");
    CHECK(config->log_target == LogTarget::standard_error);
    CHECK(config->audit_file == "/a/audit.jsonl");
}

TEST_CASE("Config: gives one owner a quarter of the memory unless the file says otherwise") {
    const auto config = parse_config("limits: { total_bytes: 8388608 }\n", "agentd.yaml");
    REQUIRE(config.ok());
    CHECK(config->limits.bytes_per_owner == 2097152);
    CHECK(config->limits.body_bytes() + config->limits.slab_bytes() == 8388608);
}

TEST_CASE("Config: rejects invalid content with its line and column") {
    struct Case {
        std::string text;
        std::string sentence;
    };
    for (const Case& each : {
             Case{"node_sockets: /x\n", "1:1: unknown key 'node_sockets'"},
             Case{"\nlimits:\n  value_byte: 1\n", "3:3: unknown key 'value_byte'"},
             Case{"node_socket: relative\n", "1:14: 'relative' is not an absolute path"},
             Case{"node_socket: [a]\n", "1:14: expected a text value"},
             Case{"limits: { value_bytes: 65537 }\n",
                  "1:24: invalid value '65537'; expected a whole number from 1 to 65536"},
             Case{"limits: { value_bytes: -1 }\n", "expected a whole number"},
             Case{"limits: 3\n", "1:9: expected keys and values"},
             Case{"memory: { require_secretmem: maybe }\n",
                  "invalid value 'maybe'; expected true or false"},
             Case{"runs: { default_ttl: soon }\n", "invalid duration 'soon'"},
             Case{"runs: { default_ttl: 3d, max_ttl: 2d }\n", "longer than runs.max_ttl"},
             Case{"platforms: [{ name: x }]\n",
                  "a platform needs a user (the account it connects as)"},
             Case{"platforms: { name: x }\n", "expected a list of platforms"},
             Case{"log: { level: loud }\n",
                  "invalid log level 'loud'; expected one of: debug, info, warn, error"},
             Case{"log: { to: paper }\n",
                  "invalid log target 'paper'; expected one of: auto, journal, stderr"},
             Case{"node_socket: /a\nnode_socket: /b\n", "2:1: duplicate key 'node_socket'"},
             Case{"node_socket: [a\n", "2:1: end of sequence flow not found"},
             Case{"- a\n", "1:1: expected keys and values"},
         }) {
        CAPTURE(each.text);
        const auto config = load(each.text);
        REQUIRE_FALSE(config.ok());
        CAPTURE(config.status().message());
        CHECK(config.status().message().find(each.sentence) != std::string::npos);
    }
    CHECK(load_config("/no/such/file").status().message() ==
          "cannot read the configuration /no/such/file: No such file or directory");
    // Not the defaults, as if it were empty.
    const TemporaryFolder folder;
    const auto of_a_folder = load_config(folder.file(""));
    REQUIRE_FALSE(of_a_folder.ok());
    CHECK(of_a_folder.status().message().starts_with("cannot read the configuration "));
    // What the parser quotes of the file is made printable.
    CHECK(refusal_of("a: \"\\\x01\"").find("unknown escape character: ?") != std::string::npos);
}

TEST_CASE("Config: rejects a value of the wrong type with its position") {
    struct Row {
        const char* text;
        const char* sentence;
    };
    for (const Row& row : {
             Row{"node_socket:\n", "1:1: key 'node_socket' has no value"},
             Row{"control_socket: { a: b }\n", "1:17: expected a text value"},
             Row{"memory: true\n", "1:9: expected keys and values"},
             Row{"memory:\n", "1:1: key 'memory' has no value"},
             Row{"memory: { require_secretmem: [true] }\n", "1:30: expected a text value"},
             Row{"memory: { require_secretmem: yes }\n",
                 "1:30: invalid value 'yes'; expected true or false"},
             Row{"log:\n  level:\n  to: stderr\n", "2:3: key 'level' has no value"},
             Row{"limits: [1]\n", "1:9: expected keys and values"},
             Row{"limits: { run_bytes: 1MiB }\n",
                 "1:22: invalid value '1MiB'; expected a whole number from 1 to 67108864"},
             Row{"limits: { run_bytes: [1] }\n", "1:22: expected a text value"},
             Row{"runs: 1h\n", "1:7: expected keys and values"},
             Row{"runs: { max_ttl: 12 }\n",
                 "1:18: invalid duration '12'; expected a number and s, m, h or d, as in 12h"},
             Row{"runs: { max_ttl: [12h] }\n", "1:18: expected a text value"},
             Row{"reaper: 1m\n", "1:9: expected keys and values"},
             Row{"reaper: { interval: 0s }\n",
                 "1:21: duration '0s' is too short; the minimum is 1s"},
             Row{"platforms: tower\n", "1:12: expected a list of platforms"},
             Row{"platforms: [tower]\n", "1:13: expected keys and values"},
             Row{"platforms: [{ name: x, user: y, users: alice }]\n",
                 "1:40: expected a list, as in [alice, bob]"},
             Row{"platforms: [{ name: x, user: y, groups: [[a]] }]\n",
                 "1:42: expected a text value"},
             Row{"platforms: [{ user: y }]\n", "1:13: a platform needs a name"},
             Row{"platforms: [{ name: x }]\n",
                 "1:13: a platform needs a user (the account it connects as) or a certificate (the "
                 "name in its certificate)"},
             Row{"log: info\n", "1:6: expected keys and values"},
             Row{"log: { level: INFO }\n",
                 "1:15: invalid log level 'INFO'; expected one of: debug, info, warn, error"},
             Row{"log: { to: [stderr] }\n", "1:12: expected a text value"},
             Row{"a text\n", "1:1: expected keys and values"},
             Row{"? [a]\n: b\n", "1:3: expected a text value"},
         }) {
        CAPTURE(row.text);
        CHECK(refusal_of(row.text) == row.sentence);
    }
}

TEST_CASE("Config: rejects an unknown key at every depth and lists the accepted keys") {
    CHECK(refusal_of("Log: {}\n") ==
          "1:1: unknown key 'Log'; expected one of: node_socket, job_socket, control_socket, "
          "files_directory, view_socket, memory, limits, runs, reaper, slurm_accounts, "
          "platforms, workspaces, store, listen, hub, log, audit");
    CHECK(refusal_of("memory:\n  require: true\n") ==
          "2:3: unknown key 'require'; expected one of: require_secretmem, force_memfd");
    CHECK(refusal_of("limits: { bytes: 1 }\n") ==
          "1:11: unknown key 'bytes'; expected one of: value_bytes, run_bytes, "
          "runs_per_owner, bytes_per_owner, runs_per_platform, total_bytes, kept_secrets, "
          "kept_bytes, store_bytes");
    CHECK(refusal_of("runs:\n  ttl: 1h\n") ==
          "2:3: unknown key 'ttl'; expected one of: default_ttl, max_ttl");
    CHECK(refusal_of("reaper: { every: 1m }\n") ==
          "1:11: unknown key 'every'; expected one of: interval");
    CHECK(refusal_of("platforms:\n  - name: x\n    user: y\n    members: [z]\n") ==
          "4:5: unknown key 'members'; expected one of: name, user, users, groups, "
          "certificate");
    CHECK(refusal_of("log: { file: /x }\n") ==
          "1:8: unknown key 'file'; expected one of: level, to");
}

TEST_CASE("Config: rejects a duplicate key at every depth") {
    CHECK(refusal_of("log: {}\nlog: {}\n") == "2:1: duplicate key 'log'");
    CHECK(refusal_of("limits:\n  run_bytes: 1\n  run_bytes: 1\n") ==
          "3:3: duplicate key 'run_bytes'");
    CHECK(refusal_of("platforms: [{ name: x, user: y, name: x }]\n") ==
          "1:33: duplicate key 'name'");
}

TEST_CASE("Config: rejects require_secretmem together with force_memfd") {
    CHECK(load("memory: { force_memfd: true }\n")->force_memfd);
    CHECK(refusal_of("memory: { require_secretmem: true, force_memfd: true }\n") ==
          "1:9: memory.require_secretmem and memory.force_memfd are mutually exclusive");
}

TEST_CASE("Config: names the changed keys that require a restart") {
    const Config running;
    Config wanted;
    wanted.limits.total_bytes = 1;
    wanted.log_level = "debug";
    CHECK(needs_restart(running, wanted).empty());
    wanted.node_socket = wanted.job_socket = wanted.control_socket = "/x";
    wanted.force_memfd = true;
    wanted.files_directory = "/x";
    CHECK(needs_restart(running, wanted) ==
          "node_socket, job_socket, control_socket, files_directory, memory");
    wanted = running;
    wanted.listen.login_hosts = {"login"};
    CHECK(needs_restart(running, wanted).empty());
    wanted.listen.agents = "x";
    CHECK(needs_restart(running, wanted) == "listen.agents");
    wanted = running;
    wanted.require_secretmem = true;
    CHECK(needs_restart(running, wanted) == "memory");
}

TEST_CASE("Config: enforces the exact bounds of each limit") {
    struct Row {
        std::string key;
        std::string least;
        std::string most;
        std::string below;
        std::string above;
    };
    for (const Row& row : {
             Row{"value_bytes", "1", "65536", "0", "65537"},
             Row{"run_bytes", "1", "67108864", "0", "67108865"},
             Row{"runs_per_owner", "1", "1000000", "0", "1000001"},
             Row{"bytes_per_owner", "1", "1099511627776", "0", "1099511627777"},
             Row{"runs_per_platform", "1", "10000000", "0", "10000001"},
             Row{"total_bytes", "1048576", "1099511627776", "1048575", "1099511627777"},
         }) {
        const auto with = [&](const std::string& number) {
            return refusal_of("limits: { " + row.key + ": " + number + " }\n");
        };
        CHECK(with(row.least) == "(read)");
        CHECK(with(row.most) == "(read)");
        CHECK(with("\"" + row.most + "\"") == "(read)");
        const std::string place = "1:" + std::to_string(13 + row.key.size()) + ": ";
        for (const std::string& number :
             {row.below, row.above, std::string("-1"), std::string("+1"), std::string("0x10"),
              std::string("1e3"), std::string("1.0"), std::string("''"),
              std::string("99999999999999999999")}) {
            CAPTURE(number);
            CHECK(with(number) ==
                  place + "invalid value " + (number == "''" ? "''" : "'" + number + "'") +
                      "; expected a whole number from " + row.least + " to " + row.most);
        }
    }
}

TEST_CASE("Config: rejects a default_ttl above max_ttl whichever of them is configured") {
    CHECK(refusal_of("runs: { max_ttl: 24h }\n") == "(read)");
    CHECK(refusal_of("runs: { default_ttl: 30d }\n") == "(read)");
    CHECK(refusal_of("runs: { max_ttl: 23h }\n") ==
          "1:7: runs.default_ttl is longer than runs.max_ttl");
    CHECK(refusal_of("runs: { default_ttl: 31d }\n") ==
          "1:7: runs.default_ttl is longer than runs.max_ttl");
    CHECK(refusal_of("runs: { max_ttl: 1h, default_ttl: 1h }\n") == "(read)");
}

TEST_CASE("Config: requires an absolute socket path that fits into a socket address") {
    for (const std::string key : {"node_socket", "control_socket", "view_socket"}) {
        const std::string longest = "/" + std::string(106, 's');
        CHECK(refusal_of(key + ": " + longest + "\n") == "(read)");
        const std::string place = "1:" + std::to_string(key.size() + 3) + ": ";
        CHECK(refusal_of(key + ": " + longest + "s\n") ==
              place + "socket path is too long; the limit is 107 characters");
        CHECK(refusal_of(key + ": run/x.sock\n") == place + "'run/x.sock' is not an absolute path");
        CHECK(refusal_of(key + ": ''\n") == place + "'' is not an absolute path");
    }
}

TEST_CASE("Config: reads the target and level of the log") {
    CHECK(load("log: { to: journal }\n")->log_target == LogTarget::journal);
    CHECK(load("log: { to: auto }\n")->log_target == LogTarget::automatic);
    for (const char* level : {"debug", "info", "warn", "error"}) {
        CHECK(load("log: { level: " + std::string(level) + " }\n")->log_level == level);
    }
}

TEST_CASE("Config: requires audit.file to be empty or the absolute path of a file") {
    CHECK(load("audit: { file: /" + std::string(200, 'x') + " }\n")->audit_file.size() == 201);
    CHECK(load("audit: { file: '' }\n")->audit_file.empty());
    CHECK(refusal_of("audit: { file: audit }\n") == "1:16: 'audit' is not an absolute path");
    CHECK(refusal_of("audit: { file: /var/log/ }\n") ==
          "1:16: '/var/log/' is a directory; name a file in it");
    CHECK(refusal_of("audit: { to: /x }\n") == "1:10: unknown key 'to'; expected one of: file");
}

TEST_CASE("Config: reads several platforms with their users and groups and certificates") {
    const auto config = load(
        "platforms:\n  - { name: a, user: x, users: [alice] }\n  - { name: b, user: y, groups: [g] "
        "}\n  - { name: c, user: z }\n");
    REQUIRE(config.ok());
    REQUIRE(config->platforms.size() == 3);
    CHECK(config->platforms[0].users == std::vector<std::string>{"alice"});
    CHECK(config->platforms[0].groups.empty());
    CHECK(config->platforms[1].groups == std::vector<std::string>{"g"});
    CHECK(config->platforms[2].name == "c");
    CHECK(config->platforms[2].user == "z");
    CHECK(load("platforms: []\n")->platforms.empty());
    const auto certified = load("platforms: [{ name: x, certificate: tower.example.org }]\n");
    REQUIRE(certified);
    CHECK(certified->platforms[0].certificate == "tower.example.org");
    CHECK(certified->platforms[0].user.empty());
}

TEST_CASE("Config: reads workspaces of users and groups and Slurm accounts") {
    const auto config = load(
        "workspaces:\n"
        "  - { name: a, admins: { accounts: [chem] }, members: { users: [x], accounts: [bio, chem] "
        "} "
        "}\n"
        "  - { name: b, admins: { users: [y] }, members: { groups: [g] } }\n"
        "slurm_accounts: { interval: 10m }\n");
    REQUIRE(config.ok());
    CHECK(config->workspaces[0].admins.slurm_accounts == std::vector<std::string>{"chem"});
    CHECK(config->workspaces[0].members.slurm_accounts == std::vector<std::string>{"bio", "chem"});
    CHECK(config->workspaces[1].members.slurm_accounts.empty());
    CHECK(slurm_accounts_in(config->workspaces) == std::set<std::string>{"bio", "chem"});
    CHECK(config->slurm_accounts_interval == std::chrono::minutes(10));
    CHECK(load("")->slurm_accounts_interval == std::chrono::minutes(1));
    CHECK(needs_restart(*load(""), *config).empty());

    const auto accounts = [](const std::string& list) {
        return refusal_of("workspaces: [{ name: a, admins: { accounts: " + list + " } }]\n");
    };
    CHECK(accounts("chem") == "1:45: expected a list, as in [alice, bob]");
    CHECK(accounts("[chem, '']") == "1:52: the name of a Slurm account is missing");
    CHECK(accounts("['a b']") ==
          "1:46: 'a b' is not a valid Slurm account name: it contains a space or a character "
          "that is not printable ASCII");
    CHECK(accounts("[" + std::string(128, 'a') + "]") == "(read)");
    CHECK(accounts("[" + std::string(129, 'a') + "]") ==
          "1:46: the name of a Slurm account has at most 128 bytes");
    CHECK(
        accounts("[]") ==
        "1:14: workspace 'a' needs admins: the users, groups or accounts that may set its secrets");
    CHECK(refusal_of("slurm_accounts: { interval: 0s }\n") ==
          "1:29: duration '0s' is too short; the minimum is 1s");
    CHECK(refusal_of("slurm_accounts: { every: 1m }\n") ==
          "1:19: unknown key 'every'; expected one of: interval");
}

}  // namespace
}  // namespace secrets
