// SPDX-License-Identifier: Apache-2.0
#pragma once
// Creates the store's tables, and has each statement that reads or writes them.

#include <functional>
#include <string>

#include "agentd/store/sealing.h"
#include "agentd/store/secret_store.h"

namespace secrets::store {

/// A row of `secrets`. None of its fields can be trusted before its value was unsealed.
struct Row {
    Owner owner;
    SecretHead head;
    std::string sealed;
};

/// Returns the context of a value's sealing: every field of its row that must not change. Each text
/// is preceded by its length, and numbers are decimal.
std::string context_of(const Owner& owner, const SecretHead& head);

/// Creates the tables in an empty database. In any other, checks that the format is known and that
/// the file is intact.
Status make_or_check_tables(const SqliteDatabase& database, const std::string& key_id);

StatusOr<std::string> stored_key_id(const SqliteDatabase& database);
Status put_key_id(const SqliteDatabase& database, const std::string& key_id);

Status for_each_row(const SqliteDatabase& database, const std::function<void(Row)>& take);
Status put_row(const SqliteDatabase& database, const Owner& owner, const SecretHead& head,
               const std::string& sealed);
Status put_use(const SqliteDatabase& database, const Owner& owner, const std::string& name,
               const SecretHead::Use& use);
Status delete_row(const SqliteDatabase& database, const Owner& owner, const std::string& name);
/// Deletes all secrets of an owner.
Status delete_rows(const SqliteDatabase& database, const Owner& owner);

Status for_each_user(const SqliteDatabase& database,
                     const std::function<void(const Owner&, std::string)>& take);
Status put_user(const SqliteDatabase& database, const Owner& owner, const std::string& name);
Status delete_user(const SqliteDatabase& database, const Owner& owner);

}  // namespace secrets::store
