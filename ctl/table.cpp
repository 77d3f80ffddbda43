#include "ctl/table.h"

#include <time.h>

#include <algorithm>

namespace secrets::ctl {
namespace {

constexpr std::size_t kGap = 2;

std::string padded(const std::string& cell, std::size_t width, Align align) {
    const std::string spaces(width - std::min(width, cell.size()), ' ');
    return align == Align::left ? cell + spaces : spaces + cell;
}

}  // namespace

void Table::print(std::ostream& out) const {
    std::vector<std::string> headings;
    headings.reserve(columns_.size());
    for (const Column& column : columns_) headings.push_back(column.heading);

    std::vector<std::size_t> widths;
    widths.reserve(columns_.size());
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = headings[i].size();
        for (const auto& row : rows_) width = std::max(width, row[i].size());
        widths.push_back(width);
    }

    const auto print_row = [&](const std::vector<std::string>& row) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i > 0) line.append(kGap, ' ');
            line += padded(row[i], widths[i], columns_[i].align);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    };
    print_row(headings);
    for (const auto& row : rows_) print_row(row);
}

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

std::string local_time(const std::string& utc) {
    tm parts{};
    const char* end = ::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (end == nullptr || *end != '\0') return utc;
    const time_t time = ::timegm(&parts);
    char text[64];
    if (::localtime_r(&time, &parts) == nullptr) return utc;
    return {text, ::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts)};
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
