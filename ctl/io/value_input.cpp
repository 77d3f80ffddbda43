// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/value_input.h"

#include <unistd.h>

#include "common/base/limits.h"
#include "ctl/io/exit_codes.h"
#include "ctl/io/hidden_line.h"
#include "ctl/io/table.h"
#include "ctl/io/value_notes.h"

namespace secrets::ctl {
namespace {

constexpr std::string_view kBeforeBytes = "{\"base64\":\"";
constexpr std::string_view kAfterBytes = "\"}";

CommandError bad_input(const std::string& sentence) {
    return CommandError(ExitCode::bad_input, sentence);
}

SecretText ask_twice(const std::string& name) {
    SecretText value = read_hidden_line("value of " + name + " (not shown): ");
    if (value.size() == 0) throw bad_input("no value was typed; nothing is changed");
    const SecretText again = read_hidden_line("once more: ");
    if (value.characters() != again.characters()) {
        throw bad_input("the two values differ; nothing is changed; try again");
    }
    return value;
}

SecretText without_newline(const SecretText& input) {
    SecretText value(input.size());
    value.append(input.characters().substr(0, input.size() - 1));
    return value;
}

SecretText read_standard_input(bool keep_newline) {
    SecretText input = read_secret_text("-");
    if (!keep_newline && input.characters().ends_with('\n')) {
        input = without_newline(input);
        if (input.size() > 0) {
            print_notes({"one trailing newline was removed; --keep-newline keeps it"});
        }
    }
    if (input.size() == 0) {
        throw bad_input("standard input is empty; nothing is changed");
    }
    return input;
}

SecretText read_file(const std::string& file, const std::string& name) {
    SecretText value = read_secret_text(file);
    if (value.size() == 0) throw bad_input(source_name(file) + " is empty; nothing is changed");
    if (!is_standard_input(file) && is_line_with_newline(value.characters())) {
        print_notes({"the value ends with the newline of " + file +
                     "; to set it without: secretctl set " + name + " < " + file});
    }
    return value;
}

}  // namespace

SecretText read_value(const ValueSource& source, const std::string& name) {
    SecretText value = [&] {
        if (source.file) return read_file(*source.file, name);
        if (::isatty(STDIN_FILENO) != 0) return ask_twice(name);
        return read_standard_input(source.keep_newline);
    }();
    if (value.size() > kMaxValueBytes) {
        throw bad_input("the value has " + counted(value.size(), "byte") + "; at most " +
                        std::to_string(kMaxValueBytes) + " are accepted");
    }
    print_notes(notes_on_value(value.characters()));
    return value;
}

void append_value_json(SecretText& body, SecretView value) {
    body.append(kBeforeBytes);
    body.append_base64({reinterpret_cast<const char*>(value.bytes().data()), value.bytes().size()});
    body.append(kAfterBytes);
}

std::size_t value_json_size(SecretView value) {
    return kBeforeBytes.size() + base64_size(value.size()) + kAfterBytes.size();
}

}  // namespace secrets::ctl
