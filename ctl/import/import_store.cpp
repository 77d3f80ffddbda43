// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/import_store.h"

#include <algorithm>

#include "ctl/import/json_handler.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

using boost::json::string_view;
using boost::system::error_code;

constexpr const char* kForm = R"([{"name":"...","value":"..."},...])";

class StoreHandler : public JsonHandler<StoreHandler> {
    friend JsonHandler<StoreHandler>;

  public:
    StoreHandler(ImportedSecrets& found, const std::string& source, const ImportChoice& choice)
        : found_(found), source_(source), choice_(choice) {}

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
        if (choice_.wants(name_)) {
            found_.add(name_, place(), begin_);
        } else {
            found_.skip(name_);
            found_.values.cut_back_to(begin_);
        }
        return true;
    }
    bool on_string_part(string_view part, std::size_t, error_code&) { return take(part); }
    bool on_string(string_view part, std::size_t, error_code&) { return take(part); }

  private:
    bool key(const std::string& field) {
        bool& has = field == "name" ? has_name_ : has_value_;
        if ((field != "name" && field != "value") || has) throw other_form();
        has = true;
        is_name_ = field == "name";
        return true;
    }

    bool scalar(JsonKind) { throw other_form(); }

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
    const ImportChoice& choice_;
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
                                  const ImportChoice& choice, Choosing choosing) {
    ImportedSecrets found(text.size(), choosing);
    boost::json::basic_parser<StoreHandler> parser{boost::json::parse_options(), found, source,
                                                   choice};
    const auto [error, read] = parse_whole(parser, text);
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
