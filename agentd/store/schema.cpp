// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/schema.h"

#include <charconv>

namespace secrets::store {
namespace {

/// "SLSS" in ASCII, by which file(1) and a reader of the header recognise the format.
constexpr std::int64_t kApplicationId = 0x534c5353;
constexpr std::int64_t kFormat = 1;

/// Not STRICT, which SQLite knows from 3.37 on: RHEL 9 has 3.34, and statements bind each type.
constexpr char kTables[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE secrets("
    "  scope INTEGER NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,"
    "  generation INTEGER NOT NULL, set_at INTEGER NOT NULL, expires_at INTEGER,"
    "  used_at INTEGER, used_job INTEGER, sealed BLOB NOT NULL,"
    "  PRIMARY KEY(scope, owner, name)) WITHOUT ROWID;"
    "PRAGMA application_id=1397510995;"
    "PRAGMA user_version=1;";

/// Made in a database of an earlier version, too, which ignores the table.
constexpr char kUsersTable[] =
    "CREATE TABLE IF NOT EXISTS users(owner TEXT PRIMARY KEY, name TEXT NOT NULL) "
    "WITHOUT ROWID;";

constexpr std::int64_t kUserScope = 1;
constexpr std::int64_t kWorkspaceScope = 2;

std::int64_t scope_of(const Owner& owner) {
    return owner.is_workspace() ? kWorkspaceScope : kUserScope;
}

std::string text_of(const Owner& owner) {
    return owner.is_workspace() ? owner.workspace() : std::to_string(owner.uid().value);
}

std::optional<Owner> owner_of(std::int64_t scope, const std::string& text) {
    if (scope == kWorkspaceScope && !text.empty()) return Owner::workspace_named(text);
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (scope != kUserScope || text.empty() || error != std::errc() ||
        end != text.data() + text.size() || std::to_string(uid) != text) {
        return std::nullopt;
    }
    return Owner::user(Uid{uid});
}

std::int64_t seconds(Time time) {
    return time.time_since_epoch().count();
}
Time time_of(std::int64_t seconds) {
    return Time(std::chrono::seconds(seconds));
}

void add_text(std::string& context, const std::string& text) {
    context += std::to_string(text.size()) + ":" + text + ";";
}

}  // namespace

std::string context_of(const Owner& owner, const SecretHead& head) {
    std::string context = "slurm-secrets 1;" + std::to_string(scope_of(owner)) + ";";
    add_text(context, text_of(owner));
    add_text(context, head.name);
    context += std::to_string(head.generation) + ";" + std::to_string(seconds(head.set)) + ";";
    context += head.expires ? std::to_string(seconds(*head.expires)) : "never";
    return context;
}

Status make_or_check_tables(const SqliteDatabase& database, const std::string& key_id) {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.status();
    const auto format = database.number_of("PRAGMA user_version");
    if (!format) return format.status();
    const auto application = database.number_of("PRAGMA application_id");
    if (!application) return application.status();
    const auto tables = database.number_of("SELECT count(*) FROM sqlite_schema");
    if (!tables) return tables.status();
    if (*tables == 0) {
        if (Status wrong = database.run(kTables); !wrong.ok()) return wrong;
        if (Status wrong = database.run(kUsersTable); !wrong.ok()) return wrong;
        if (Status wrong = put_key_id(database, key_id); !wrong.ok()) return wrong;
        return transaction->commit();
    }
    if (*application != kApplicationId) {
        return Status::failed("cannot open the store " + database.path() +
                              ": it is a database of another application; move it away");
    }
    if (*format != kFormat) {
        return Status::failed(
            "cannot open the store " + database.path() + ": it has format " +
            std::to_string(*format) +
            ", and this version supports only format 1; run the version that wrote it");
    }
    auto check = database.prepare("PRAGMA quick_check(1)");
    if (!check) return check.status();
    const auto row = check->step();
    if (!row) return row.status();
    if (!*row || check->bytes(0) != "ok") {
        return Status::failed("cannot open the store " + database.path() + ": it is damaged (" +
                              check->bytes(0) + "); restore a backup");
    }
    if (Status wrong = database.run(kUsersTable); !wrong.ok()) return wrong;
    return transaction->commit();
}

StatusOr<std::string> stored_key_id(const SqliteDatabase& database) {
    auto statement = database.prepare("SELECT value FROM meta WHERE name='key'");
    if (!statement) return statement.status();
    const auto row = statement->step();
    if (!row) return row.status();
    if (!*row)
        return Status::unavailable("cannot open the store " + database.path() +
                                   ": it does not name its key");
    return statement->bytes(0);
}

Status put_key_id(const SqliteDatabase& database, const std::string& key_id) {
    auto statement = database.prepare("INSERT OR REPLACE INTO meta VALUES('key', ?1)");
    if (!statement) return statement.status();
    return statement->bind_text(1, key_id).run();
}

Status for_each_row(const SqliteDatabase& database, const std::function<void(Row)>& take) {
    auto statement = database.prepare(
        "SELECT scope, owner, name, generation, set_at, expires_at, used_at, used_job, sealed "
        "FROM secrets");
    if (!statement) return statement.status();
    while (true) {
        const auto more = statement->step();
        if (!more) return more.status();
        if (!*more) return Status();
        const auto owner = owner_of(statement->number(0), statement->bytes(1));
        if (!owner) {
            return Status::failed("cannot read the store " + database.path() +
                                  ": invalid owner of a secret; restore a backup");
        }
        SecretHead head;
        head.name = statement->bytes(2);
        head.generation = static_cast<std::uint64_t>(statement->number(3));
        head.set = time_of(statement->number(4));
        if (const auto expires = statement->number_or_none(5)) head.expires = time_of(*expires);
        const auto used_at = statement->number_or_none(6);
        if (used_at) {
            head.used = {JobId{static_cast<std::uint32_t>(statement->number(7))},
                         time_of(*used_at)};
        }
        take({*owner, std::move(head), statement->bytes(8)});
    }
}

Status put_row(const SqliteDatabase& database, const Owner& owner, const SecretHead& head,
               const std::string& sealed) {
    auto statement =
        database.prepare("INSERT OR REPLACE INTO secrets VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)");
    if (!statement) return statement.status();
    const std::string text = text_of(owner);
    std::optional<std::int64_t> expires, used_at, used_job;
    if (head.expires) expires = seconds(*head.expires);
    if (head.used) {
        used_at = seconds(head.used->at);
        used_job = head.used->job.value;
    }
    return statement->bind(1, scope_of(owner))
        .bind_text(2, text)
        .bind_text(3, head.name)
        .bind(4, static_cast<std::int64_t>(head.generation))
        .bind(5, seconds(head.set))
        .bind_or_null(6, expires)
        .bind_or_null(7, used_at)
        .bind_or_null(8, used_job)
        .bind_blob(9, sealed)
        .run();
}

Status put_use(const SqliteDatabase& database, const Owner& owner, const std::string& name,
               const SecretHead::Use& use) {
    auto statement = database.prepare(
        "UPDATE secrets SET used_at=?1, used_job=?2 WHERE scope=?3 AND owner=?4 AND name=?5");
    if (!statement) return statement.status();
    const std::string text = text_of(owner);
    return statement->bind(1, seconds(use.at))
        .bind(2, std::int64_t{use.job.value})
        .bind(3, scope_of(owner))
        .bind_text(4, text)
        .bind_text(5, name)
        .run();
}

Status delete_row(const SqliteDatabase& database, const Owner& owner, const std::string& name) {
    auto statement =
        database.prepare("DELETE FROM secrets WHERE scope=?1 AND owner=?2 AND name=?3");
    if (!statement) return statement.status();
    const std::string text = text_of(owner);
    return statement->bind(1, scope_of(owner)).bind_text(2, text).bind_text(3, name).run();
}

Status delete_rows(const SqliteDatabase& database, const Owner& owner) {
    auto statement = database.prepare("DELETE FROM secrets WHERE scope=?1 AND owner=?2");
    if (!statement) return statement.status();
    const std::string text = text_of(owner);
    return statement->bind(1, scope_of(owner)).bind_text(2, text).run();
}

Status for_each_user(const SqliteDatabase& database,
                     const std::function<void(const Owner&, std::string)>& take) {
    auto statement = database.prepare("SELECT owner, name FROM users");
    if (!statement) return statement.status();
    while (true) {
        const auto more = statement->step();
        if (!more) return more.status();
        if (!*more) return Status();
        const auto owner = owner_of(kUserScope, statement->bytes(0));
        if (owner) take(*owner, statement->bytes(1));
    }
}

Status put_user(const SqliteDatabase& database, const Owner& owner, const std::string& name) {
    auto statement = database.prepare("INSERT OR REPLACE INTO users VALUES(?1, ?2)");
    if (!statement) return statement.status();
    const std::string text = text_of(owner);
    return statement->bind_text(1, text).bind_text(2, name).run();
}

Status delete_user(const SqliteDatabase& database, const Owner& owner) {
    auto statement = database.prepare("DELETE FROM users WHERE owner=?1");
    if (!statement) return statement.status();
    const std::string text = text_of(owner);
    return statement->bind_text(1, text).run();
}

}  // namespace secrets::store
