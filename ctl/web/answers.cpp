// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/answers.h"

#include <boost/json/serialize.hpp>
#include <stdexcept>

#include "common/base/text_as.h"
#include "ctl/web/assets.h"

namespace secrets::ctl::web {

namespace json = boost::json;

SiteAnswer problem(unsigned status, std::string_view detail) {
    const json::object object{{"status", status}, {"detail", text_as<json::string_view>(detail)}};
    return {status, "application/problem+json", json::serialize(object)};
}

SiteAnswer from_agent(Answer answer) {
    std::string type = answer.status >= 400 ? "application/problem+json" : "application/json";
    if (answer.body.empty()) type.clear();
    return {answer.status, std::move(type), std::move(answer.body)};
}

SiteAnswer page_file(std::string_view name, unsigned status) {
    const Asset* asset = find_asset(name);
    if (asset == nullptr) throw std::logic_error("no file " + std::string(name) + " in page/");
    return {status, std::string(asset->content_type), std::string(asset->content)};
}

}  // namespace secrets::ctl::web
