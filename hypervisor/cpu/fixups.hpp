#pragma once

// Instructions that may fault on behalf of the guest. A fault inside them resumes at a fixed-up address
// (cpu/exceptions.cpp) and is reported as false, for the caller to turn into the guest's #GP.

#include <cstdint>

namespace shadowtune::cpu {

// Behind an instruction labelled 1: a fault there clears the operand `ok` and goes on behind it.
#define SHADOWTUNE_CLEAR_OK_ON_FAULT                                                                         \
    "2:\n"                                                                                                   \
    ".pushsection .text.fixup, \"ax\"\n"                                                                     \
    "3: movb $0, %[ok]\n"                                                                                    \
    "   jmp 2b\n"                                                                                            \
    ".popsection\n"                                                                                          \
    ".pushsection .fixups, \"a\"\n"                                                                          \
    ".quad 1b, 3b\n"                                                                                         \
    ".popsection\n"

[[nodiscard]] inline bool try_rdmsr(std::uint32_t number, std::uint64_t& value) {
    std::uint32_t low{}, high{};
    bool ok{true};
    asm volatile("1: rdmsr\n" SHADOWTUNE_CLEAR_OK_ON_FAULT
                 : "=a"(low), "=d"(high), [ok] "+m"(ok)
                 : "c"(number));
    value = (static_cast<std::uint64_t>(high) << 32) | low;
    return ok;
}

[[nodiscard]] inline bool try_wrmsr(std::uint32_t number, std::uint64_t value) {
    bool ok{true};
    asm volatile("1: wrmsr\n" SHADOWTUNE_CLEAR_OK_ON_FAULT
                 : [ok] "+m"(ok)
                 : "c"(number), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
    return ok;
}

[[nodiscard]] inline bool try_xsetbv(std::uint32_t number, std::uint64_t value) {
    bool ok{true};
    asm volatile("1: xsetbv\n" SHADOWTUNE_CLEAR_OK_ON_FAULT
                 : [ok] "+m"(ok)
                 : "c"(number), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32)));
    return ok;
}

// Every state component that XCR0 enables, from 64-byte aligned memory (SDM Vol. 1, 13.8); false where the
// header or MXCSR has a bit that the processor reserves.
[[nodiscard]] inline bool try_xrstor_all(const void* area) {
    bool ok{true};
    asm volatile("1: xrstor64 (%[area])\n" SHADOWTUNE_CLEAR_OK_ON_FAULT
                 : [ok] "+m"(ok)
                 : [area] "r"(area), "a"(~0U), "d"(~0U)
                 : "memory");
    return ok;
}

#undef SHADOWTUNE_CLEAR_OK_ON_FAULT

} // namespace shadowtune::cpu
