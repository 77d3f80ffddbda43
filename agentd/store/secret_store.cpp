// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/secret_store.h"

#include <fcntl.h>
#include <sys/file.h>

#include "agentd/store/schema.h"
#include "common/base/errno_status.h"
#include "common/base/names.h"

namespace secrets::store {
namespace {

std::string words_for(const Owner& owner) {
    if (owner.is_workspace()) return "workspace " + owner.workspace();
    return "uid " + std::to_string(owner.uid().value);
}

/// Locks other agents out. SQLite's own lock would also lock `--rekey` and backups out. The
/// descriptor lives as long as the database is open: closing it would release SQLite's locks.
StatusOr<UniqueFd> lock_out_others(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_status("cannot open the store " + path + ": open()");
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        return Status::failed("cannot open the store " + path +
                              ": it is in use by another slurm-secretsd");
    }
    return fd;
}

/// Returns an error if the values in the database are sealed under another key.
Status check_key(const SqliteDatabase& database, const StoreKey& key) {
    const auto id = stored_key_id(database);
    if (!id) return id.status();
    if (*id == key.id()) return Status();
    return Status::failed("cannot open the store " + database.path() +
                          ": it is sealed under the key " + *id + ", but the given key is " +
                          key.id() +
                          "; put the right key back, the stored secrets cannot be read without it");
}

}  // namespace

SecretStore::SecretStore(SqliteDatabase database, StoreKey key, UniqueFd lock)
    : lock_(std::move(lock)), database_(std::move(database)), key_(std::move(key)) {}

SecretStore::~SecretStore() = default;

StatusOr<std::unique_ptr<SecretStore>> SecretStore::open(const std::string& path, StoreKey key,
                                                         Opening when) {
    const bool is_start = when == Opening::at_start;
    auto database = SqliteDatabase::open(
        path, is_start,
        is_start ? SqliteDatabase::Patience::command : SqliteDatabase::Patience::event_loop);
    if (!database) return database.status();
    if (Status wrong = make_or_check_tables(*database, key.id()); !wrong.ok()) return wrong;
    if (Status wrong = check_key(*database, key); !wrong.ok()) return wrong;
    auto lock = lock_out_others(path);
    if (!lock) return lock.status();
    std::unique_ptr<SecretStore> store(
        new SecretStore(std::move(database).value(), std::move(key), std::move(lock).value()));
    if (Status wrong = store->read_all(); !wrong.ok()) return wrong;
    store->database_.set_patience(SqliteDatabase::Patience::event_loop);
    return store;
}

StatusOr<std::unique_ptr<SecretStore>> SecretStore::in_memory(const std::string& name,
                                                              MemoryKind memory) {
    auto key = StoreKey::random(memory);
    if (!key) return key.status();
    auto database = SqliteDatabase::in_memory(name);
    if (!database) return database.status();
    if (Status wrong = make_or_check_tables(*database, key->id()); !wrong.ok()) return wrong;
    return std::unique_ptr<SecretStore>(
        new SecretStore(std::move(database).value(), std::move(key).value(), UniqueFd()));
}

/// Reads every row into memory, and unseals each value once to check whether it can be trusted.
Status SecretStore::read_all() {
    Status users = for_each_user(
        database_, [&](const Owner& owner, std::string name) { users_[owner] = std::move(name); });
    if (!users.ok()) return users;
    return for_each_row(database_, [&](Row row) {
        Entry entry{std::move(row.head), std::move(row.sealed)};
        const auto value = unseal(key_, entry.sealed, context_of(row.owner, entry.head));
        entry.head.damaged = !value.ok();
        if (value) {
            entry.head.bytes = value->size();
            entry.head.has_nul = value->view().has_nul();
        }
        Shelf one;
        std::string name = entry.head.name;
        const auto made = one.emplace(std::move(name), std::move(entry)).first;
        shelves_[row.owner];
        Expiries expiry = expiry_of(row.owner, made->second.head);
        place(row.owner, one.extract(made), std::move(expiry));
    });
}

std::vector<std::string> SecretStore::damage() const {
    std::vector<std::string> sentences;
    for (const auto& [owner, shelf] : shelves_) {
        for (const auto& [name, entry] : shelf) {
            if (!entry.head.damaged) continue;
            sentences.push_back("the stored secret " + in_quotes(name) + " of " + words_for(owner) +
                                " was altered or moved in " + database_.path() +
                                " and is not used; set it again, or remove it");
        }
    }
    return sentences;
}

/// Returns null if there is no such secret.
const SecretStore::Entry* SecretStore::entry_of(const Owner& owner, const std::string& name) const {
    const auto shelf = shelves_.find(owner);
    if (shelf == shelves_.end()) return nullptr;
    const auto entry = shelf->second.find(name);
    return entry == shelf->second.end() ? nullptr : &entry->second;
}

const SecretHead* SecretStore::find(const Owner& owner, const std::string& name) const {
    const Entry* entry = entry_of(owner, name);
    return entry != nullptr ? &entry->head : nullptr;
}

std::vector<const SecretHead*> SecretStore::list(const Owner& owner) const {
    std::vector<const SecretHead*> heads;
    const auto shelf = shelves_.find(owner);
    if (shelf == shelves_.end()) return heads;
    for (const auto& [name, entry] : shelf->second) heads.push_back(&entry.head);
    return heads;
}

SecretStore::Usage SecretStore::usage_of(const Owner& owner) const {
    Usage usage;
    for (const SecretHead* head : list(owner)) {
        ++usage.secrets;
        usage.bytes += head->bytes;
    }
    return usage;
}

StatusOr<SecretBuffer> SecretStore::value_of(const Owner& owner, const std::string& name) const {
    const Entry* entry = entry_of(owner, name);
    if (entry == nullptr) return Status::failed("there is no such secret");
    return unseal(key_, entry->sealed, context_of(owner, entry->head));
}

/// Begins a transaction if the database's values are still sealed under this store's key.
StatusOr<Transaction> SecretStore::begin_change() const {
    auto transaction = Transaction::begin(database_);
    if (!transaction) return transaction;
    const auto id = stored_key_id(database_);
    if (!id) return id.status();
    if (*id != key_.id()) {
        return Status::unavailable("the store " + database_.path() +
                                   " was resealed under the key " + *id +
                                   " (--rekey); give slurm-secretsd that key and restart it");
    }
    return transaction;
}

Status SecretStore::put(const Owner& owner, SecretHead head, SecretView value) {
    head.bytes = value.size();
    head.has_nul = value.has_nul();
    head.damaged = false;
    auto sealed = seal(key_, value, context_of(owner, head));
    if (!sealed) return sealed.status();
    // Memory is allocated first: a secret that is on the disk must not be missing in memory.
    Shelf one;
    std::string name = head.name;
    const auto made =
        one.emplace(std::move(name), Entry{std::move(head), std::move(sealed).value()}).first;
    Expiries expiry = expiry_of(owner, made->second.head);
    auto transaction = begin_change();
    if (!transaction) return transaction.status();
    if (Status wrong = put_row(database_, owner, made->second.head, made->second.sealed);
        !wrong.ok()) {
        return wrong;
    }
    shelves_[owner];
    if (Status wrong = transaction->commit(); !wrong.ok()) {
        if (shelves_[owner].empty()) shelves_.erase(owner);
        return wrong;
    }
    unsaved_uses_.erase({owner, made->first});
    place(owner, one.extract(made), std::move(expiry));
    return Status();
}

Status SecretStore::remove(const Owner& owner, const std::string& name) {
    if (find(owner, name) == nullptr) return Status();
    auto transaction = begin_change();
    if (!transaction) return transaction.status();
    if (Status wrong = delete_row(database_, owner, name); !wrong.ok()) return wrong;
    const bool is_last = shelves_.find(owner)->second.size() == 1;
    if (is_last && !owner.is_workspace()) {
        if (Status wrong = delete_user(database_, owner); !wrong.ok()) return wrong;
    }
    if (Status wrong = transaction->commit(); !wrong.ok()) return wrong;
    unsaved_uses_.erase({owner, name});
    take_away(owner, name);
    if (is_last) drop_user(owner);
    return Status();
}

const std::string& SecretStore::user_of(const Owner& owner) const {
    static const std::string unknown;
    const auto found = users_.find(owner);
    return found == users_.end() ? unknown : found->second;
}

void SecretStore::note_user(const Owner& owner, const std::string& name) {
    if (owner.is_workspace() || users_.contains(owner) || !shelves_.contains(owner)) return;
    users_[owner] = name;
    unsaved_users_.insert(owner);
}

void SecretStore::set_user(const Owner& owner, const std::string& name) {
    drop_user(owner);
    if (!name.empty()) note_user(owner, name);
}

void SecretStore::drop_user(const Owner& owner) noexcept {
    users_.erase(owner);
    unsaved_users_.erase(owner);
}

Status SecretStore::rename(const Owner& owner, const std::string& from, const std::string& to) {
    const SecretHead* old = find(owner, from);
    if (old == nullptr) return Status::failed("there is no such secret");
    const auto value = value_of(owner, from);
    if (!value) return value.status();
    SecretHead head = *old;
    head.name = to;
    ++head.generation;
    auto sealed = seal(key_, value->view(), context_of(owner, head));
    if (!sealed) return sealed.status();
    Shelf one;
    const auto made = one.emplace(to, Entry{std::move(head), std::move(sealed).value()}).first;
    Expiries expiry = expiry_of(owner, made->second.head);
    auto transaction = begin_change();
    if (!transaction) return transaction.status();
    if (Status wrong = delete_row(database_, owner, from); !wrong.ok()) return wrong;
    if (Status wrong = put_row(database_, owner, made->second.head, made->second.sealed);
        !wrong.ok()) {
        return wrong;
    }
    if (Status wrong = transaction->commit(); !wrong.ok()) return wrong;
    unsaved_uses_.erase({owner, from});
    place(owner, one.extract(made), std::move(expiry));
    take_away(owner, from);
    return Status();
}

/// Sets when a secret is due. Returns its entry of the index of expiries, allocated before anything
/// changes; empty if the secret does not expire.
SecretStore::Expiries SecretStore::expiry_of(const Owner& owner, SecretHead& head) const {
    if (!head.expires) return {};
    head.due = *head.expires - wall_ahead_();
    return {Expiry{*head.due, owner, head.name}};
}

/// Puts an entry on the owner's shelf, which exists, and replaces an entry of the same name.
void SecretStore::place(const Owner& owner, Shelf::node_type entry, Expiries expiry) noexcept {
    Shelf& shelf = shelves_.find(owner)->second;
    count(entry.mapped(), true);
    const auto old = shelf.find(entry.key());
    if (old != shelf.end()) {
        count(old->second, false);
        if (old->second.expiry) expiries_.erase(*old->second.expiry);
        shelf.erase(old);
    }
    if (!expiry.empty()) {
        entry.mapped().expiry = expiries_.insert(expiry.extract(expiry.begin())).position;
    }
    shelf.insert(std::move(entry));
}

void SecretStore::set_wall_ahead(std::function<std::chrono::seconds()> wall_ahead) {
    wall_ahead_ = std::move(wall_ahead);
    for (auto& [owner, shelf] : shelves_) {
        for (auto& [name, entry] : shelf) {
            if (!entry.expiry) continue;
            entry.head.due = *entry.head.expires - wall_ahead_();
            auto index = expiries_.extract(*entry.expiry);
            index.value().due = *entry.head.due;
            entry.expiry = expiries_.insert(std::move(index)).position;
        }
    }
}

void SecretStore::take_away(const Owner& owner, const std::string& name) noexcept {
    const auto shelf = shelves_.find(owner);
    const auto entry = shelf->second.find(name);
    count(entry->second, false);
    if (entry->second.expiry) expiries_.erase(*entry->second.expiry);
    shelf->second.erase(entry);
    if (shelf->second.empty()) shelves_.erase(shelf);
}

void SecretStore::count(const Entry& entry, bool comes) noexcept {
    usage_.secrets += comes ? 1 : std::size_t(-1);
    usage_.bytes += comes ? entry.head.bytes : std::size_t(0) - entry.head.bytes;
}

void SecretStore::note_use(const Owner& owner, const std::string& name, SecretHead::Use use) {
    const auto shelf = shelves_.find(owner);
    if (shelf == shelves_.end()) return;
    const auto entry = shelf->second.find(name);
    if (entry == shelf->second.end()) return;
    unsaved_uses_.insert_or_assign({owner, name}, use);
    entry->second.head.used = use;
}

Status SecretStore::save_uses() {
    if (!has_unsaved_uses()) return Status();
    auto transaction = begin_change();
    if (!transaction) return transaction.status();
    for (const auto& [which, use] : unsaved_uses_) {
        if (Status wrong = put_use(database_, which.first, which.second, use); !wrong.ok())
            return wrong;
    }
    for (const Owner& owner : unsaved_users_) {
        if (Status wrong = put_user(database_, owner, user_of(owner)); !wrong.ok()) return wrong;
    }
    if (Status wrong = transaction->commit(); !wrong.ok()) return wrong;
    unsaved_uses_.clear();
    unsaved_users_.clear();
    return Status();
}

std::optional<SecretStore::Expiry> SecretStore::next_to_expire() const {
    if (expiries_.empty()) return std::nullopt;
    return *expiries_.begin();
}

std::size_t SecretStore::expiring_before(Time time) const {
    std::size_t count_before = 0;
    for (const Expiry& each : expiries_) {
        if (each.due >= time) break;
        ++count_before;
    }
    return count_before;
}

StatusOr<std::size_t> SecretStore::rekey(const std::string& path, const StoreKey& from,
                                         const StoreKey& to) {
    const auto database = SqliteDatabase::open(path, false);
    if (!database) return database.status();
    if (Status wrong = make_or_check_tables(*database, from.id()); !wrong.ok()) return wrong;
    auto transaction = Transaction::begin(*database);
    if (!transaction) return transaction.status();
    if (Status wrong = check_key(*database, from); !wrong.ok()) return wrong;
    std::vector<Row> rows;
    if (Status wrong = for_each_row(*database, [&](Row row) { rows.push_back(std::move(row)); });
        !wrong.ok()) {
        return wrong;
    }
    for (const Row& row : rows) {
        const std::string context = context_of(row.owner, row.head);
        const auto value = unseal(from, row.sealed, context);
        if (!value) {
            return Status::failed("cannot rekey the store " + path + ": the secret " +
                                  in_quotes(row.head.name) + " of " + words_for(row.owner) +
                                  " was altered or moved; set it again or remove it, then rekey; "
                                  "nothing has changed");
        }
        const auto sealed = seal(to, value->view(), context);
        if (!sealed) return sealed.status();
        if (Status wrong = put_row(*database, row.owner, row.head, *sealed); !wrong.ok())
            return wrong;
    }
    if (Status wrong = put_key_id(*database, to.id()); !wrong.ok()) return wrong;
    if (Status wrong = transaction->commit(); !wrong.ok()) return wrong;
    return rows.size();
}

Status SecretStore::back_up(const std::string& path, const std::string& to) {
    const auto database = SqliteDatabase::open(path, false);
    if (!database) return database.status();
    // SQLite would write into an existing file.
    const UniqueFd free_name(::open(to.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!free_name) return errno_status("cannot make the backup " + to + ": open()");
    const auto copy = SqliteDatabase::open(to, false);
    if (!copy) return copy.status();
    return database->copy_to(*copy);
}

StatusOr<std::size_t> SecretStore::forget_user(const std::string& path, Uid uid,
                                               bool with_secrets) {
    const auto database = SqliteDatabase::open(path, false);
    if (!database) return database.status();
    if (Status wrong = make_or_check_tables(*database, ""); !wrong.ok()) return wrong;
    auto transaction = Transaction::begin(*database);
    if (!transaction) return transaction.status();
    const Owner owner = Owner::user(uid);
    std::size_t secrets = 0;
    if (Status wrong =
            for_each_row(*database, [&](const Row& row) { secrets += row.owner == owner; });
        !wrong.ok()) {
        return wrong;
    }
    if (with_secrets) {
        if (Status wrong = delete_rows(*database, owner); !wrong.ok()) return wrong;
    }
    if (Status wrong = delete_user(*database, owner); !wrong.ok()) return wrong;
    if (Status wrong = transaction->commit(); !wrong.ok()) return wrong;
    return secrets;
}

}  // namespace secrets::store
