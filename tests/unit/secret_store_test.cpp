// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/secret_store.h"

#include <sys/stat.h>

#include "tests/unit/catch.h"
#include "tests/unit/kept.h"

namespace secrets::store {
namespace {

const Owner kAlice = Owner::user(Uid{1001});
const Owner kBob = Owner::user(Uid{1002});
const Owner kLab = Owner::workspace_named("lab");

Time at(std::int64_t seconds) {
    return Time(std::chrono::seconds(seconds));
}

SecretHead head(std::string name, std::uint64_t generation = 1) {
    SecretHead made;
    made.name = std::move(name);
    made.generation = generation;
    made.set = at(1000);
    return made;
}

/// A store and the directory that it lies in.
struct StoreFixture {
    TemporaryFolder folder;
    std::string path = folder.file("store.db");
    std::unique_ptr<SecretStore> store = open();

    std::unique_ptr<SecretStore> open(char key = 'k') {
        return std::move(SecretStore::open(path, key_of(folder, key)).value());
    }
    std::string error(char key = 'k') {
        const auto opened = SecretStore::open(path, key_of(folder, key));
        return opened ? "(opened)" : opened.status().message();
    }
    void reopen() {
        store.reset();
        store = open();
    }
    void put(const Owner& owner, const std::string& name, std::string_view value) {
        const SecretHead* old = store->find(owner, name);
        REQUIRE(
            store->put(owner, head(name, old != nullptr ? old->generation + 1 : 1), view_of(value))
                .ok());
    }
    std::string value(const Owner& owner, const std::string& name) const {
        const auto found = store->value_of(owner, name);
        return found ? std::string(text_of(found->view().bytes())) : found.status().message();
    }
    /// Runs SQL on the file, as somebody who may write to it would.
    void tamper(const std::string& sql) {
        store.reset();
        const auto database = SqliteDatabase::open(path, false);
        REQUIRE(database->run(sql.c_str()).ok());
    }
};

TEST_CASE("SecretStore: returns stored secrets after it is reopened", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "TOKEN", "a value");
    kept.put(kBob, "TOKEN", "bob's");
    kept.put(kLab, "TOKEN", std::string(64 * 1024, 'x'));
    SecretHead expiring = head("SOON", 3);
    expiring.expires = at(5000);
    REQUIRE(kept.store->put(kAlice, expiring, view_of(std::string_view("a\0b", 3))).ok());
    kept.reopen();

    CHECK(kept.value(kAlice, "TOKEN") == "a value");
    CHECK(kept.value(kBob, "TOKEN") == "bob's");
    CHECK(kept.value(kLab, "TOKEN") == std::string(64 * 1024, 'x'));
    CHECK(kept.value(kAlice, "SOON") == std::string("a\0b", 3));
    const SecretHead* found = kept.store->find(kAlice, "SOON");
    REQUIRE(found != nullptr);
    CHECK(found->generation == 3);
    CHECK(found->set == at(1000));
    CHECK(found->expires == at(5000));
    CHECK(found->bytes == 3);
    CHECK(found->has_nul);
    CHECK_FALSE(kept.store->find(kAlice, "TOKEN")->has_nul);
    CHECK(kept.store->usage().secrets == 4);
    CHECK(kept.store->usage_of(kAlice).bytes == 10);
    CHECK(kept.store->owners() == 3);
    CHECK(kept.store->find(kBob, "SOON") == nullptr);
}

TEST_CASE("SecretStore: persists replaced and renamed and removed secrets", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "first");
    kept.put(kAlice, "A", "second");
    kept.put(kAlice, "B", "b");
    REQUIRE(kept.store->rename(kAlice, "B", "C").ok());
    kept.put(kAlice, "D", "d");
    REQUIRE(kept.store->remove(kAlice, "D").ok());
    REQUIRE(kept.store->remove(kAlice, "NEVER").ok());
    CHECK_FALSE(kept.store->rename(kAlice, "NEVER", "E").ok());
    for (int pass = 0; pass < 2; ++pass) {
        CHECK(kept.value(kAlice, "A") == "second");
        CHECK(kept.store->find(kAlice, "A")->generation == 2);
        CHECK(kept.value(kAlice, "C") == "b");
        CHECK(kept.store->find(kAlice, "C")->generation == 2);
        CHECK(kept.store->list(kAlice).size() == 2);
        CHECK(kept.store->usage().secrets == 2);
        CHECK(kept.store->usage().bytes == 7);
        kept.reopen();
    }
    REQUIRE(kept.store->remove(kAlice, "A").ok());
    REQUIRE(kept.store->remove(kAlice, "C").ok());
    CHECK(kept.store->owners() == 0);
}

TEST_CASE("SecretStore: writes no plain value into its file of mode 0600", "[store]") {
    StoreFixture kept;
    const std::string canary = "canary-" + std::string(40, 'q');
    kept.put(kAlice, "A", canary);
    kept.put(kAlice, "A", canary + "2");
    kept.put(kLab, "B", canary);
    REQUIRE(kept.store->remove(kLab, "B").ok());
    REQUIRE(kept.store->rename(kAlice, "A", "C").ok());
    CHECK(content_of(kept.path).find("canary") == std::string::npos);
    CHECK(content_of(kept.path).find("SQLite format") == 0);
    struct stat status {};
    REQUIRE(stat(kept.path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("SecretStore: leaves no trace of a removed secret in the file", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "GONE", std::string(2000, 'v'));
    const auto before = content_of(kept.path);
    REQUIRE(kept.store->remove(kAlice, "GONE").ok());
    const auto after = content_of(kept.path);
    CHECK(before.find("GONE") != std::string::npos);
    CHECK(after.find("GONE") == std::string::npos);
}

TEST_CASE("SecretStore: rejects a wrong key", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    kept.store.reset();
    CHECK(kept.error('w').find("is sealed under the key ") != std::string::npos);
    CHECK(kept.error('w').find("put the right key back") != std::string::npos);
    kept.store = kept.open();
    CHECK(kept.value(kAlice, "A") == "value");
}

TEST_CASE("SecretStore: opens no value with a wrong key of the expected id", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    kept.tamper("UPDATE meta SET value='" + key_of(kept.folder, 'w').id() + "'");
    kept.store = kept.open('w');
    CHECK(kept.store->find(kAlice, "A")->damaged);
    CHECK(kept.value(kAlice, "A").find("cannot decrypt the value") != std::string::npos);
}

TEST_CASE("SecretStore: names an altered or moved row and does not use it", "[store]") {
    const std::string sql = GENERATE(
        as<std::string>{}, "UPDATE secrets SET name='B'", "UPDATE secrets SET owner='1002'",
        "UPDATE secrets SET scope=2, owner='lab'", "UPDATE secrets SET generation=7",
        "UPDATE secrets SET set_at=1", "UPDATE secrets SET expires_at=9",
        "UPDATE secrets SET sealed=x'00'", "UPDATE secrets SET sealed=zeroblob(60)",
        "UPDATE secrets SET sealed=CAST(sealed||x'00' AS BLOB)",
        "UPDATE secrets SET sealed=substr(sealed,2)");
    CAPTURE(sql);
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    kept.tamper(sql);
    kept.store = kept.open();
    REQUIRE(kept.store->damage().size() == 1);
    CHECK(kept.store->damage()[0].find("was altered or moved") != std::string::npos);
    CHECK(kept.store->damage()[0].find(sql.find("'B'") == sql.npos ? "'A'" : "'B'") !=
          std::string::npos);
    for (const Owner& owner : {kAlice, kBob, kLab}) {
        for (const SecretHead* found : kept.store->list(owner)) {
            CHECK(found->damaged);
            CHECK(!kept.store->value_of(owner, found->name));
        }
    }
}

TEST_CASE("SecretStore: names both rows when two were exchanged", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value a");
    kept.put(kAlice, "B", "value b");
    kept.tamper(
        "UPDATE secrets SET name='T' WHERE name='A'; UPDATE secrets SET name='A' WHERE name='B';"
        "UPDATE secrets SET name='B' WHERE name='T'");
    kept.store = kept.open();
    CHECK(kept.store->damage().size() == 2);
    kept.put(kAlice, "A", "set again");
    CHECK(kept.value(kAlice, "A") == "set again");
    CHECK(kept.store->damage().size() == 1);
    REQUIRE(kept.store->remove(kAlice, "B").ok());
    CHECK(kept.store->damage().empty());
}

TEST_CASE("SecretStore: persists the last use of a secret until its value changes", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    CHECK_FALSE(kept.store->has_unsaved_uses());
    kept.store->note_use(kAlice, "A", {JobId{42}, at(2000)});
    kept.store->note_use(kAlice, "NEVER", {JobId{42}, at(2000)});
    CHECK(kept.store->find(kAlice, "A")->used->job == JobId{42});
    REQUIRE(kept.store->has_unsaved_uses());
    REQUIRE(kept.store->save_uses().ok());
    CHECK_FALSE(kept.store->has_unsaved_uses());
    kept.reopen();
    CHECK(kept.store->find(kAlice, "A")->used->job == JobId{42});
    CHECK(kept.store->find(kAlice, "A")->used->at == at(2000));
    CHECK(kept.value(kAlice, "A") == "value");
    kept.put(kAlice, "A", "new");
    CHECK_FALSE(kept.store->find(kAlice, "A")->used);
}

TEST_CASE("SecretStore: returns the secret that expires first", "[store]") {
    StoreFixture kept;
    CHECK_FALSE(kept.store->next_to_expire());
    for (const int expires : {7000, 5000, 6000}) {
        SecretHead made = head("AT" + std::to_string(expires));
        made.expires = at(expires);
        REQUIRE(kept.store->put(kLab, made, view_of("v")).ok());
    }
    kept.put(kLab, "NEVER", "v");
    REQUIRE(kept.store->next_to_expire());
    CHECK(kept.store->next_to_expire()->name == "AT5000");
    CHECK(kept.store->next_to_expire()->owner == kLab);
    REQUIRE(kept.store->remove(kLab, "AT5000").ok());
    CHECK(kept.store->next_to_expire()->name == "AT6000");
}

TEST_CASE("SecretStore: rejects a second open of the same file", "[store]") {
    StoreFixture kept;
    CHECK(kept.error().find("in use by another slurm-secretsd") != std::string::npos);
}

TEST_CASE("SecretStore: keeps its values and rejects the old key after a rekey", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    kept.put(kLab, "B", "value b");
    kept.store->note_use(kAlice, "A", {JobId{42}, at(2000)});
    REQUIRE(kept.store->save_uses().ok());
    const StoreKey old_key = key_of(kept.folder, 'k');
    const StoreKey new_key = key_of(kept.folder, 'n');

    SECTION("while an open store answers and rejects changes") {
        REQUIRE(SecretStore::rekey(kept.path, old_key, new_key).value() == 2);
        CHECK(kept.value(kAlice, "A") == "value");
        const auto refused = kept.store->put(kAlice, head("C"), view_of("c"));
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.message().find("resealed") != std::string::npos);
        CHECK_FALSE(kept.store->remove(kAlice, "A").ok());
        CHECK_FALSE(kept.store->rename(kAlice, "A", "D").ok());
        CHECK(kept.store->find(kAlice, "C") == nullptr);
        CHECK(kept.store->find(kAlice, "A") != nullptr);
    }
    SECTION("after the store is closed") {
        kept.store.reset();
        REQUIRE(SecretStore::rekey(kept.path, old_key, new_key).value() == 2);
    }
    kept.store.reset();
    CHECK(kept.error('k').find("is sealed under the key ") != std::string::npos);
    kept.store = kept.open('n');
    CHECK(kept.value(kAlice, "A") == "value");
    CHECK(kept.value(kLab, "B") == "value b");
    CHECK(kept.store->find(kAlice, "A")->used->job == JobId{42});
}

TEST_CASE("SecretStore: rejects a rekey of a damaged store or with a wrong key", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    kept.put(kAlice, "B", "value");
    const StoreKey right = key_of(kept.folder, 'k');
    const StoreKey wrong = key_of(kept.folder, 'w');
    CHECK(!SecretStore::rekey(kept.path, wrong, key_of(kept.folder, 'n')));
    kept.tamper("UPDATE secrets SET sealed=zeroblob(60) WHERE name='B'");
    const auto refused = SecretStore::rekey(kept.path, right, wrong);
    REQUIRE(!refused);
    CHECK(refused.status().message().find("'B'") != std::string::npos);
    kept.store = kept.open();
    CHECK(kept.value(kAlice, "A") == "value");
    CHECK(!SecretStore::rekey(kept.folder.file("none.db"), right, wrong));
}

TEST_CASE("SecretStore: opens a backup as a store", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    const std::string copy = kept.folder.file("copy.db");
    REQUIRE(SecretStore::back_up(kept.path, copy).ok());
    CHECK_FALSE(SecretStore::back_up(kept.path, copy).ok());  // it is there
    struct stat status {};
    REQUIRE(stat(copy.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    kept.put(kAlice, "A", "later");
    kept.store.reset();
    std::filesystem::rename(copy, kept.path);
    kept.store = kept.open();
    CHECK(kept.value(kAlice, "A") == "value");
}

TEST_CASE("SecretStore: rejects changes after its file was replaced", "[store]") {
    StoreFixture kept;
    kept.put(kAlice, "A", "value");
    const std::string copy = kept.folder.file("copy.db");
    REQUIRE(SecretStore::back_up(kept.path, copy).ok());
    std::filesystem::rename(copy, kept.path);
    const auto refused = kept.store->put(kAlice, head("B"), view_of("b"));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.message().find("restart slurm-secretsd") != std::string::npos);
    CHECK(kept.store->find(kAlice, "B") == nullptr);
}

TEST_CASE("SecretStore: rejects a file that is not a store and names it", "[store]") {
    TemporaryFolder folder;
    const std::string path = folder.file("store.db");
    SECTION("not a database") {
        write_file(path, std::string(5000, 'x'));
    }
    SECTION("a database of another program") {
        const auto database = SqliteDatabase::open(path, true);
        REQUIRE(database->run("CREATE TABLE other(x)").ok());
    }
    SECTION("a later format version") {
        {
            const auto store = SecretStore::open(path, key_of(folder, 'k'));
            REQUIRE(store);
        }
        const auto database = SqliteDatabase::open(path, false);
        REQUIRE(database->run("PRAGMA user_version=2").ok());
    }
    SECTION("a symbolic link to a store") {
        {
            const auto store = SecretStore::open(folder.file("other.db"), key_of(folder, 'k'));
            REQUIRE(store);
        }
        std::filesystem::create_symlink(folder.file("other.db"), path);
    }
    SECTION("an impossible owner") {
        {
            const auto store = SecretStore::open(path, key_of(folder, 'k'));
            REQUIRE(store);
        }
        const auto database = SqliteDatabase::open(path, false);
        REQUIRE(
            database->run("INSERT INTO secrets VALUES(1,'-1','A',1,1,NULL,NULL,NULL,x'00')").ok());
    }
    const auto opened = SecretStore::open(path, key_of(folder, 'k'));
    REQUIRE(!opened);
    CHECK(opened.status().message().find(path) != std::string::npos);
}

TEST_CASE("StoreKey: requires a private file of exactly 32 bytes", "[store_key]") {
    TemporaryFolder folder;
    const std::string path = folder.file("key");
    const auto error = [&](bool is_credential = false) {
        const auto key = StoreKey::read(path, is_credential, best_memory_kind());
        return key ? "(read)" : key.status().message();
    };
    CHECK(error().find("cannot open the store's key") != std::string::npos);
    write_file(path, std::string(31, 'k'));
    CHECK(error().find("must be exactly 32 bytes, has 31; create one with") != std::string::npos);
    std::filesystem::remove(path);
    write_file(path, std::string(33, 'k'));
    CHECK(error().find("must be exactly 32 bytes, has more") != std::string::npos);
    std::filesystem::remove(path);
    write_file(path, std::string(32, 'k'));
    CHECK(error() == "(read)");
    std::filesystem::permissions(path, std::filesystem::perms(0440));
    CHECK(error().find("run: chmod 0400") != std::string::npos);
    CHECK(error(true) == "(read)");
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    CHECK(error(true).find("is not a regular file") != std::string::npos);
}

}  // namespace
}  // namespace secrets::store
