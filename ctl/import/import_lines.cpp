// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/import_lines.h"

#include <algorithm>

#include "common/base/names.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

constexpr const char* kQuoteIt = "; put the value in single quotes if it is meant literally";

/// An error in a line. Thrown and caught only in this file.
struct Wrong {
    std::size_t line;
    std::string what;  ///< continues "line N of SOURCE"
};

/// The intended reader of a line: a shell if the line begins with `export`, else a reader of .env
/// files.
enum class Reader { shell, env };

bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool is_name_character(char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

class Lines {
  public:
    Lines(std::string_view text, SecretText& values) : text_(text), values_(values) {}

    std::size_t line() const { return line_; }
    bool has_escapes() const { return has_escapes_; }
    bool has_cr_lf() const { return has_cr_lf_; }

    /// Goes to the next line that is neither empty nor a comment; returns false at the end.
    bool find_statement() {
        while (!is_end()) {
            skip_blanks();
            if (is_line_end()) {
                next_line();
            } else if (here() == '#') {
                skip_line();
            } else {
                return true;
            }
        }
        return false;
    }

    /// Reads "NAME=", which `export` may precede.
    std::string read_name() {
        constexpr std::string_view kExport = "export";
        reader_ = Reader::env;
        if (text_.substr(at_).starts_with(kExport) && at_ + kExport.size() < text_.size() &&
            is_blank(text_[at_ + kExport.size()])) {
            reader_ = Reader::shell;
            at_ += kExport.size();
            skip_blanks();
        }
        const std::size_t begin = at_;
        while (!is_end() && is_name_character(here())) ++at_;
        std::string name(text_.substr(begin, at_ - begin));
        if (reader_ == Reader::env) skip_blanks();
        if (name.empty() || is_end() || here() != '=') {
            throw Wrong{line_, "is neither NAME=value nor export NAME=value"};
        }
        ++at_;
        return name;
    }

    /// Appends the value to the values, and skips to the end of the value's last line.
    void read_value() {
        if (reader_ == Reader::shell) {
            read_shell_value();
        } else {
            read_env_value();
        }
        skip_blanks();
        if (!is_line_end() && here() != '#') {
            throw Wrong{line_, "has text after the value" + std::string(kQuoteIt)};
        }
        if (!is_line_end() && here() == '#' && !is_blank(text_[at_ - 1])) {
            throw Wrong{line_, "has a '#' directly after the value" + std::string(kQuoteIt)};
        }
        skip_line();
    }

    void skip_line() {
        while (!is_end() && here() != '\n') ++at_;
        next_line();
    }

    /// A position from which reading can continue later.
    struct SourcePosition {
        std::size_t at;
        std::size_t line;
    };
    SourcePosition place() const { return {at_, line_}; }
    void go_back_to(SourcePosition place) {
        at_ = place.at;
        line_ = place.line;
    }

  private:
    bool is_end() const { return at_ >= text_.size(); }
    char here() const { return text_[at_]; }

    /// Returns true at the end, at a newline, and at a return before a newline.
    bool is_line_end() const {
        const std::string_view rest = text_.substr(at_);
        return rest.empty() || rest.front() == '\n' || rest == "\r" || rest.starts_with("\r\n");
    }

    void next_line() {
        while (!is_end() && here() != '\n') ++at_;
        if (!is_end()) {
            ++at_;
            ++line_;
        }
    }

    void skip_blanks() {
        while (!is_end() && is_blank(here())) ++at_;
    }

    void take(char c) {
        if (c == '\0') throw Wrong{line_, "contains a NUL byte"};
        values_.append({&c, 1});
    }

    void take_here() {
        if (here() == '\n') ++line_;
        if (text_.substr(at_).starts_with("\r\n")) has_cr_lf_ = true;
        take(text_[at_++]);
    }

    /// Rejects text that a shell would replace.
    void check_not_replaced(bool in_quotes) const {
        if (here() == '`') {
            throw Wrong{line_, "has a backtick, which a shell would run" + std::string(kQuoteIt)};
        }
        if (here() != '$' || at_ + 1 >= text_.size()) return;
        const char next = text_[at_ + 1];
        if (next == '(') {
            throw Wrong{line_, "has a $(...), which a shell would run" + std::string(kQuoteIt)};
        }
        constexpr std::string_view kParameters = "_{$?#@*!-";
        const bool is_quote = next == '\'' || next == '"';
        if (is_letter(next) || is_digit(next) || kParameters.find(next) != kParameters.npos ||
            (!in_quotes && is_quote)) {
            throw Wrong{line_, "has a '$' that a shell would expand" + std::string(kQuoteIt)};
        }
    }

    void read_single_quoted() {
        const std::size_t begin = line_;
        for (++at_; !is_end(); take_here()) {
            if (here() != '\'') continue;
            ++at_;
            return;
        }
        throw Wrong{begin, "opens a single quote that is never closed"};
    }

    void read_double_quoted() {
        const std::size_t begin = line_;
        ++at_;
        while (!is_end()) {
            if (here() == '"') {
                ++at_;
                return;
            }
            if (here() == '\\' && at_ + 1 < text_.size()) {
                read_escape();
                continue;
            }
            check_not_replaced(true);
            take_here();
        }
        throw Wrong{begin, "opens a double quote that is never closed"};
    }

    void read_escape() {
        constexpr std::string_view kLetters = "nrt";
        constexpr std::string_view kMeant = "\n\r\t";
        const char next = text_[at_ + 1];
        const std::size_t letter = kLetters.find(next);
        if (next == '\n') {
            at_ += 2;
            ++line_;
        } else if (next == '"' || next == '\\' || next == '$' || next == '`') {
            take(next);
            at_ += 2;
        } else if (reader_ == Reader::env && letter != kLetters.npos) {
            has_escapes_ = true;
            take(kMeant[letter]);
            at_ += 2;
        } else {
            take_here();
        }
    }

    void read_shell_value() {
        constexpr std::string_view kRun = ";&|<>()";
        const std::size_t begin = at_;
        while (!is_line_end() && !is_blank(here())) {
            check_not_replaced(false);
            if (here() == '\'') {
                read_single_quoted();
            } else if (here() == '"') {
                read_double_quoted();
            } else if (here() == '\\') {
                read_shell_backslash();
            } else if (here() == '~' && (at_ == begin || text_[at_ - 1] == ':')) {
                throw Wrong{line_, "has a '~' that a shell would expand" + std::string(kQuoteIt)};
            } else if (kRun.find(here()) != kRun.npos) {
                throw Wrong{line_,
                            "has one of ; & | < > ( ) outside quotes, which a shell would "
                            "interpret" +
                                std::string(kQuoteIt)};
            } else {
                take_here();
            }
        }
    }

    void read_shell_backslash() {
        ++at_;
        if (is_end()) throw Wrong{line_, "ends with a backslash"};
        if (here() == '\n') {
            ++at_;
            ++line_;
        } else {
            take_here();
        }
    }

    void read_env_value() {
        skip_blanks();
        if (is_line_end()) return;
        if (here() == '\'') return read_single_quoted();
        if (here() == '"') return read_double_quoted();
        const std::size_t begin = at_;
        std::size_t end = values_.size();  // of the text before trailing blanks
        while (!is_line_end()) {
            if (here() == '#' && is_blank(text_[at_ - 1])) break;
            check_not_replaced(false);
            if (here() == '\'' || here() == '"' || here() == '\\' ||
                (here() == '#' && at_ == begin)) {
                throw Wrong{line_,
                            "has a quote, a backslash or a '#' in an unquoted value, which "
                            "programs read differently" +
                                std::string(kQuoteIt)};
            }
            const bool blank = is_blank(here());
            take_here();
            if (!blank) end = values_.size();
        }
        values_.cut_back_to(end);
    }

    std::string_view text_;
    SecretText& values_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    Reader reader_ = Reader::env;
    bool has_escapes_ = false;
    bool has_cr_lf_ = false;  ///< in a value
};

/// Returns whether each line of a text of several lines ends with CR LF.
bool has_only_cr_lf(std::string_view text) {
    std::size_t at = text.find('\n');
    if (at == text.npos) return false;
    for (; at != text.npos; at = text.find('\n', at + 1)) {
        if (at == 0 || text[at - 1] != '\r') return false;
    }
    return true;
}

/// Returns the text with LF in place of each CR LF.
SecretText with_lf(std::string_view text) {
    SecretText lines(text.size());
    while (!text.empty()) {
        const std::size_t end = std::min(text.find("\r\n"), text.size());
        lines.append(text.substr(0, end));
        text.remove_prefix(end);
        if (text.empty()) break;
        lines.append("\n");
        text.remove_prefix(2);
    }
    return lines;
}

}  // namespace

ImportedSecrets read_import_lines(std::string_view text, const std::string& source,
                                  const ImportChoice& choice, Choosing choosing) {
    if (has_only_cr_lf(text)) {
        const SecretText lines = with_lf(text);
        return read_import_lines(lines.characters(), source, choice, choosing);
    }
    const auto place = [&](std::size_t line) {
        return "line " + std::to_string(line) + " of " + source;
    };
    ImportedSecrets found(text.size(), choosing);
    Lines lines(text, found.values);
    while (lines.find_statement()) {
        const Lines::SourcePosition begin = lines.place();
        const std::size_t size = found.values.size();
        bool wanted = choice.only.empty();  // without --only, any malformed line is an error
        try {
            std::string name = lines.read_name();
            wanted = choice.wants(name);
            if (!wanted) found.skip(name);
            const bool had_escapes = lines.has_escapes();
            const bool had_cr_lf = lines.has_cr_lf();
            lines.read_value();
            if (!wanted) {
                found.values.cut_back_to(size);
                continue;
            }
            found.add(std::move(name), place(begin.line), size);
            if (!had_escapes && lines.has_escapes()) {
                found.notes.push_back(place(begin.line) +
                                      " has \\n, \\r or \\t in double quotes, which were read as a "
                                      "newline, a return or "
                                      "a tab");
            }
            if (!had_cr_lf && lines.has_cr_lf()) {
                found.notes.push_back(place(begin.line) +
                                      " has a value with CR LF, which is part of it, since not all "
                                      "lines end with CR LF");
            }
        } catch (const Wrong& wrong) {
            if (wanted)
                throw CommandError(ExitCode::bad_input, place(wrong.line) + " " + wrong.what);
            found.values.cut_back_to(size);
            lines.go_back_to(begin);
            lines.skip_line();
        }
    }
    return found;
}

}  // namespace secrets::ctl
