// SPDX-License-Identifier: Apache-2.0
#pragma once
// Converts texts between the types of the standard library and those of another library.
// Boost.JSON's string and string_view do so by themselves only in versions newer than RHEL
// 9's 1.75.

namespace secrets {

/// Returns a text, or a view of the same bytes if `To` is a view: text_as<std::string_view>(json).
template <class To, class Text>
constexpr To text_as(const Text& text) {
    return To(text.data(), text.size());
}

}  // namespace secrets
