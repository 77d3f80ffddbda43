// SPDX-License-Identifier: Apache-2.0
#pragma once
// Wraps the parts of SQLite that the store uses: a database, statements, a transaction. Each Status
// has a sentence that names the file.

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/status.h"

namespace secrets::store {

class SqliteDatabase;

/// A prepared statement: bind, step, read. Parameters count from 1 and columns from 0, as in
/// SQLite. Bound data must live until the last step.
class Statement {
  public:
    Statement& bind(int index, std::int64_t number);
    Statement& bind_or_null(int index, std::optional<std::int64_t> number);
    Statement& bind_text(int index, std::string_view text);
    Statement& bind_blob(int index, std::string_view bytes);

    /// Returns whether there is a further row.
    StatusOr<bool> step();
    /// Runs a statement that returns no rows.
    Status run();

    std::int64_t number(int column) const;
    std::optional<std::int64_t> number_or_none(int column) const;
    /// Returns the bytes of a text or a blob.
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
    /// How long a change waits for another process that has locked the file.
    enum class Patience {
        event_loop,  ///< hardly: all requests wait meanwhile
        command,     ///< some seconds
    };
    /// Opens the file. Creates it (mode 0600) if there is none and `may_create` is set.
    static StatusOr<SqliteDatabase> open(const std::string& path, bool may_create,
                                         Patience patience = Patience::command);
    /// Opens an empty database in memory, which ends with the object. Messages call it `name`.
    static StatusOr<SqliteDatabase> in_memory(const std::string& name);

    void set_patience(Patience patience);

    StatusOr<Statement> prepare(std::string_view sql) const;
    Status run(const char* sql) const;
    /// Copies the database into an empty file, in steps that lock the database for some
    /// milliseconds each, so that a running agent can go on writing.
    Status copy_to(const SqliteDatabase& empty) const;
    /// Returns the one number that a query yields.
    StatusOr<std::int64_t> number_of(const char* sql) const;

    /// The number of rows that the last change touched.
    int changed_rows() const { return sqlite3_changes(database_.get()); }

    const std::string& path() const { return path_; }
    Status failed() const;

  private:
    struct Close {
        void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
    };
    SqliteDatabase(std::string path, sqlite3* database)
        : path_(std::move(path)), database_(database) {}
    static StatusOr<SqliteDatabase> open(const char* file, int flags, const std::string& name,
                                         Patience patience);

    std::string path_;
    std::unique_ptr<sqlite3, Close> database_;
};

/// A transaction, which is rolled back unless it is committed.
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
