// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/http_session.h"

#include <chrono>

#include "agentd/net/http_date.h"
#include "agentd/net/http_fields.h"
#include "common/base/names.h"

namespace secrets::server {

void HttpSessionRegistry::stop() {
    stopped = true;
    for (HttpSession* connection : connections) connection->end_if_kept_alive();
}

void HttpSessionRegistry::end_silent() {
    for (HttpSession* connection : connections) connection->end_if_idle();
}

void HttpSessionRegistry::abort() {
    for (HttpSession* connection : connections) connection->abort();
}

http::response<http::string_body> to_http(api::HttpResponse answer, bool keep_alive) {
    http::response<http::string_body> response;
    response.version(11);
    response.result(answer.status);
    response.set(http::field::server, "slurm-secretsd/" SLURM_SECRETS_VERSION);
    response.set(http::field::date, net::http_date(std::chrono::system_clock::now()));
    response.set(http::field::cache_control, "no-store");
    if (!answer.content_type.empty()) {
        response.set(http::field::content_type, answer.content_type);
    }
    if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
    if (!answer.etag.empty()) response.set(http::field::etag, answer.etag);
    if (!answer.note.empty()) response.set(net::kNoteField, answer.note);
    if (answer.status == 401) {
        response.set(http::field::www_authenticate,
                     answer.challenge.empty() ? "Munge" : answer.challenge);
    }
    if (answer.retry_after) {
        response.set(http::field::retry_after, std::to_string(answer.retry_after->count()));
    }
    response.keep_alive(keep_alive);
    response.body() = std::move(answer.body);
    if (answer.status != 204 && answer.status != 304) response.prepare_payload();
    return response;
}

api::HttpResponse no_room(const Status& full) {
    api::HttpResponse answer = api::problem(503, full.message());
    answer.retry_after = std::chrono::seconds(1);
    return answer;
}

api::RequestHead head_of(const http::request_parser<http::empty_body>& parser) {
    const auto& request = parser.get();
    api::RequestHead head;
    head.method = request.method_string();
    head.target = request.target();
    head.content_type = request[http::field::content_type];
    head.authorization = request[http::field::authorization];
    head.if_match = request[http::field::if_match];
    head.if_none_match = request[http::field::if_none_match];
    if (const auto length = parser.content_length()) head.content_length = *length;
    head.has_body = parser.chunked() || head.content_length.value_or(0) > 0;
    return head;
}

std::string name_of(const api::RequestHead& head) {
    constexpr std::size_t kMaxPath = 200;
    const std::string_view path = head.target.substr(0, head.target.find('?'));
    return printable_ascii(std::string(head.method) + " " + std::string(path.substr(0, kMaxPath)));
}

}  // namespace secrets::server
