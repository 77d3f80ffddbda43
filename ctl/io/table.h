// SPDX-License-Identifier: Apache-2.0
#pragma once
// Output for users: tables, numbers with their nouns, times.

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "ctl/io/colour.h"

namespace secrets::ctl {

enum class Align { left, right };

struct Column {
    std::string heading;
    Align align = Align::left;
};

struct Cell {
    Cell(std::string words, Tone how = Tone::plain) : text(std::move(words)), tone(how) {}
    Cell(const char* words) : text(words) {}

    std::string text;
    Tone tone = Tone::plain;
};

/// Rows under headings, each column as wide as its widest cell.
class Table {
  public:
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// Adds a row, which must have as many cells as the table has columns.
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.empty(); }
    void print(std::ostream& out, Paint paint = Paint::no) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

/// Returns a number with its noun: "1 secret", "3 secrets".
std::string counted(std::size_t count, const std::string& noun);

/// Returns 2026-11-25T16:00:00Z as local time, to the minute; returns any other text unchanged.
std::string local_time(const std::string& utc);

/// Returns the local time to the second.
std::string local_time_with_seconds(const std::string& utc);

/// Returns 2026-11-25T16:00:00.123456Z to the second, in the same form.
std::string without_fraction(const std::string& utc);

/// Returns 2026-11-25T16:00:00Z in seconds since 1970; nothing if `utc` is not such a time.
std::optional<std::int64_t> seconds_of(const std::string& utc);

/// Returns the two largest units: "3 h 4 min", "12 s".
std::string duration_words(std::int64_t seconds);

}  // namespace secrets::ctl
