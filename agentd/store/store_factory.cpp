// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/store_factory.h"

#include <stdlib.h>
#include <unistd.h>

#include "agentd/base/credential_file.h"

namespace secrets::store {
namespace {

/// The file in the unit's StateDirectory=, for the commands, which systemd does not start.
constexpr char kUsualFile[] = "/var/lib/slurm-secrets/store.db";

std::string environment(const char* name) {
    const char* value = getenv(name);
    return value != nullptr ? value : "";
}

/// Returns the store's file for a command. Fails if it does not exist.
StatusOr<std::string> existing_file(const Config& config) {
    const std::string file = config.store_file.empty() ? kUsualFile : config.store_file;
    if (access(file.c_str(), F_OK) == 0) return file;
    return Status::failed("there is no store at " + file + " (store.file in the configuration)");
}

/// Returns the store's name for messages.
std::string name_of(const OpenBao& openbao) {
    std::string urls;
    for (const HttpsUrl& url : openbao.urls) urls += (urls.empty() ? "" : ", ") + url.text;
    return "OpenBao at " + urls + " (" + openbao.mount + "/" + openbao.path + ")";
}

}  // namespace

std::string store_file_of(const Config& config) {
    if (!config.store_file.empty()) return config.store_file;
    const std::string directories = environment("STATE_DIRECTORY");
    if (directories.empty()) return "";
    return directories.substr(0, directories.find(':')) + "/store.db";
}

namespace {

StatusOr<std::unique_ptr<store::SecretStore>> open_file(const std::string& file,
                                                        const Config& config, MemoryKind memory,
                                                        SecretStore::Opening when) {
    const auto path = credential_path(config.store_key_file, "store.key", "store.key_file");
    if (!path)
        return Status::failed("cannot open the store " + file + ": no key is configured; " +
                              path.status().message());
    auto key = store::StoreKey::read(path->path, path->is_credential, memory);
    if (!key) return key.status();
    return store::SecretStore::open(file, std::move(key).value(), when);
}

OpenedStore open_configured(const Config& config, MemoryKind memory, SecretStore::Opening when) {
    const std::string file = store_file_of(config);
    if (file.empty() || !config.hub.urls.empty()) return OpenedStore{};
    auto opened = open_file(file, config, memory, when);
    if (!opened) return OpenedStore{nullptr, opened.status().message()};
    return OpenedStore{std::move(opened).value(), ""};
}

}  // namespace

StatusOr<OpenedStore> open_store(const Config& config, MemoryKind memory) {
    if (!config.openbao.urls.empty()) {
        auto copy = store::SecretStore::in_memory(name_of(config.openbao), memory);
        if (!copy) return copy.status();
        return OpenedStore{std::move(copy).value(), ""};
    }
    return open_configured(config, memory, SecretStore::Opening::at_start);
}

OpenedStore reopen_store(const Config& config, MemoryKind memory) {
    return open_configured(config, memory, SecretStore::Opening::later);
}

StatusOr<std::string> rekey_store(const Config& config, const std::string& key_file,
                                  const std::string& new_key_file) {
    const auto file = existing_file(config);
    if (!file) return file.status();
    const std::string old_key_file = key_file.empty() ? config.store_key_file : key_file;
    if (old_key_file.empty()) {
        return Status::failed("--rekey needs the key that the store is sealed under: --key FILE");
    }
    const MemoryKind memory = best_memory_kind();
    const auto key = store::StoreKey::read(old_key_file, false, memory);
    if (!key) return key.status();
    const auto new_key = store::StoreKey::read(new_key_file, false, memory);
    if (!new_key) return new_key.status();
    const auto count = store::SecretStore::rekey(*file, *key, *new_key);
    if (!count) return count.status();
    return *file + ": " + std::to_string(*count) + (*count == 1 ? " secret is" : " secrets are") +
           " now sealed under the key " + new_key->id() +
           "; give slurm-secretsd that key and restart it";
}

StatusOr<std::string> back_up_store(const Config& config, const std::string& to) {
    const auto file = existing_file(config);
    if (!file) return file.status();
    if (Status wrong = store::SecretStore::back_up(*file, to); !wrong.ok()) return wrong;
    return "copied " + *file + " to " + to + "; the copy is useless without the store's key";
}

StatusOr<std::string> settle_user(const Config& config, Uid uid, bool keeps) {
    if (!config.openbao.urls.empty()) {
        return Status::failed("the store is OpenBao; see docs/admin.md for the commands of bao");
    }
    const auto file = existing_file(config);
    if (!file) return file.status();
    const auto secrets = store::SecretStore::forget_user(*file, uid, !keeps);
    if (!secrets) return secrets.status();
    return *file + ": " + std::to_string(*secrets) + (*secrets == 1 ? " secret" : " secrets") +
           " of uid " + std::to_string(uid.value) +
           (keeps ? " kept for the user who has this number now" : " removed") +
           "; restart slurm-secretsd";
}

}  // namespace secrets::store
