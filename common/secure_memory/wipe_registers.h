// SPDX-License-Identifier: Apache-2.0
#pragma once
// Overwriting of the registers through which the C library copies memory.

namespace secrets {

/// Overwrites the vector registers that a function may change without saving them. memcpy() leaves
/// the end of what it copied in them; glibc 2.41 and later uses the registers 16 to 31 of AVX-512
/// on x86-64, which no code that is compiled for older processors overwrites, so that a value would
/// stay there and reach a core file. Does nothing on processors other than x86-64 and AArch64.
inline void wipe_registers() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vl")) {
        // A write to the low 128 bits clears the rest of the register.
        asm volatile(
            ".irp number, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
            "vpxord %%xmm\\number, %%xmm\\number, %%xmm\\number\n\t"
            ".endr"
            :
            :
#if defined(__AVX512F__)
            : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24",
              "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"
#else
            :
#endif
        );
    }
    const bool has_avx = __builtin_cpu_supports("avx");
    asm volatile(
        "test %0, %0\n\t"
        "jz 1f\n\t"
        "vzeroall\n\t"
        "jmp 2f\n"
        "1:\n\t"
        ".irp number, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
        "pxor %%xmm\\number, %%xmm\\number\n\t"
        ".endr\n"
        "2:"
        :
        : "r"(static_cast<int>(has_avx))
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
          "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc");
#elif defined(__aarch64__)
    // Registers 8 to 15 are saved by whoever uses them, which memcpy() does not.
    asm volatile(
        ".irp number, 0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
        "movi v\\number\\().2d, #0\n\t"
        ".endr"
        :
        :
        : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21",
          "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
#endif
}

}  // namespace secrets
