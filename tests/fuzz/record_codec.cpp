// SPDX-License-Identifier: Apache-2.0
// The records of a slab, without the slab: any bytes, read as a run and as a hold.

#include "tests/fuzz/check_record.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets;
    const fuzz::Bytes payload = std::as_bytes(std::span(data, size));
    fuzz::check_record(vault::RecordType::run, payload);
    fuzz::check_record(vault::RecordType::hold, payload);
    return 0;
}
