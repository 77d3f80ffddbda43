// SPDX-License-Identifier: Apache-2.0
// Promise: what people have today is read to the byte, or refused with its place; nothing is run,
// and no sentence shows a line or a value.

#include <map>
#include <string>

#include "ctl/import/import_text.h"
#include "ctl/io/exit_codes.h"
#include "tests/unit/catch.h"

namespace secrets::ctl {
namespace {

using Values = std::map<std::string, std::string>;

Values read(std::string_view text, const ImportChoice& choice = {}) {
    const ImportedSecrets found = read_import(text, "FILE", choice);
    Values values;
    for (const auto& entry : found.entries()) {
        const auto bytes = found.value_of(entry).bytes();
        values[entry.name] = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return values;
}

std::string refusal_of(std::string_view text, const ImportChoice& choice = {}) {
    try {
        read_import(text, "FILE", choice);
    } catch (const CommandError& error) {
        CHECK(error.code() == ExitCode::bad_input);
        const std::string sentence = error.what();
        CHECK(sentence.find("canary") == sentence.npos);
        return sentence;
    }
    return "it was not refused";
}

std::vector<std::string> notes_of(std::string_view text, const ImportChoice& choice = {}) {
    return read_import(text, "FILE", choice).notes;
}

bool is_refused(std::string_view text, const std::string& why) {
    const std::string sentence = refusal_of(text);
    INFO(sentence);
    return sentence.find(why) != sentence.npos;
}

TEST_CASE("Import: reads lines of an .env file") {
    CHECK(read("A=1") == Values{{"A", "1"}});
    CHECK(read("\n  # no=1\nA=1\n\tB = two words  # said\nC=\nD=a#b\nE= # nothing\n") ==
          Values{{"A", "1"}, {"B", "two words"}, {"D", "a#b"}});
    CHECK(read("URL=postgres://u:p@h/d?a=b&c=d;e\nP=100%$\nQ=a$,b\n") ==
          Values{{"URL", "postgres://u:p@h/d?a=b&c=d;e"}, {"P", "100%$"}, {"Q", "a$,b"}});
    CHECK(read("\xEF\xBB\xBF"
               "A=1\r\nB='2'\r\n") == Values{{"A", "1"}, {"B", "2"}});
}

TEST_CASE("Import: reads quoted values of an .env file") {
    CHECK(read("A='$HOME `x` \\n \"#'") == Values{{"A", "$HOME `x` \\n \"#"}});
    CHECK(read(R"(A="a\"b\\c\$d\`e\q'#")") == Values{{"A", "a\"b\\c$d`e\\q'#"}});
    CHECK(read(R"(A="-----BEGIN-----\nx\r\ty\n")") == Values{{"A", "-----BEGIN-----\nx\r\ty\n"}});
    CHECK(read("A=\"one\ntwo\"  # said\nB='three\n\nfour'\nC=5") ==
          Values{{"A", "one\ntwo"}, {"B", "three\n\nfour"}, {"C", "5"}});
}

TEST_CASE("Import: reads export lines as a shell does") {
    CHECK(read("export A=1\nexport\tB=2\n") == Values{{"A", "1"}, {"B", "2"}});
    CHECK(read("export A='a b'\"c d\"e\\ f#g # said\n") == Values{{"A", "a bc de f#g"}});
    CHECK(read(R"(export A="x\ny\"\\\$")") == Values{{"A", "x\\ny\"\\$"}});
    CHECK(read("export A=\"one\\\ntwo\"\nexport B=a\\\nb") == Values{{"A", "onetwo"}, {"B", "ab"}});
    CHECK(read("export A='it'\\''s'") == Values{{"A", "it's"}});
    CHECK(read("exporter=1") == Values{{"exporter", "1"}});
}

TEST_CASE("Import: notes the line whose escapes were read as newlines") {
    const auto notes = notes_of("A=1\nB=\"x\\n\"");
    REQUIRE(notes.size() == 1);
    CHECK(notes.front().starts_with("line 2 of FILE has \\n"));
    CHECK(notes_of("export B=\"x\\n\"\nC='\\n'").empty());
}

TEST_CASE("Import: leaves out names without a value and notes them") {
    const auto notes = notes_of("A=\nB=1\nC=''\nexport D=\"\"\n");
    REQUIRE(notes.size() == 1);
    CHECK(notes.front() == "FILE has no value for A, C, D, and nothing is set for them");
    CHECK(read("A=\nB=1\nC=''\nexport D=\"\"\n") == Values{{"B", "1"}});
    CHECK(notes_of(R"([{"name":"A","value":""},{"name":"B","value":"1"}])").size() == 1);
    CHECK(is_refused("A=\nA=canary", "line 2 of FILE: duplicate name 'A'; see line 1 of FILE"));
    CHECK(is_refused("A=canary\nA=", "line 2 of FILE: duplicate name 'A'; see line 1 of FILE"));
    CHECK(is_refused("A=\n", "contains no secret"));
    CHECK(refusal_of("A=\nB=canary", {{"A"}, {}}) ==
          "FILE has 'A' without a value; nothing is imported");
}

TEST_CASE("Import: reads a file with CR LF as one with LF") {
    CHECK(read("K='a\r\nb\r\n'\r\nL=\"x\\\r\ny\r\nz\"\r\nM=1\r\nexport N=a\\\r\nb\r\n") ==
          Values{{"K", "a\nb\n"}, {"L", "xy\nz"}, {"M", "1"}, {"N", "ab"}});
    CHECK(read("\xEF\xBB\xBFK='a\r\nb'\r\nL=2") == Values{{"K", "a\nb"}, {"L", "2"}});
    CHECK(notes_of("K='a\r\nb'\r\n").empty());
    CHECK(is_refused("A=1\r\nB=$(canary)\r\n", "line 2 of FILE has a $(...)"));
}

TEST_CASE("Import: keeps and notes a CR LF in a value of a file with LF") {
    const char* text = "A=1\nK='a\r\nb'\n";
    CHECK(read(text) == Values{{"A", "1"}, {"K", "a\r\nb"}});
    const auto notes = notes_of(text);
    REQUIRE(notes.size() == 1);
    CHECK(notes.front().starts_with("line 2 of FILE has a value with CR LF"));
}

TEST_CASE("Import: accepts a byte order mark before every format and names UTF-16") {
    using namespace std::string_view_literals;
    CHECK(read("\xEF\xBB\xBF"
               R"([{"name":"A","value":"1"}])") == Values{{"A", "1"}});
    CHECK(is_refused("\xEF\xBB\xBF{\"A\":\"canary\"}", "is a JSON object"));
    CHECK(
        is_refused("\xFF\xFE"
                   "A\0=\0"sv,
                   "FILE is UTF-16 text, as some programs for Windows write it; convert it with: "
                   "iconv -f UTF-16 -t UTF-8"));
    CHECK(is_refused("A\0=\0"sv, "iconv -f UTF-16LE -t UTF-8"));
}

TEST_CASE("Import: skips names that may be invalid or have malformed values") {
    CHECK(read("A=1\nENV=production\nB=2", {{}, {"ENV"}}) == Values{{"A", "1"}, {"B", "2"}});
    CHECK(read("A=1\nB=$(canary)\nspring.x=2\n", {{}, {"B", "spring.x"}}) == Values{{"A", "1"}});
    CHECK(read("A='x\ny'\nB=2", {{}, {"A"}}) == Values{{"B", "2"}});
    CHECK(read(R"([{"name":"A","value":"1"},{"name":"PATH","value":"2"}])", {{}, {"PATH"}}) ==
          Values{{"A", "1"}});
    CHECK(refusal_of("A=canary", {{}, {"B"}}) == "FILE has no 'B' to skip; nothing is imported");
    CHECK(refusal_of("A=canary", {{}, {"A"}}) ==
          "FILE contains no secret to import; nothing is imported");
    CHECK(refusal_of("A=1\ncanary", {{}, {"A"}}).starts_with("line 2 of FILE is neither"));
    CHECK(is_refused("A=1\nENV=canary", "may not hold a secret"));
    CHECK(is_refused("A=1\nENV=canary", "; --skip ENV leaves it out"));
    CHECK(is_refused("a.b=canary", "; leave it out with --skip NAME, or choose with --only NAME"));
}

TEST_CASE("Import: rejects shell commands and expansions and names the line") {
    CHECK(is_refused("A=1\nB=$(canary)", "line 2 of FILE has a $(...)"));
    CHECK(is_refused("A=\"$(canary)\"", "line 1 of FILE has a $(...)"));
    CHECK(is_refused("A='1\n2'\nB=\"`canary`\"", "line 3 of FILE has a backtick"));
    CHECK(is_refused("A=`canary`", "has a backtick"));
    for (const char* text : {"A=$canary", "A=\"${canary}\"", "export A=x$canary", "A=$1", "A=a$$b",
                             "export A=$'canary'", "export A=$\"canary\""}) {
        CHECK(is_refused(text, "line 1 of FILE has a '$'"));
    }
    CHECK(is_refused("export A=~/canary", "has a '~'"));
    CHECK(is_refused("export A=a:~canary", "has a '~'"));
    for (const char* text : {"export A=1;canary", "export A=1&canary", "export A=1|canary",
                             "export A=1>canary", "export A=(canary)"}) {
        CHECK(is_refused(text, "outside quotes"));
    }
}

TEST_CASE("Import: rejects values that programs read differently") {
    for (const char* text : {"A=it's canary", "A=a\"canary\"", "A=C:\\canary", "A=#canary"}) {
        CHECK(is_refused(text, "which programs read differently"));
    }
    CHECK(is_refused("A='canary'canary", "has text after the value"));
    CHECK(is_refused("A='canary'#canary", "has a '#' directly after the value"));
    CHECK(is_refused("export A=canary B=canary", "has text after the value"));
}

TEST_CASE("Import: rejects a line that is not a complete assignment") {
    CHECK(is_refused("A=1\nsource canary", "line 2 of FILE is neither NAME=value"));
    CHECK(is_refused("export canary", "is neither NAME=value"));
    CHECK(is_refused("export A =canary", "is neither NAME=value"));
    CHECK(is_refused("=canary", "is neither NAME=value"));
    CHECK(is_refused("A='canary\ncanary", "line 1 of FILE opens a single quote"));
    CHECK(is_refused("B=1\nA=\"canary\ncanary", "line 2 of FILE opens a double quote"));
    CHECK(is_refused(std::string_view("A=canary\0", 9), "contains a NUL byte"));
    CHECK(is_refused("export A=canary\\", "ends with a backslash"));
}

TEST_CASE("Import: rejects invalid or repeated names and oversized values") {
    CHECK(is_refused("A=1\nspring.canary=2", "line 2 of FILE has an invalid secret name"));
    CHECK(is_refused("A=1\nPATH=canary", "line 2 of FILE: invalid secret name 'PATH'"));
    CHECK(is_refused("A=canary\nB=1\nA=canary",
                     "line 3 of FILE: duplicate name 'A'; see line 1 of FILE"));
    CHECK(is_refused("A=" + std::string(65537, 'x'), "has 65537 bytes; at most 65536"));
    CHECK(read("A=" + std::string(65536, 'x'))["A"].size() == 65536);
    CHECK(is_refused("", "contains no secret"));
    CHECK(is_refused("# A=1\n", "contains no secret"));
}

TEST_CASE("Import: reads only the requested names and ignores all other lines") {
    const char* text = "if true; then\nPATH=$HOME/bin:$PATH\nexport A='x'\nB=$(canary)\nfi\nC=1";
    CHECK(read(text, {{"A"}, {}}) == Values{{"A", "x"}});
    CHECK(read(text, {{"C", "A"}, {}}) == Values{{"A", "x"}, {"C", "1"}});
    CHECK(refusal_of(text, {{"D"}, {}}).starts_with("FILE has no 'D'"));
    CHECK(refusal_of(text, {{"B"}, {}}).starts_with("line 4 of FILE has a $(...)"));
    CHECK(read("B=\"x\nA=1", {{"A"}, {}}) == Values{{"A", "1"}});
}

TEST_CASE("Import: reads a Nextflow store.json and rejects other JSON") {
    CHECK(read(R"json( [{"name":"A","value":"x\u00e9\n\"$(y)"},{"value":"2","name":"B"}] )json") ==
          Values{{"A", "x\xc3\xa9\n\"$(y)"}, {"B", "2"}});
    CHECK(read(R"([{"name":"A","value":"1"},{"name":"x.y","value":"2"}])", {{"A"}, {}}) ==
          Values{{"A", "1"}});
    const std::string longer(5000, 'x');  // more than Boost.JSON hands over at once
    CHECK(read(R"([{"name":"A","value":"\n)" + longer + R"("}])")["A"] == "\n" + longer);
    CHECK(is_refused(R"([{"name":"A","value":"canary"},{"name":"A","value":"canary"}])",
                     "entry 2 of FILE: duplicate name 'A'; see entry 1 of FILE"));
    CHECK(is_refused("[]", "contains no secret"));
    for (const char* text :
         {R"([{"name":"canary"}])", R"([{"value":"canary"}])", R"([["canary"]])", R"(["canary"])",
          R"([{"name":"canary","value":7}])", R"([{"name":"a","value":"b","more":"canary"}])",
          R"([{"name":"a","name":"canary","value":"b"}])", R"([{"name":"a","value":{}}])"}) {
        CHECK(is_refused(text, "does not have the form of Nextflow's store.json"));
    }
    CHECK(is_refused("[{\"name\":\"A\",\n\"value\":canary}]",
                     "begins like JSON but is not valid JSON"));
    CHECK(is_refused(R"([{"name":"A","value":"canary"}] canary)",
                     "begins like JSON but is not valid JSON"));
    CHECK(is_refused(R"({"A":"canary"})", "secretctl push accepts such an object"));
}

}  // namespace
}  // namespace secrets::ctl
