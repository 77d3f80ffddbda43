// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/binding_body.h"

#include <boost/json.hpp>

#include "agentd/api/json_fields.h"
#include "common/base/limits.h"

namespace secrets::api {

namespace json = boost::json;

std::string print_binding(const NodeBindingRequest& request) {
    return json::serialize(json::object{{"run", request.head.run.text()},
                                        {"job", request.head.job.value},
                                        {"uid", request.head.uid.value},
                                        {"node", request.node}});
}

StatusOr<NodeBindingRequest> parse_binding(std::span<const std::byte> body) {
    const auto value = parse_object(body, 2);
    if (!value) return value.status();
    JsonFields fields(value->get_object());
    const JobId job{fields.number("job", UINT32_MAX)};
    const Uid uid{fields.number("uid", UINT32_MAX)};
    const std::string id = fields.text("run", kMaxRunIdBytes);
    std::string node = fields.text("node", kMaxNodeNameBytes);
    if (Status wrong = fields.wrong(); !wrong.ok()) return wrong;
    auto run = RunId::parse(id);
    if (!run) return run.status();
    return NodeBindingRequest{{std::move(run).value(), job, uid}, std::move(node)};
}

}  // namespace secrets::api
