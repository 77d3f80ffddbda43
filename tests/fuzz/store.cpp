// SPDX-License-Identifier: Apache-2.0
// Any bytes as the store's file: either a sentence, or a store in which each secret opens or is
// reported damaged. Such a store accepts a change, and contains the change after it is opened
// again.

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agentd/store/secret_store.h"
#include "tests/fuzz/must.h"

namespace secrets::fuzz {
namespace {

using store::Owner;
using store::SecretStore;
using store::StoreKey;

/// A folder with the key in it, in memory if a memory file system exists; removed with the process.
class Folder {
  public:
    Folder() {
        must(mkdtemp(path_.data()) != nullptr, "a folder can be made");
        std::ofstream(path_ + "/key") << std::string(StoreKey::kBytes, 'k');
        std::filesystem::permissions(path_ + "/key", std::filesystem::perms(0400));
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }

  private:
    std::string path_ =
        (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/fuzz-store-XXXXXX");
};

const std::string& folder() {
    static const Folder the_one;
    return the_one.path();
}

StatusOr<std::unique_ptr<SecretStore>> open_store() {
    auto key = StoreKey::read(folder() + "/key", false, MemoryKind::memfd);
    must(key.ok(), "the key can be read");
    return SecretStore::open(folder() + "/store.db", std::move(key).value());
}

void check_secrets(const SecretStore& store, const Owner& owner) {
    for (const store::SecretHead* head : store.list(owner)) {
        const auto value = store.value_of(owner, head->name);
        must(value.ok() == !head->damaged, "a secret opens, or is said to be damaged");
        must(!value || value->size() == head->bytes, "the size is the value's");
    }
}

void run(Bytes input) {
    const std::string path = folder() + "/store.db";
    std::filesystem::remove(path);
    std::filesystem::remove(path + "-journal");
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(input.data()),
               static_cast<std::streamsize>(input.size()));
    const Owner alice = Owner::user(Uid{1001});
    const Owner lab = Owner::workspace_named("lab");
    store::SecretHead head;
    head.name = "NEW";
    bool is_changed = false;
    {
        auto store = open_store();
        if (!store) {
            must(!store.status().message().empty(), "an error has a sentence");
            return;
        }
        check_secrets(**store, alice);
        check_secrets(**store, lab);
        const std::string value = "value";
        is_changed =
            (*store)
                ->put(alice, head, SecretView(std::as_bytes(std::span(value.data(), value.size()))))
                .ok();
        if (is_changed) check_secrets(**store, alice);
    }
    if (!is_changed) return;
    const auto again = open_store();
    if (!again) return;  // only the change revealed the damage
    const store::SecretHead* found = (*again)->find(alice, "NEW");
    must(found != nullptr && !found->damaged, "a change is there when it is opened again");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    secrets::fuzz::run(std::as_bytes(std::span(data, size)));
    return 0;
}
