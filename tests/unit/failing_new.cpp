// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/failing_new.h"

#include <cstdlib>
#include <new>

namespace secrets {
namespace {

thread_local std::size_t failing_from = 0;  ///< 0: none fails
thread_local bool all_fail = false;

}  // namespace

void fail_next_allocation_of(std::size_t bytes) {
    failing_from = bytes;
}

bool allocation_has_failed() {
    return failing_from == 0;
}

NoMemory::NoMemory() {
    all_fail = true;
}

NoMemory::~NoMemory() {
    all_fail = false;
}

}  // namespace secrets

void* operator new(std::size_t size) {
    if (secrets::all_fail) throw std::bad_alloc();
    if (secrets::failing_from != 0 && size >= secrets::failing_from) {
        secrets::failing_from = 0;
        throw std::bad_alloc();
    }
    void* const block = std::malloc(size == 0 ? 1 : size);
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return std::malloc(size == 0 ? 1 : size);
}

void operator delete(void* block) noexcept {
    std::free(block);
}

void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}

void operator delete(void* block, const std::nothrow_t&) noexcept {
    std::free(block);
}
