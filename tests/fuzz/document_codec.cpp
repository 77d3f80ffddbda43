// SPDX-License-Identifier: Apache-2.0
// Documents that another hub, or somebody else, wrote to OpenBao: accepted content keeps to the
// limits of the agent's own documents, and a sentence reports rejected content.

#include "agentd/openbao/document_codec.h"

#include <boost/json.hpp>

#include "common/base/names.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

namespace json = boost::json;

/// Year 10000: arithmetic with this time does not overflow.
constexpr vault::Time kEnd{std::chrono::seconds(253402300800)};

bool is_time(vault::Time time) {
    return time >= vault::Time() && time < kEnd;
}

void run(const json::object& data) {
    const auto document = openbao::read_run(RunId::parse("r").value(), data);
    if (!document) return must(is_sentence(document.status().message()), "an error is a sentence");
    must(is_time(document->head.created) && is_time(document->head.expires), "times are times");
    for (const vault::NewSecret& secret : document->secrets) {
        must(check_stored_name(secret.name).ok(), "a name is one");
    }
}

void kept(const json::object& data) {
    const auto secrets = openbao::read_secrets(data);
    if (!secrets) return must(is_sentence(secrets.status().message()), "an error is a sentence");
    for (const service::ReplicatedSecret& secret : *secrets) {
        must(check_stored_name(secret.head.name).ok(), "a name is one");
        must(is_time(secret.head.set), "times are times");
        must(!secret.head.expires || is_time(*secret.head.expires), "times are times");
    }
    const auto again = openbao::read_secrets(openbao::write_secrets(*secrets));
    must(again && again->size() == secrets->size(), "it says the same again");
    for (std::size_t i = 0; i < secrets->size(); ++i) {
        must(same((*again)[i].value.view().bytes(), (*secrets)[i].value.view().bytes()),
             "a value is the same again");
    }
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(text, error);
    if (error || !value.is_object()) return 0;
    secrets::fuzz::run(value.get_object());
    secrets::fuzz::kept(value.get_object());
    return 0;
}
