// SPDX-License-Identifier: Apache-2.0
#pragma once
// Holds the document of the HTTP API, etc/openapi.json, as of the daemon's build.

#include <string_view>

namespace secrets::api {

/// Returns OpenAPI 3.1 as JSON.
std::string_view openapi_json();

}  // namespace secrets::api
