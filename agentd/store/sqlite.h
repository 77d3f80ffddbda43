// SPDX-License-Identifier: Apache-2.0
#pragma once
// SQLite as it is used here: a database, statements, a transaction. Errors are sentences that name
// the file.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets::store {

class SqliteDatabase;

/// One statement on its way: bind, step, read. Parameters and columns count from 1 and from 0, as
/// SQLite has it. What is bound must live until the last step.
class Statement {
  public:
    Statement& bind(int index, std::int64_t number);
    Statement& bind_or_null(int index, std::optional<std::int64_t> number);
    Statement& bind_text(int index, std::string_view text);
    Statement& bind_blob(int index, std::string_view bytes);

    /// Whether there is a further row.
    StatusOr<bool> step();
    /// For statements without rows.
    Status run();

    std::int64_t number(int column) const;
    std::optional<std::int64_t> number_or_none(int column) const;
    /// A text's or a blob's bytes.
    std::string bytes(int column) const;

  private:
    friend class SqliteDatabase;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    Statement(const SqliteDatabase& database, sqlite3_stmt* statement)
        : database_(&database), statement_(statement) {}

    const SqliteDatabase* database_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// An open database. Not thread-safe.
class SqliteDatabase {
  public:
    /// Opens the file, and makes it (mode 0600) where `may_create` and there is none.
    static StatusOr<SqliteDatabase> open(const std::string& path, bool may_create);
    /// An empty one that is gone with the object; errors call it `name`.
    static StatusOr<SqliteDatabase> in_memory(const std::string& name);

    StatusOr<Statement> prepare(std::string_view sql) const;
    Status run(const char* sql) const;
    /// The one number that a query gives.
    StatusOr<std::int64_t> number_of(const char* sql) const;

    /// How many rows the last change touched.
    int changed_rows() const { return sqlite3_changes(database_.get()); }

    const std::string& path() const { return path_; }
    Status failed() const;

  private:
    struct Close {
        void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
    };
    SqliteDatabase(std::string path, sqlite3* database)
        : path_(std::move(path)), database_(database) {}
    static StatusOr<SqliteDatabase> open(const char* file, int flags, const std::string& name);

    std::string path_;
    std::unique_ptr<sqlite3, Close> database_;
};

/// All or nothing: rolled back unless it is committed.
class Transaction {
  public:
    /// Takes the write lock at once.
    static StatusOr<Transaction> begin(const SqliteDatabase& database);
    Transaction(Transaction&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    Status commit();

  private:
    explicit Transaction(const SqliteDatabase& database) : database_(&database) {}
    const SqliteDatabase* database_;
};

}  // namespace secrets::store
