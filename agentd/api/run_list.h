// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agentd/api/route.h"

namespace secrets::api {

/// The most runs that a page of `GET /v1/runs` may have.
inline constexpr std::size_t kMostRunsOfPage = 1000;

/// The runs of a list that are described at a time. Between two such slices the event loop serves
/// others, so that a list of 100,000 runs delays nobody.
inline constexpr std::size_t kRunsOfSlice = 250;

/// Answers `GET /v1/runs`: with a page if the query has `limit` or `cursor`. Without them the
/// answer is the whole list, as clients expect that know no pages: a part would look complete to
/// them.
HttpResponse list_runs(const RouteCall& call);

}  // namespace secrets::api
