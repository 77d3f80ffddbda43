// SPDX-License-Identifier: Apache-2.0
#include "spank/outer_job.h"

#include <array>
#include <span>
#include <string>
#include <vector>

#include "spank/inherited_spec.h"
#include "tests/unit/catch.h"

namespace secrets::spank {
namespace {

using State = OuterVariable::State;

/// The marker of a job with two values and a file.
Marker job_marker() {
    Marker marker;
    marker.key.fill(std::byte{9});
    marker.spec = "TOK,OTHER,KEY:file";
    const auto add = [&marker](const char* variable, MarkKind kind, std::string_view value) {
        marker.variables.push_back(
            {variable, kind, digest_of(marker.key, std::as_bytes(std::span(value)))});
    };
    add("TOK", MarkKind::value, "the value of tok");
    add("OTHER", MarkKind::value, "the value of other");
    add("KEY_FILE", MarkKind::path, "/run/jobs/1/KEY.0");
    return marker;
}

const std::vector<const char*> kGiven = {"TOK=the value of tok", "OTHER=the value of other",
                                         "KEY_FILE=/run/jobs/1/KEY.0"};

OuterJob outer_job(std::vector<const char*> environment, bool is_from_agent = false) {
    environment.push_back(nullptr);
    return {environment.data(), job_marker(), is_from_agent, {}};
}

std::vector<State> states(const OuterJob& outer) {
    std::vector<State> all;
    for (const OuterVariable& given : outer.variables()) all.push_back(given.state);
    return all;
}

/// Adds to the environment that the job was given.
std::vector<const char*> given_and(std::vector<const char*> more) {
    more.insert(more.begin(), kGiven.begin(), kGiven.end());
    return more;
}

std::string edited(const std::string& text, const OuterJob& outer, const Options& own = {}) {
    SecretSpec spec = *parse_spec(text).spec();
    apply_script(spec, outer, own);
    return print_spec(spec);
}

TEST_CASE("OuterJob: finds what the script left as it was, changed and unset") {
    using enum State;
    CHECK(states(outer_job(kGiven)) == std::vector{unchanged, unchanged, unchanged});
    CHECK(states(outer_job({"TOK=mine", "KEY_FILE=/run/jobs/1/KEY.0"})) ==
          std::vector{changed, unset, unchanged});
    CHECK(outer_job(kGiven).spec() == "TOK,OTHER,KEY:file");
}

TEST_CASE("OuterJob: takes nothing for unset where the marker was lost, too") {
    using enum State;
    CHECK(states(outer_job({"KEPT=x", "OTHER=mine"}, true)) ==
          std::vector{unchanged, changed, unchanged});
}

std::string found_in(const OuterJob& outer, std::string_view argument) {
    const std::array texts{std::string_view("sbatch"), argument};
    const auto found = outer.contained_in(texts).value_or(Contained{});
    return found.name + (found.is_held ? " (held)" : "");
}

TEST_CASE("OuterJob: finds copies, and variables that hold a value among other text") {
    const OuterJob outer = outer_job(given_and(
        {"HUB=the value of tok", "URL=http://the value of other@host", "GOOGLE=/run/jobs/1/KEY.0",
         "SEE=see /run/jobs/1/KEY.0", "SHORT=the value", "EMPTY=", "NOTHING"}));
    REQUIRE(outer.copies().size() == 2);
    CHECK(outer.copies()[0].variable == "HUB");
    CHECK(outer.copies()[0].of == "TOK");
    CHECK(outer.copies()[1].variable == "GOOGLE");
    REQUIRE(outer.holders().size() == 1);
    CHECK(outer.holders()[0].variable == "URL");
    CHECK(outer.holders()[0].of == "OTHER");
}

TEST_CASE("OuterJob: finds a value on a command line") {
    const OuterJob outer = outer_job(kGiven);
    CHECK(found_in(outer, "curl -H 'the value of other' host") == "OTHER");
    CHECK(found_in(outer, "cat /run/jobs/1/KEY.0").empty());
}

TEST_CASE("OuterJob: finds what was read from a secret's file") {
    Marker marker = job_marker();
    const std::string_view secret = "the content of key\n";
    marker.variables.push_back(
        content_mark(marker.key, "KEY_FILE", std::as_bytes(std::span(secret)), true).value());
    auto environment = given_and({"HUB=the content of key"});
    environment.push_back(nullptr);
    const OuterJob outer(environment.data(), marker, false, {"TOK", "MORE"});
    CHECK(states(outer).size() == 4);  // MORE is of SLURM_SECRETS_SET only
    CHECK(outer.copies().empty());
    REQUIRE(outer.holders().size() == 1);
    CHECK(outer.holders()[0].variable == "HUB");
    CHECK(outer.holders()[0].of == "KEY_FILE");
    CHECK(found_in(outer, "--comment=the content of key") == "KEY_FILE");
}

TEST_CASE("OuterJob: finds what the job reads from its agent, which no variable has of itself") {
    const std::string_view value = "a value that is read";
    Marker held{SipKey{std::byte{9}}, "TOK:hold", {}};
    held.variables.push_back(
        {"TOK", MarkKind::held, digest_of(held.key, std::as_bytes(std::span(value)))});
    const char* environment[] = {"TOK=a value that is read", "URL=x a value that is read x",
                                 "OTHER=the value of other", nullptr};
    const Marker none{job_marker().key, "TOK:hold", {}};
    for (const OuterJob& outer :
         {OuterJob(environment, none, false, {}, held), OuterJob(environment, held, true, {})}) {
        CHECK(outer.variables().empty());
        CHECK(outer.copies().empty());
        REQUIRE(outer.holders().size() == 2);
        CHECK((outer.holders()[0].variable == "TOK" && outer.holders()[0].of == "TOK"));
        CHECK(outer.holders()[1].variable == "URL");
        CHECK(found_in(outer, "--export=A=a value that is read") == "TOK (held)");
    }
}

/// What the agent says of the job of job_marker(): TOK has another value now, and another step
/// requested MORE.
Marker agent_marker() {
    Marker marker{SipKey{std::byte{5}}, "TOK,OTHER", {}};
    const auto add = [&marker](const char* variable, MarkKind kind, std::string_view value) {
        marker.variables.push_back(
            {variable, kind, digest_of(marker.key, std::as_bytes(std::span(value)))});
    };
    add("TOK", MarkKind::value, "tok is rotated");
    add("OTHER", MarkKind::value, "the value of other");
    add("MORE", MarkKind::value, "of another step");
    return marker;
}

TEST_CASE("OuterJob: takes a secret's value of now for what the job was given") {
    using enum State;
    const char* environment[] = {"TOK=tok is rotated", "OTHER=x tok is rotated", "MORE=x", "A=1",
                                 "B=of another step",  "KEY_FILE=/mine",         nullptr};
    const OuterJob outer(environment, job_marker(), false, {}, agent_marker());
    CHECK(states(outer) == std::vector{unchanged, changed, changed});
    REQUIRE(outer.holders().size() == 2);
    CHECK((outer.holders()[0].variable == "OTHER" && outer.holders()[0].of == "TOK"));
    CHECK((outer.holders()[1].variable == "B" && outer.holders()[1].of == "MORE"));
    CHECK(found_in(outer, "--comment=of another step") == "MORE");
}

TEST_CASE("OuterJob: leaves alone what other variables held before the job was given it") {
    Marker marker = job_marker();
    marker.variables[1].kind = MarkKind::named;
    const char* environment[] = {"OTHER=the value of other", "MINE=the value of other", nullptr};
    const OuterJob outer(environment, marker, false, {}, agent_marker());
    CHECK(outer.holders().empty());
    CHECK(found_in(outer, "--comment=the value of other").empty());
}

TEST_CASE("OuterJob: knows the variables of SLURM_SECRETS_SET without a marker") {
    const char* environment[] = {"A=x", nullptr};
    const OuterJob outer(environment, std::nullopt, false, {"A", "B"});
    REQUIRE(outer.variables().size() == 2);
    CHECK(outer.variables()[0].variable == "A");
    CHECK(states(outer) == std::vector{State::unchanged, State::unchanged});
}

TEST_CASE("Inherited spec: leaves out what the script changed or unset") {
    CHECK(edited("TOK,OTHER", outer_job(kGiven)) == "TOK,OTHER");
    CHECK(edited("TOK,OTHER", outer_job({"TOK=mine", "OTHER=the value of other"})) == "OTHER");
    CHECK(edited("TOK,OTHER", outer_job({"OTHER=the value of other"})) == "OTHER");
    CHECK(edited("X=TOK,OTHER?", outer_job({"OTHER=the value of other"})) == "OTHER?");
    CHECK(edited("run:r", outer_job({"TOK=mine", "OTHER=the value of other"})) ==
          "run:r,-TOK,-KEY_FILE");
    CHECK(edited("run:r,TOK", outer_job({"TOK=mine"})) == "none");
}

TEST_CASE("Inherited spec: requests a copy anew where its secret is requested") {
    const OuterJob copy = outer_job(given_and({"HUB=the value of tok"}));
    CHECK(edited("TOK,OTHER", copy) == "TOK,OTHER,+HUB=TOK");
    CHECK(edited("run:r", copy) == "run:r,+HUB=TOK");
    CHECK(edited("OTHER", copy) == "OTHER");
    CHECK(edited("none", copy) == "none");
    const OuterJob steering = outer_job(given_and({"LD_PRELOAD=the value of tok"}));
    CHECK(edited("TOK", steering) == "TOK");
}

TEST_CASE("Inherited spec: requests copies of a variable that is changed") {
    const OuterJob kept = outer_job({"TOK=mine", "HUB=the value of tok"});
    CHECK(edited("TOK", kept) == "TOK,-TOK,+HUB=TOK");
    const OuterJob swapped = outer_job({"TOK=the value of other", "OTHER=the value of other"});
    CHECK(edited("TOK,OTHER", swapped) == "OTHER,+TOK=OTHER");
}

TEST_CASE("Inherited spec: follows a command's own options, not the script's variables") {
    Options own;
    own.items = "TOK";
    const OuterJob outer = outer_job({"TOK=mine", "HUB=the value of tok"});
    CHECK(edited("TOK", outer, own) == "TOK,+HUB=TOK");
    own.run = "other-run";
    CHECK(edited("run:other-run,TOK", outer, own) == "run:other-run,TOK");
}

TEST_CASE("Inherited spec: stays within the length of a spec") {
    std::vector<std::string> copies;
    for (int i = 0; i < 500; ++i)
        copies.push_back("A_RATHER_LONG_NAME_" + std::to_string(i) + "=the value of tok");
    std::vector<const char*> environment = kGiven;
    for (const std::string& copy : copies) environment.push_back(copy.c_str());
    CHECK(parse_spec(edited("TOK", outer_job(environment))).ok());
}

}  // namespace
}  // namespace secrets::spank
