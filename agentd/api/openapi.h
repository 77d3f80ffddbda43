// SPDX-License-Identifier: Apache-2.0
#pragma once
// The document of the HTTP API, etc/openapi.json, as it was when the daemon was built.

#include <string_view>

namespace secrets::api {

/// OpenAPI 3.1, as JSON.
std::string_view openapi_json();

}  // namespace secrets::api
