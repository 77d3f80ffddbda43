#pragma once
// What people read: columns, numbers with their nouns, times.

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace secrets::ctl {

enum class Align { left, right };

struct Column {
    std::string heading;
    Align align = Align::left;
};

/// Rows under headings, each column as wide as its widest cell.
class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// As many cells as there are columns.
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.empty(); }
    void print(std::ostream& out) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// "1 secret", "3 secrets".
std::string counted(std::size_t count, const std::string& noun);

/// 2026-11-25T16:00:00Z as local time, to the minute; what is not such a time stays as it is.
std::string local_time(const std::string& utc);

/// "3 h 4 min", "12 s": the two largest units.
std::string duration_words(std::int64_t seconds);

}  // namespace secrets::ctl
