// SPDX-License-Identifier: Apache-2.0
// Promise: what a user asks for is understood exactly, and what is wrong is shown at its place.

#include "common/base/secret_spec.h"

#include <random>
#include <string>

#include "common/base/limits.h"
#include "tests/unit/catch.h"

namespace secrets {
namespace {

SecretSpec parsed(std::string_view text) {
    auto result = parse_spec(text);
    if (const auto* error = result.error()) {
        FAIL("'" << text << "' is refused: " << error->message);
    }
    return *result.spec();
}

SpecError refused(std::string_view text) {
    auto result = parse_spec(text);
    if (result.ok()) FAIL("'" << text << "' is taken");
    return *result.error();
}

RunId run_id(std::string_view text) {
    return RunId::parse(text).value();
}

/// `count` items N0,N1,...
std::string many_items(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        text += (i == 0 ? "N" : ",N") + std::to_string(i);
    }
    return text;
}

TEST_CASE("SecretSpec: parses items in their order", "[ask]") {
    const SecretSpec ask = parsed("HF_TOKEN,DB=PGPASSWORD,my-key?,NGC=NGC_KEY:env?");
    REQUIRE(ask.items.size() == 4);
    CHECK(ask.items[0] == SpecItem{"HF_TOKEN", "HF_TOKEN", false});
    CHECK(ask.items[1] == SpecItem{"DB", "PGPASSWORD", false});
    CHECK(ask.items[2] == SpecItem{"my-key", "my_key", true});
    CHECK(ask.items[3] == SpecItem{"NGC", "NGC_KEY", true});
    CHECK_FALSE(ask.none);
    CHECK_FALSE(ask.run.has_value());
    CHECK_FALSE(ask.wants_all_of_run());
}

TEST_CASE("SecretSpec: appends _FILE to the variable of a file item", "[ask]") {
    CHECK(parsed("KEY:file").items ==
          std::vector<SpecItem>{{"KEY", "KEY_FILE", false, ItemForm::file}});
    CHECK(parsed("my-key:file?").items ==
          std::vector<SpecItem>{{"my-key", "my_key_FILE", true, ItemForm::file}});
    CHECK(parsed("KEY=GOOGLE:file").items ==
          std::vector<SpecItem>{{"KEY", "GOOGLE_FILE", false, ItemForm::file}});
    CHECK(usual_variable("my-key", ItemForm::file) == "my_key_FILE");
    CHECK(usual_variable("my-key", ItemForm::env) == "my_key");
}

TEST_CASE("SecretSpec: accepts an item that is held, with a variable for secretctl exec", "[ask]") {
    CHECK(parsed("KEY:hold").items == std::vector<SpecItem>{{"KEY", "KEY", false, ItemForm::hold}});
    CHECK(parsed("my-key=X:hold?").items ==
          std::vector<SpecItem>{{"my-key", "X", true, ItemForm::hold}});
    CHECK(parsed("KEY:hold,KEY:file").items.size() == 2);
}

TEST_CASE("SecretSpec: accepts values that are made for the job, in each form", "[ask]") {
    const auto item = [](std::string_view text) { return parsed(text).items.front(); };
    CHECK(item("RAY:random") == SpecItem{"RAY", "RAY", false, ItemForm::env, 32});
    CHECK(item("RAY=X:random=16?") == SpecItem{"RAY", "X", true, ItemForm::env, 16});
    CHECK(item("RAY:random:file") == SpecItem{"RAY", "RAY_FILE", false, ItemForm::file, 32});
    CHECK(item("RAY:random=1024:hold") == SpecItem{"RAY", "RAY", false, ItemForm::hold, 1024});
    CHECK(item("random:env") == SpecItem{"random", "random"});
    CHECK(item("RAY").is_random() == false);
    CHECK(parsed("A:random,A:random=32:env").items.size() == 1);
}

TEST_CASE("SecretSpec: accepts one secret as a variable and as a file", "[ask]") {
    CHECK(parsed("KEY,KEY:file,KEY:file").items ==
          std::vector<SpecItem>{{"KEY", "KEY", false}, {"KEY", "KEY_FILE", false, ItemForm::file}});
}

TEST_CASE("SecretSpec: accepts one workspace beside items or a run even when repeated", "[ask]") {
    CHECK(parsed("workspace:lab-2.x,A").workspace == "lab-2.x");
    CHECK(parsed("A,workspace:lab,workspace:lab").workspace == "lab");
    CHECK(parsed("run:r?,workspace:lab").wants_all_of_run());
    CHECK_FALSE(parsed("A").workspace);
}

TEST_CASE("SecretSpec: requests all secrets of a run only when it names no item", "[ask]") {
    const SecretSpec all = parsed("run:demo-1");
    CHECK(all.run == run_id("demo-1"));
    CHECK(all.wants_all_of_run());
    CHECK_FALSE(all.run_optional);

    const SecretSpec some = parsed("A,run:demo-1,B");
    CHECK(some.run == run_id("demo-1"));
    CHECK(some.items.size() == 2);
    CHECK_FALSE(some.wants_all_of_run());
}

TEST_CASE("SecretSpec: makes a run optional only when every mention of it is optional", "[ask]") {
    CHECK(parsed("run:r?").run_optional);
    CHECK(parsed("run:r?,run:r?").run_optional);
    CHECK_FALSE(parsed("run:r").run_optional);
    CHECK_FALSE(parsed("run:r?,run:r").run_optional);
    CHECK_FALSE(parsed("run:r,run:r?").run_optional);
}

TEST_CASE("SecretSpec: requests nothing when its text is none", "[ask]") {
    const SecretSpec ask = parsed("none");
    CHECK(ask.none);
    CHECK(ask.items.empty());
    CHECK_FALSE(ask.run.has_value());
    CHECK_FALSE(SecretSpec().none);
}

TEST_CASE("SecretSpec: counts a repeated item once", "[ask]") {
    CHECK(parsed("A,B=X?,A,A=A,A:env,B=X:env?").items ==
          std::vector<SpecItem>{{"A", "A", false}, {"B", "X", true}});
}

struct ErrorCase {
    std::string text;
    std::size_t offset;
    std::size_t length;
    std::string sentence;  ///< how it begins
};

std::vector<ErrorCase> error_cases() {
    const std::string long_name(kMaxNameBytes + 1, 'A');
    return {
        {"", 0, 1, "no secret is named"},
        {",", 0, 1, "an item is missing before or after a comma"},
        {",A", 0, 1, "an item is missing before or after a comma"},
        {"A,", 2, 1, "an item is missing before or after a comma"},
        {"A,,B", 2, 1, "an item is missing before or after a comma"},
        {"none,A", 0, 4, "'none' cannot be combined"},
        {"A,none", 2, 4, "'none' cannot be combined"},
        {"run:r,none", 6, 4, "'none' cannot be combined"},
        {"run:", 4, 1, "a run id is missing"},
        {"run:?", 4, 1, "a run id is missing"},
        {"A,run:-x", 6, 2, "the run id '-x' must begin with a letter or a digit"},
        {"run:a/b?", 4, 3, "the run id 'a/b' contains '/'"},
        {"run:a??", 4, 2, "the run id 'a?' contains '?'"},
        {"run:" + std::string(65, 'r'), 4, 65, "a run id has 65 characters"},
        {"run:a,run:b", 6, 5, "a second run is named"},
        {"run:a,A,run:b?", 8, 6, "a second run is named"},
        {"workspace:lab", 0, 13, "a workspace is named, but no secret"},
        {"workspace:,A", 10, 1, "a workspace's name is missing"},
        {"A,workspace:lab?", 12, 4, "the workspace's name 'lab?' contains '?'"},
        {"workspace:_a,A", 10, 2, "the workspace's name '_a' must begin with a letter or a digit"},
        {"workspace:" + std::string(65, 'w') + ",A", 10, 65, "a workspace's name has 65 charact"},
        {"workspace:a,A,workspace:b", 14, 11, "a second workspace is named"},
        {"A,A:hold", 2, 6, "duplicate secret 'A': requested with ':hold' and without"},
        {"A=B:hold,B", 9, 1, "the variable 'B' would be set from both 'A' and 'B'"},
        {"A:random=15", 9, 2, "invalid number of random bytes '15'; expected 16 to 1024"},
        {"A:random=1025?", 9, 4, "invalid number of random bytes '1025'"},
        {"A:random=", 9, 1, "invalid number of random bytes ''"},
        {"A:random=0x20", 9, 4, "invalid number of random bytes '0x20'"},
        {"A:random=-32", 9, 3, "invalid number of random bytes '-32'"},
        {"A:random=99999999999999999999:file", 9, 20, "invalid number of random bytes"},
        {"A:random:", 9, 1, "invalid form ''"},
        {"A:random:random", 9, 6, "invalid form 'random'"},
        {"A:file:random", 2, 11, "invalid form 'file:random'"},
        {"A:randomly", 2, 8, "invalid form 'randomly'"},
        {"A,A:random", 2, 8, "duplicate secret 'A': requested as two different values"},
        {"A:random,A:random=16", 9, 11, "duplicate secret 'A': requested as two different"},
        {"A:holdd", 2, 5,
         "invalid form 'holdd'; expected one of: ':env', ':file', ':hold', ':random'"},
        {"A=:file", 2, 1, "the variable is missing"},
        {"B,A=1:file", 4, 1, "the variable '1_FILE' must begin with a letter or '_'"},
        {"A=SRUN_X:file", 2, 6, "the variable 'SRUN_X_FILE' controls Slurm"},
        {"B," + std::string(60, 'A') + ":file", 2, 60, "the variable 'AAA"},
        {"A=B_FILE,B:file", 9, 6, "the variable 'B_FILE' would be set from both 'A' and 'B'"},
        {"B:file,A=B_FILE", 7, 8, "the variable 'B_FILE' would be set from both 'B' and 'A'"},
        {"A=A_FILE,A:file", 9, 6, "the variable 'A_FILE' would be set to both 'A' itself and"},
        {"A:file,A:file?", 7, 7,
         "duplicate secret 'A': requested once as optional and once as required"},
        {"A:", 2, 1, "invalid form ''"},
        {"A:foo", 2, 3, "invalid form 'foo'"},
        {"A:env:env", 2, 7, "invalid form 'env:env'"},
        {"A:ENV", 2, 3, "invalid form 'ENV'"},
        {" ", 0, 1, "the secret's name ' ' contains ' '"},
        {"A, B", 2, 2, "the secret's name ' B' contains ' '"},
        {"A\tB", 0, 3, "the secret's name 'A?B' contains '?'"},
        {"1A", 0, 2, "the secret's name '1A' must begin with a letter or '_'"},
        {"B,2-A", 2, 3, "the secret's name '2-A' must begin with a letter or '_'"},
        {"A??", 0, 2, "the secret's name 'A?' contains '?'"},
        {"A?=B", 0, 2, "the secret's name 'A?' contains '?'"},
        {"?", 0, 1, "the secret's name is missing"},
        {"=B", 0, 1, "the secret's name is missing"},
        {":env", 0, 1, "the secret's name is missing"},
        {long_name, 0, 65, "the secret's name 'AAA"},
        {"PATH", 0, 4, "invalid secret name 'PATH': the variable 'PATH' controls"},
        {"A,LD-PRELOAD?", 2, 10, "invalid secret name 'LD-PRELOAD'"},
        {"A=", 2, 1, "the variable is missing"},
        {"A=?", 2, 1, "the variable is missing"},
        {"A=1", 2, 1, "the variable '1' must begin with a letter or '_'"},
        {"A=B-C", 2, 3, "the variable 'B-C' contains '-'"},
        {"A=B=C", 2, 3, "the variable 'B=C' contains '='"},
        {"X,A=LD_PRELOAD:env?", 4, 10, "the variable 'LD_PRELOAD' controls the dynamic loader"},
        {"A=" + long_name, 2, 65, "the variable 'AAA"},
        {"A,A?", 2, 2, "duplicate secret 'A': requested once as optional and once as required"},
        {"A-B,A_B", 4, 3, "the variable 'A_B' would be set from both 'A-B' and 'A_B'"},
        {"A=X,B=X?", 4, 4, "the variable 'X' would be set from both 'A' and 'B'"},
        {many_items(kMaxSpecItems) + ",LAST", many_items(kMaxSpecItems).size() + 1, 4,
         "more than 256 secrets are requested"},
        {std::string(kMaxSpecBytes + 1, 'A'), kMaxSpecBytes, 1,
         "it has 8193 characters; at most 8192 are allowed"},
    };
}

TEST_CASE("SecretSpec: rejects each grammar error with its message and exact position", "[ask]") {
    for (const ErrorCase& row : error_cases()) {
        CAPTURE(row.text);
        const SpecError error = refused(row.text);
        CHECK(error.offset == row.offset);
        CHECK(error.length == row.length);
        CHECK(error.message.substr(0, row.sentence.size()) == row.sentence);
    }
}

TEST_CASE("SecretSpec: accepts the maximum number of items and characters", "[ask]") {
    CHECK(parsed(many_items(kMaxSpecItems)).items.size() == kMaxSpecItems);

    std::string full = many_items(100);
    full += ",F=";
    while (full.size() < kMaxSpecBytes - 2) full.insert(0, "A,");
    full.resize(kMaxSpecBytes, 'F');
    CHECK(parsed(full).items.size() == 102);
}

TEST_CASE("SecretSpec: prints its shortest form and parses that back unchanged", "[ask]") {
    struct Row {
        const char* text;
        const char* printed;
    };
    const Row rows[] = {
        {"none", "none"},
        {"A", "A"},
        {"A:env", "A"},
        {"A=A", "A"},
        {"my-key=my_key", "my-key"},
        {"my-key?", "my-key?"},
        {"DB=PGPASSWORD:env?", "DB=PGPASSWORD?"},
        {"A,run:demo-1,B", "run:demo-1,A,B"},
        {"run:r?", "run:r?"},
        {"run:r?,run:r,A?", "run:r,A?"},
        {"B,A,B", "B,A"},
        {"run", "run"},
        {"run=workspace?", "run=workspace?"},
        {"none?", "none?"},
        {"none=X", "none=X"},
        {"none:env", "none:env"},
        {"none:hold", "none:hold"},
        {"A:random=32:env,B=X:random=16:file?", "A:random,B=X:random=16:file?"},
        {"A=A:hold,B=X:hold?", "A:hold,B=X:hold?"},
        {"none=none", "none:env"},
        {"A,none:env", "A,none:env"},
        {"run:r,none:env", "run:r,none:env"},
        {"A=A:file", "A:file"},
        {"my-key:file?,my-key", "my-key:file?,my-key"},
        {"A=B:file", "A=B:file"},
        {"none:file", "none:file"},
        {"A,workspace:lab,run:r?", "run:r?,workspace:lab,A"},
        {"+C=A,-B,-B,A", "A,-B,+C=A"},
        {"-A,A,+A=B,+A=B", "A,-A,+A=B"},
        {"-A", "-A"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        const SecretSpec ask = parsed(row.text);
        CHECK(print_spec(ask) == row.printed);
        CHECK(parsed(print_spec(ask)) == ask);
    }
    CHECK(print_spec(SecretSpec()).empty());
}

TEST_CASE("SecretSpec: parses what an inner command leaves out and copies", "[ask]") {
    const SecretSpec ask = parsed("run:r,-TOK,+HUB=HF_TOKEN");
    CHECK(ask.wants_all_of_run());
    CHECK(ask.without == std::vector<std::string>{"TOK"});
    CHECK(ask.copies == std::vector<SpecCopy>{{"HUB", "HF_TOKEN"}});
    CHECK(print_spec(ask.request()) == "run:r");
    CHECK(parsed("-TOK,+A=B").requests_nothing());
    CHECK_FALSE(parsed("TOK,-TOK").requests_nothing());
    CHECK(SecretSpec::nothing() == parsed("none"));
}

TEST_CASE("SecretSpec: rejects a malformed exclusion or copy", "[ask]") {
    for (const char* text : {"-", "+", "-PATH", "-A-B", "+A", "+A=", "+=A", "+PATH=A", "+A=B=C",
                             "A,+A=B", "+A=B,A", "+A=B,+A=C", "-A?", "+A=B?"}) {
        CAPTURE(text);
        CHECK_FALSE(refused(text).message.empty());
    }
}

/// A text of words that matter to the grammar, in any order.
std::string random_text(std::mt19937& random) {
    const char* const words[] = {"A",  "B-c", "none", "run",   "run:", "workspace:", "PATH",
                                 "=",  ",",   ":env", ":file", ":",    "?",          "9",
                                 "_x", " ",   ",",    "=",     "+",    "-"};
    std::string text;
    for (auto left = random() % 9; left > 0; --left) text += words[random() % std::size(words)];
    return text;
}

TEST_CASE("SecretSpec: round-trips random text or reports an error position within it", "[ask]") {
    std::mt19937 random(20240607);
    int taken = 0;
    for (int round = 0; round < 100000; ++round) {
        const std::string text = random_text(random);
        const auto result = parse_spec(text);
        if (const SecretSpec* ask = result.spec()) {
            ++taken;
            const auto again = parse_spec(print_spec(*ask));
            if (again.ok() && *again.spec() == *ask) continue;
            FAIL("'" << text << "' is printed as '" << print_spec(*ask) << "'");
        }
        const auto& error = *result.error();
        const bool within =
            error.length >= 1 && error.offset <= text.size() &&
            error.offset + error.length <= std::max<std::size_t>(text.size(), error.offset + 1);
        if (!within) FAIL("'" << text << "': " << error.offset << " + " << error.length);
    }
    CHECK(taken > 5000);
}

TEST_CASE("SecretSpec: marks an error with carets below the text", "[ask]") {
    CHECK(mark_place("A,1B,C", refused("A,1B,C")) ==
          "    A,1B,C\n"
          "      ^^");
    CHECK(mark_place("A,", refused("A,")) ==
          "    A,\n"
          "      ^");
    CHECK(mark_place("", refused("")) ==
          "    \n"
          "    ^");
    CHECK(mark_place("KEY=VAR:held?", refused("KEY=VAR:held?")) ==
          "    KEY=VAR:held?\n"
          "            ^^^^");
}

TEST_CASE("SecretSpec: shows only the surroundings of an error in a long text", "[ask]") {
    const std::string text = std::string(60, 'b') + std::string(40, 'a') + "!!!!!" +
                             std::string(30, 'z') + std::string(60, 'y');
    CHECK(mark_place(text, SpecError{"", 100, 5}) == "    " + std::string(40, 'a') + "!!!!!" +
                                                         std::string(30, 'z') + "\n" + "    " +
                                                         std::string(40, ' ') + "^^^^^");

    const std::string name(300, 'n');
    CHECK(mark_place(name, refused(name)) ==
          "    " + std::string(100, 'n') + "\n    " + std::string(100, '^'));

    const std::string too_long(kMaxSpecBytes + 1, 'n');
    CHECK(mark_place(too_long, refused(too_long)) ==
          "    " + std::string(41, 'n') + "\n    " + std::string(40, ' ') + "^");
}

TEST_CASE("SecretSpec: replaces unprintable characters when it shows an error", "[ask]") {
    const std::string text = "A\x1b[2J,\xc3\xa9\n";
    CHECK(mark_place(text, refused(text)) ==
          "    A?[2J,???\n"
          "    ^^^^^");
}

}  // namespace
}  // namespace secrets
