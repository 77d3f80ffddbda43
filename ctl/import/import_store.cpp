// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/import_store.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>

#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

using boost::json::error_code;
using boost::json::string_view;

constexpr const char* kForm = R"([{"name":"...","value":"..."},...])";

/// Handler that Boost.JSON calls while it parses; Boost.JSON prescribes the names and signatures.
class StoreHandler {
  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    StoreHandler(ImportedSecrets& found, const std::string& source,
                 const std::vector<std::string>& only)
        : found_(found), source_(source), only_(only) {}

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_array_begin(error_code&) {
        if (depth_++ != 0) throw other_form();
        return true;
    }
    bool on_array_end(std::size_t, error_code&) {
        --depth_;
        return true;
    }
    bool on_object_begin(error_code&) {
        if (depth_++ != 1) throw other_form();
        ++number_;
        name_.clear();
        has_name_ = has_value_ = false;
        begin_ = found_.values.size();
        return true;
    }
    bool on_object_end(std::size_t, error_code&) {
        --depth_;
        if (!has_name_ || !has_value_) throw other_form();
        if (only_.empty() || std::find(only_.begin(), only_.end(), name_) != only_.end()) {
            found_.add(name_, place(), begin_);
        } else {
            found_.values.cut_back_to(begin_);
        }
        return true;
    }
    bool on_key_part(string_view part, std::size_t, error_code&) {
        key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(string_view part, std::size_t, error_code&) {
        key_.append(part.data(), part.size());
        bool& has = key_ == "name" ? has_name_ : has_value_;
        if ((key_ != "name" && key_ != "value") || has) throw other_form();
        has = true;
        is_name_ = key_ == "name";
        key_.clear();
        return true;
    }
    bool on_string_part(string_view part, std::size_t, error_code&) { return take(part); }
    bool on_string(string_view part, std::size_t, error_code&) { return take(part); }
    bool on_number_part(string_view, error_code&) { throw other_form(); }
    bool on_int64(std::int64_t, string_view, error_code&) { throw other_form(); }
    bool on_uint64(std::uint64_t, string_view, error_code&) { throw other_form(); }
    bool on_double(double, string_view, error_code&) { throw other_form(); }
    bool on_bool(bool, error_code&) { throw other_form(); }
    bool on_null(error_code&) { throw other_form(); }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }

  private:
    bool take(string_view part) {
        if (depth_ != 2) throw other_form();
        if (is_name_) {
            name_.append(part.data(), part.size());
        } else {
            found_.values.append({part.data(), part.size()});
        }
        return true;
    }

    std::string place() const { return "entry " + std::to_string(number_) + " of " + source_; }

    CommandError other_form() const {
        return CommandError(ExitCode::bad_input,
                            (number_ == 0 ? source_ : place()) +
                                " does not have the form of Nextflow's store.json: " + kForm);
    }

    ImportedSecrets& found_;
    const std::string& source_;
    const std::vector<std::string>& only_;
    std::string key_;
    std::string name_;
    std::size_t begin_ = 0;   ///< of the value
    std::size_t number_ = 0;  ///< of the entry, from 1
    int depth_ = 0;
    bool is_name_ = false;
    bool has_name_ = false;
    bool has_value_ = false;
};

}  // namespace

ImportedSecrets read_import_store(std::string_view text, const std::string& source,
                                  const std::vector<std::string>& only) {
    ImportedSecrets found(text.size());
    boost::json::basic_parser<StoreHandler> parser{boost::json::parse_options(), found, source,
                                                   only};
    error_code error;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    if (!error && read < text.size()) error = boost::json::error::extra_data;
    if (error) {
        const auto line =
            1 + std::count(text.begin(), text.begin() + static_cast<long>(read), '\n');
        throw CommandError(ExitCode::bad_input,
                           source + " begins like JSON but is not valid JSON: " + error.message() +
                               " on line " + std::to_string(line));
    }
    return found;
}

}  // namespace secrets::ctl
