// SPDX-License-Identifier: Apache-2.0
#include "spank/het_groups.h"

#include <vector>

#include "tests/unit/catch.h"

namespace secrets::spank {
namespace {

using Arguments = std::vector<std::string_view>;
using Groups = std::vector<unsigned>;

TEST_CASE("Het groups: reads the groups that a step runs on") {
    CHECK(groups_of(Arguments{"-n1", "--het-group=0,2-4"}, 0) == Groups{0, 2, 3, 4});
    CHECK(groups_of(Arguments{"--het-group", "1"}, 0) == Groups{1});
    CHECK(groups_of(Arguments{"--pack-group=1"}, 0) == Groups{1});
}

TEST_CASE("Het groups: takes the component's own number without a valid option") {
    CHECK(groups_of(Arguments{"-n1"}, 0) == Groups{0});
    CHECK(groups_of(Arguments{"-n1"}, 2) == Groups{2});
    CHECK(groups_of(Arguments{"--het-group=x,999,-1,3-1"}, 1) == Groups{1});
}

TEST_CASE("Het groups: names a group's variable") {
    CHECK(group_variable(12) == "SLURM_SECRETS_HET_GROUP_12");
}

TEST_CASE("Het groups: reads the plugin's options of a component") {
    const Options options = options_in(Arguments{"-n1", "--secret=A,B", "--secret", "C",
                                                 "--secrets-run", "r", "--workspace=w", "job.sh"});
    CHECK(options.items == "A,B,C");
    CHECK(options.run == "r");
    CHECK(options.workspace == "w");
    CHECK_FALSE(options.none);
    CHECK(options_in(Arguments{"--secrets=none"}).none);
    CHECK(options_in(Arguments{"-n1", "job.sh"}).empty());
}

}  // namespace
}  // namespace secrets::spank
