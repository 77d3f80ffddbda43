// SPDX-License-Identifier: Apache-2.0
#include "ctl/io/table.h"

#include <time.h>

#include <algorithm>

namespace secrets::ctl {
namespace {

constexpr std::size_t kGap = 2;

std::optional<time_t> time_of(const std::string& utc) {
    tm parts{};
    const char* end = ::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    return ::timegm(&parts);
}

std::string local_time_as(const std::string& utc, const char* form) {
    const auto time = time_of(utc);
    tm parts{};
    if (!time || ::localtime_r(&*time, &parts) == nullptr) return utc;
    char text[64];
    return {text, ::strftime(text, sizeof text, form, &parts)};
}

}  // namespace

void Table::print(std::ostream& out, Paint paint) const {
    std::vector<Cell> headings;
    headings.reserve(columns_.size());
    for (const Column& column : columns_) headings.emplace_back(column.heading, Tone::heading);

    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = headings[i].text.size();
        for (const auto& row : rows_) width = std::max(width, row[i].text.size());
        widths.push_back(width);
    }

    const auto print_row = [&](const std::vector<Cell>& row) {
        std::string line;
        std::size_t end = 0;  // of the text before trailing spaces
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i > 0) line.append(kGap, ' ');
            const std::string spaces(widths[i] - row[i].text.size(), ' ');
            if (columns_[i].align == Align::right) line += spaces;
            line += painted(row[i].text, row[i].tone, paint);
            if (!row[i].text.empty()) end = line.size();
            if (columns_[i].align == Align::left) line += spaces;
        }
        line.erase(end);
        out << line << '\n';
    };
    print_row(headings);
    for (const auto& row : rows_) print_row(row);
}

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

std::string local_time(const std::string& utc) {
    return local_time_as(utc, "%Y-%m-%d %H:%M");
}

std::string local_time_with_seconds(const std::string& utc) {
    return local_time_as(utc, "%Y-%m-%d %H:%M:%S");
}

std::string without_fraction(const std::string& utc) {
    const std::size_t point = utc.find('.');
    return point == utc.npos ? utc : utc.substr(0, point) + "Z";
}

std::optional<std::int64_t> seconds_of(const std::string& utc) {
    return time_of(utc);
}

std::string duration_words(std::int64_t seconds) {
    const std::int64_t minutes = seconds / 60;
    const std::int64_t hours = minutes / 60;
    const std::int64_t days = hours / 24;
    if (days > 0) return std::to_string(days) + " d " + std::to_string(hours % 24) + " h";
    if (hours > 0) return std::to_string(hours) + " h " + std::to_string(minutes % 60) + " min";
    if (minutes > 0) {
        return std::to_string(minutes) + " min " + std::to_string(seconds % 60) + " s";
    }
    return std::to_string(seconds) + " s";
}

}  // namespace secrets::ctl
