// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target on files, without a fuzzer: each argument is an input or a folder of inputs.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/fuzz/must.h"

namespace {

namespace fs = std::filesystem;

void run(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    std::printf("%s, %zu bytes\n", path.c_str(), input.size());
    std::fflush(stdout);  // the last line names the input that ended the process
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t inputs = 0;
    for (int i = 1; i < argc; ++i) {
        if (!fs::is_directory(argv[i])) {
            run(argv[i]);
            ++inputs;
            continue;
        }
        for (const auto& entry : fs::recursive_directory_iterator(argv[i])) {
            if (!entry.is_regular_file()) continue;
            run(entry.path());
            ++inputs;
        }
    }
    std::printf("%zu inputs, and nothing is broken\n", inputs);
    return inputs > 0 ? 0 : 1;
}
