// SPDX-License-Identifier: Apache-2.0
#include "ctl/web/import_routes.h"

#include <boost/json/serialize.hpp>

#include "common/base/names.h"
#include "common/base/text_encoding.h"
#include "ctl/client/answer.h"
#include "ctl/client/secret_paths.h"
#include "ctl/import/import_text.h"
#include "ctl/io/exit_codes.h"
#include "ctl/web/routes.h"

namespace secrets::ctl::web {
namespace {

namespace json = boost::json;

/// Returns the name of the text in sentences: that of the file, without what could steer a
/// terminal.
std::string source_of(const ApiCall& call) {
    const auto source = parameter(call.request.target, "source");
    return source && !source->empty() ? printable(*source) : "the text";
}

ImportedSecrets read(const ApiCall& call, const ImportChoice& choice) {
    const auto bytes = call.body.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return read_import(text, source_of(call), choice, Choosing::not_offered);
}

/// Returns a part of the path, decoded. Throws unless `check` accepts it: the sentences of
/// secretctl's other commands are about their arguments.
std::string decoded(std::string_view part, Status (*check)(std::string_view)) {
    const auto text = percent_decoded(part);
    if (!text) throw CommandError(ExitCode::bad_input, "the request's path is malformed");
    if (const Status why = check(*text); !why.ok()) {
        throw CommandError(ExitCode::bad_input, why.message());
    }
    return *text;
}

}  // namespace

SiteAnswer preview_import(const ApiCall& call) {
    const ImportedSecrets found = read(call, {});
    json::array secrets;
    for (const auto& entry : found.entries()) {
        secrets.push_back({{"name", entry.name}, {"bytes", entry.size}, {"place", entry.place}});
    }
    json::array notes;
    for (const std::string& note : found.notes) notes.emplace_back(note);
    const json::object object{{"secrets", std::move(secrets)}, {"notes", std::move(notes)}};
    return {200, "application/json", json::serialize(object)};
}

SiteAnswer import_secret(const ApiCall& call) {
    const std::string name = decoded(call.parts.back(), &check_secret_name);
    std::optional<std::string> workspace;
    if (call.parts.size() > 1) workspace = decoded(call.parts.front(), &check_workspace_name);
    const ImportedSecrets found = read(call, {.only = {name}, .skip = {}});
    const SecretText body = body_of_secret(found.value_of(found.entries().front()),
                                           parameter(call.request.target, "expires"));
    return from_agent(
        call.agent.send({Method::put, path_of_secrets(workspace) + "/" + percent_encoded(name),
                         body.view(), call.request.if_new, call.request.if_match}));
}

}  // namespace secrets::ctl::web
