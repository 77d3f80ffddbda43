// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/sqlite.h"

#include <sys/stat.h>

#include <limits>

namespace secrets::store {
namespace {

/// Time for another process to end its writing: `--rekey` and the steps of a backup are short.
constexpr int kBusyOfLoop = 50;
constexpr int kBusyOfCommand = 5000;

/// Pages that one step of a copy reads while it has the database locked, and the pause after it.
constexpr int kPagesOfStep = 64;
constexpr int kPauseMilliseconds = 5;
/// Times that a copy begins anew.
constexpr int kMostRounds = 3;
/// Steps in a row that may find the database locked, each after kBusyOfCommand.
constexpr int kMostLocked = 12;

}  // namespace

Statement& Statement::bind(int index, std::int64_t number) {
    sqlite3_bind_int64(statement_.get(), index, number);
    return *this;
}

Statement& Statement::bind_or_null(int index, std::optional<std::int64_t> number) {
    return number ? bind(index, *number) : *this;  // not bound: NULL
}

Statement& Statement::bind_text(int index, std::string_view text) {
    sqlite3_bind_text(statement_.get(), index, text.data(), static_cast<int>(text.size()),
                      SQLITE_STATIC);
    return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
    sqlite3_bind_blob(statement_.get(), index, bytes.data(), static_cast<int>(bytes.size()),
                      SQLITE_STATIC);
    return *this;
}

StatusOr<bool> Statement::step() {
    const int result = sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return database_->failed();
}

Status Statement::run() {
    const auto row = step();
    if (!row) return row.status();
    return Status();
}

std::int64_t Statement::number(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::optional<std::int64_t> Statement::number_or_none(int column) const {
    if (sqlite3_column_type(statement_.get(), column) == SQLITE_NULL) return std::nullopt;
    return number(column);
}

std::string Statement::bytes(int column) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    if (bytes == nullptr || size <= 0) return {};
    return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

StatusOr<SqliteDatabase> SqliteDatabase::open(const std::string& path, bool may_create,
                                              Patience patience) {
    return open(path.c_str(), SQLITE_OPEN_NOFOLLOW | (may_create ? SQLITE_OPEN_CREATE : 0), path,
                patience);
}

StatusOr<SqliteDatabase> SqliteDatabase::in_memory(const std::string& name) {
    return open(":memory:", SQLITE_OPEN_MEMORY | SQLITE_OPEN_CREATE, name, Patience::event_loop);
}

StatusOr<SqliteDatabase> SqliteDatabase::open(const char* file, int flags, const std::string& name,
                                              Patience patience) {
    sqlite3* opened = nullptr;
    flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const mode_t mask = umask(0077);
    const int result = sqlite3_open_v2(file, &opened, flags, nullptr);
    umask(mask);
    SqliteDatabase database(name, opened);
    if (result != SQLITE_OK) return database.failed();
    database.set_patience(patience);
    // Deleted data is overwritten with zeros, in the file and not in a temporary one. A commit is
    // on the disk, with the directory's change, before it returns. The schema is not trusted.
    for (const char* pragma :
         {"PRAGMA secure_delete=ON", "PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA",
          "PRAGMA temp_store=MEMORY", "PRAGMA trusted_schema=OFF", "PRAGMA cell_size_check=ON"}) {
        if (Status wrong = database.run(pragma); !wrong.ok()) return wrong;
    }
    return database;
}

void SqliteDatabase::set_patience(Patience patience) {
    sqlite3_busy_timeout(database_.get(),
                         patience == Patience::command ? kBusyOfCommand : kBusyOfLoop);
}

Status SqliteDatabase::failed() const {
    const int code = sqlite3_extended_errcode(database_.get());
    const std::string what = database_ ? sqlite3_errmsg(database_.get()) : "out of memory";
    const char* advice = "";
    switch (code & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            advice = "; restore a backup, or move it away to start with an empty store";
            break;
        case SQLITE_FULL:
            advice = "; free space on its disk";
            break;
        case SQLITE_BUSY:
            advice = "; another process is writing to it, try again";
            break;
        case SQLITE_READONLY:
            if (code == SQLITE_READONLY_DBMOVED) {
                advice = "; it was moved or replaced, restart slurm-secretsd";
            }
            break;
        default:
            break;
    }
    return Status::unavailable("the store " + path_ + ": " + what + advice);
}

StatusOr<Statement> SqliteDatabase::prepare(std::string_view sql) const {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &statement,
                           nullptr) != SQLITE_OK) {
        return failed();
    }
    return Statement(*this, statement);
}

Status SqliteDatabase::run(const char* sql) const {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return failed();
    }
    return Status();
}

Status SqliteDatabase::copy_to(const SqliteDatabase& empty) const {
    sqlite3_backup* const copy =
        sqlite3_backup_init(empty.database_.get(), "main", database_.get(), "main");
    if (copy == nullptr) return empty.failed();
    // A change by another process meanwhile makes SQLite begin anew. After some rounds one step
    // copies all: users who change their secrets again and again cannot interrupt that.
    int result = SQLITE_OK;
    int rounds = 0;
    int left = std::numeric_limits<int>::max();
    for (int locked = 0; result == SQLITE_OK || locked > 0;) {
        result = sqlite3_backup_step(copy, rounds < kMostRounds ? kPagesOfStep : -1);
        if (result == SQLITE_OK) {
            if (sqlite3_backup_remaining(copy) >= left) ++rounds;
            left = sqlite3_backup_remaining(copy);
        }
        const bool is_locked = result == SQLITE_BUSY || result == SQLITE_LOCKED;
        locked = is_locked && locked < kMostLocked ? locked + 1 : 0;
        if (result != SQLITE_DONE) sqlite3_sleep(kPauseMilliseconds);
    }
    const int finished = sqlite3_backup_finish(copy);
    return result == SQLITE_DONE && finished == SQLITE_OK ? Status() : empty.failed();
}

StatusOr<std::int64_t> SqliteDatabase::number_of(const char* sql) const {
    auto statement = prepare(sql);
    if (!statement) return statement.status();
    const auto row = statement->step();
    if (!row) return row.status();
    return *row ? statement->number(0) : 0;
}

StatusOr<Transaction> Transaction::begin(const SqliteDatabase& database) {
    if (Status wrong = database.run("BEGIN IMMEDIATE"); !wrong.ok()) return wrong;
    return Transaction(database);
}

Transaction::~Transaction() {
    // ROLLBACK fails only if SQLite has already rolled back by itself.
    if (database_ != nullptr) (void)database_->run("ROLLBACK");
}

Status Transaction::commit() {
    if (Status wrong = database_->run("COMMIT"); !wrong.ok()) return wrong;
    database_ = nullptr;
    return Status();
}

}  // namespace secrets::store
