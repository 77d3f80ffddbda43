// SPDX-License-Identifier: Apache-2.0
// Promise: a list is filtered as AWS filters it.

#include "agentd/aws/secret_filters.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

using Words = std::vector<std::string_view>;

bool matches_one(FilterKey key, std::vector<std::string> values, const Listed& secret) {
    const std::vector<Filter> filters{{key, std::move(values)}};
    return matches(filters, secret);
}

const Listed kSecret{"DB_PASSWORD", "Password of the big database", {{"Team", "Genomics"}}};

TEST_CASE("AWS filters: words end at a sign and begin at a capital letter") {
    CHECK(words_of("").empty());
    CHECK(words_of("-/_").empty());
    CHECK(words_of("one two") == Words{"one", "two"});
    CHECK(words_of("MyTest") == Words{"My", "Test"});
    CHECK(words_of("myTest") == Words{"my", "Test"});
    CHECK(words_of("prod/AppBeta_3fa") == Words{"prod", "App", "Beta", "3fa"});
    CHECK(words_of("SecretFTag") == Words{"Secret", "F", "Tag"});
    CHECK(words_of("COMPANY") == Words{"COMPANY"});
    CHECK(words_of("COMPANYthings") == Words{"COMPAN", "Ythings"});
    CHECK(words_of("r2D2") == Words{"r2", "D2"});
    CHECK(words_of("größe x") == Words{"größe", "x"});
}

TEST_CASE("AWS filters: a name begins with the value, in the same case") {
    CHECK(matches_one(FilterKey::name, {"DB"}, kSecret));
    CHECK(matches_one(FilterKey::name, {"DB_PASSWORD"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::name, {"db"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::name, {"PASSWORD"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::name, {"DB_PASSWORD2"}, kSecret));
}

TEST_CASE("AWS filters: tags are compared by key or by value") {
    CHECK(matches_one(FilterKey::tag_key, {"Te"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::tag_key, {"Genomics"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::tag_key, {"team"}, kSecret));
    CHECK(matches_one(FilterKey::tag_value, {"Genomics"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::tag_value, {"Team"}, kSecret));
}

TEST_CASE("AWS filters: each word of the value begins a word of the description, in any case") {
    CHECK(matches_one(FilterKey::description, {"PASS data"}, kSecret));
    CHECK(matches_one(FilterKey::description, {"d p"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::description, {"base"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::description, {"password small"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::description, {"Genomics"}, kSecret));
}

TEST_CASE("AWS filters: the key all compares name, description and tags") {
    CHECK(matches_one(FilterKey::all, {"db"}, kSecret));
    CHECK(matches_one(FilterKey::all, {"genom"}, kSecret));
    CHECK(matches_one(FilterKey::all, {"team big"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::all, {"nomics"}, kSecret));
}

TEST_CASE("AWS filters: a value without words matches nothing") {
    CHECK_FALSE(matches_one(FilterKey::all, {"+"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::description, {""}, kSecret));
}

TEST_CASE("AWS filters: one value is enough, and every filter is needed") {
    CHECK(matches_one(FilterKey::name, {"other", "DB"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::name, {}, kSecret));
    const std::vector<Filter> both{{FilterKey::name, {"DB"}}, {FilterKey::tag_key, {"Team"}}};
    CHECK(matches(both, kSecret));
    const std::vector<Filter> one{{FilterKey::name, {"DB"}}, {FilterKey::tag_key, {"Other"}}};
    CHECK_FALSE(matches(one, kSecret));
    CHECK(matches({}, kSecret));
}

TEST_CASE("AWS filters: a value after an exclamation mark matches what the rest does not") {
    CHECK(matches_one(FilterKey::name, {"!other"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::name, {"!DB"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::description, {"!big"}, kSecret));
    CHECK(matches_one(FilterKey::description, {"!big", "database"}, kSecret));
}

TEST_CASE("AWS filters: regions and services of AWS match nothing") {
    CHECK_FALSE(matches_one(FilterKey::primary_region, {"us-east-1"}, kSecret));
    CHECK_FALSE(matches_one(FilterKey::owning_service, {"rds"}, kSecret));
}

TEST_CASE("AWS filters: the keys are AWS's words") {
    CHECK(filter_key("tag-key") == FilterKey::tag_key);
    CHECK(filter_key("owning-service") == FilterKey::owning_service);
    CHECK_FALSE(filter_key("tag_key"));
    CHECK_FALSE(filter_key(""));
}

}  // namespace
}  // namespace secrets::aws
