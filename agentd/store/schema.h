// SPDX-License-Identifier: Apache-2.0
#pragma once
// The store's tables: their making, and each statement that reads or writes them.

#include <functional>
#include <string>

#include "agentd/store/sealing.h"
#include "agentd/store/secret_store.h"

namespace secrets::store {

/// A row of `secrets`. Nothing in it can be trusted before its value was opened.
struct Row {
    Owner owner;
    SecretHead head;
    std::string sealed;
};

/// What a value is sealed in: all of its row that must not change. Texts are preceded by their
/// length, numbers stand in decimal.
std::string context_of(const Owner& owner, const SecretHead& head);

/// Makes the tables in an empty database; else sees that the format is one we know and that the
/// file is whole.
Status make_or_check_tables(const SqliteDatabase& database, const std::string& key_id);

StatusOr<std::string> stored_key_id(const SqliteDatabase& database);
Status put_key_id(const SqliteDatabase& database, const std::string& key_id);

Status for_each_row(const SqliteDatabase& database, const std::function<void(Row)>& take);
Status put_row(const SqliteDatabase& database, const Owner& owner, const SecretHead& head,
               const std::string& sealed);
Status put_use(const SqliteDatabase& database, const Owner& owner, const std::string& name,
               const SecretHead::Use& use);
Status delete_row(const SqliteDatabase& database, const Owner& owner, const std::string& name);

}  // namespace secrets::store
