// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses and serialises JSON that holds values. Operator new provides its trees, and they are wiped
// when freed; these functions wipe what parser and serialiser leave on the stack.

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "agentd/base/stack_wipe.h"
#include "common/secure_memory/wipe.h"

namespace secrets::openbao {

/// Returns null if the text is not valid JSON.
inline boost::json::value parse_secret(boost::json::string_view text) {
    boost::system::error_code error;
    auto value = boost::json::parse(text, error);
    wipe_stack();
    return error ? boost::json::value() : std::move(value);
}

inline boost::json::value parse_secret(const SecretBuffer& text) {
    const auto bytes = text.view().bytes();
    return parse_secret({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

inline SecretBuffer serialize_secret(const boost::json::object& object) {
    const std::string text = boost::json::serialize(object);
    wipe_stack();
    SecretBuffer buffer(text.size());
    std::copy_n(std::as_bytes(std::span(text)).begin(), text.size(), buffer.bytes().begin());
    return buffer;
}

}  // namespace secrets::openbao
