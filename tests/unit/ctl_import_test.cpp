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

Values read(std::string_view text, const std::vector<std::string>& only = {}) {
    const ImportedSecrets found = read_import(text, "FILE", only);
    Values values;
    for (const auto& entry : found.entries()) {
        const auto bytes = found.value_of(entry).bytes();
        values[entry.name] = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    return values;
}

std::string refusal_of(std::string_view text, const std::vector<std::string>& only = {}) {
    try {
        read_import(text, "FILE", only);
    } catch (const CommandError& error) {
        CHECK(error.code() == ExitCode::bad_input);
        const std::string sentence = error.what();
        CHECK(sentence.find("canary") == sentence.npos);
        return sentence;
    }
    return "it was not refused";
}

bool is_refused(std::string_view text, const std::string& why) {
    const std::string sentence = refusal_of(text);
    INFO(sentence);
    return sentence.find(why) != sentence.npos;
}

TEST_CASE("Import: reads lines of an .env file") {
    CHECK(read("A=1") == Values{{"A", "1"}});
    CHECK(read("\n  # no=1\nA=1\n\tB = two words  # said\nC=\nD=a#b\nE= # nothing\n") ==
          Values{{"A", "1"}, {"B", "two words"}, {"C", ""}, {"D", "a#b"}, {"E", ""}});
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
    CHECK(read("export A=1\nexport\tB=\n") == Values{{"A", "1"}, {"B", ""}});
    CHECK(read("export A='a b'\"c d\"e\\ f#g # said\n") == Values{{"A", "a bc de f#g"}});
    CHECK(read(R"(export A="x\ny\"\\\$")") == Values{{"A", "x\\ny\"\\$"}});
    CHECK(read("export A=\"one\\\ntwo\"\nexport B=a\\\nb") == Values{{"A", "onetwo"}, {"B", "ab"}});
    CHECK(read("export A='it'\\''s'") == Values{{"A", "it's"}});
    CHECK(read("exporter=1") == Values{{"exporter", "1"}});
}

TEST_CASE("Import: notes the line whose escapes were read as newlines") {
    CHECK(read_import("A=1\nB=\"x\\n\"", "FILE", {}).note.starts_with("line 2 of FILE has \\n"));
    CHECK(read_import("export B=\"x\\n\"\nC='\\n'", "FILE", {}).note.empty());
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
    CHECK(read(text, {"A"}) == Values{{"A", "x"}});
    CHECK(read(text, {"C", "A"}) == Values{{"A", "x"}, {"C", "1"}});
    CHECK(refusal_of(text, {"D"}).starts_with("FILE has no 'D'"));
    CHECK(refusal_of(text, {"B"}).starts_with("line 4 of FILE has a $(...)"));
    CHECK(read("B=\"x\nA=1", {"A"}) == Values{{"A", "1"}});
}

TEST_CASE("Import: reads a Nextflow store.json and rejects other JSON") {
    CHECK(read(R"json( [{"name":"A","value":"x\u00e9\n\"$(y)"},{"value":"2","name":"B"}] )json") ==
          Values{{"A", "x\xc3\xa9\n\"$(y)"}, {"B", "2"}});
    CHECK(read(R"([{"name":"A","value":""},{"name":"x.y","value":"2"}])", {"A"}) ==
          Values{{"A", ""}});
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
