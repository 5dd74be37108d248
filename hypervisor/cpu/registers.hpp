#pragma once

// Privileged registers and instructions, one function each. SDM Vol. 2 for the instructions, Vol. 3A 2.5 for
// the bits.

#include <cstdint>

namespace shadowtune::cpu {

namespace rflags {
inline constexpr std::uint64_t cf{1U << 0}, pf{1U << 2}, af{1U << 4}, zf{1U << 6}, sf{1U << 7}, tf{1U << 8},
    interrupt{1U << 9}, df{1U << 10}, of{1U << 11}, rf{1U << 16}, ac{1U << 18},
    status{cf | pf | af | zf | sf | of};
}

namespace cr0 {
inline constexpr std::uint64_t pe{1U << 0}, mp{1U << 1}, em{1U << 2}, ts{1U << 3}, et{1U << 4}, ne{1U << 5},
    wp{1U << 16}, am{1U << 18}, nw{1U << 29}, cd{1U << 30}, pg{1U << 31};
}

namespace cr4 {
inline constexpr std::uint64_t de{1U << 3}, pse{1U << 4}, pae{1U << 5}, pge{1U << 7}, osfxsr{1U << 9},
    la57{1U << 12}, vmxe{1U << 13}, pcide{1U << 17}, osxsave{1U << 18}, smep{1U << 20}, smap{1U << 21},
    pke{1U << 22}, pks{1U << 24};
}

namespace efer {
inline constexpr std::uint64_t sce{1U << 0}, lme{1U << 8}, lma{1U << 10}, nxe{1U << 11};
}

namespace msr {
inline constexpr std::uint32_t tsc{0x10}, apic_base{0x1B}, feature_control{0x3A}, microcode_update{0x79},
    sysenter_cs{0x174}, sysenter_esp{0x175}, sysenter_eip{0x176}, debugctl{0x1D9}, mtrr_def_type{0x2FF},
    xfd{0x1C4}, pat{0x277}, perf_global_ctrl{0x38F}, pebs_enable{0x3F1}, first_rtit{0x560}, last_rtit{0x58F},
    ds_area{0x600}, pkrs{0x6E1}, xss{0xDA0}, hardware_feedback{0x17D0}, efer{0xC0000080}, fs_base{0xC0000100},
    gs_base{0xC0000101}, kernel_gs_base{0xC0000102};
}

struct CpuidResult {
    std::uint32_t eax, ebx, ecx, edx;
};

[[nodiscard]] inline CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    CpuidResult r{};
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

[[nodiscard]] inline std::uint64_t rdtsc() {
    std::uint64_t low{}, high{}; // RDTSC clears the upper halves
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return high << 32 | low;
}

// Only for MSRs that are known to exist; see fixups.hpp for the others.
[[nodiscard]] inline std::uint64_t rdmsr(std::uint32_t number) {
    std::uint32_t low{}, high{};
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (static_cast<std::uint64_t>(high) << 32) | low;
}

inline void wrmsr(std::uint32_t number, std::uint64_t value) {
    asm volatile("wrmsr"
                 :
                 : "c"(number), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

#define SHADOWTUNE_CONTROL_REGISTER(name)                                                                    \
    [[nodiscard]] inline std::uint64_t read_##name() {                                                       \
        std::uint64_t value{};                                                                               \
        asm volatile("mov %%" #name ", %0" : "=r"(value));                                                   \
        return value;                                                                                        \
    }                                                                                                        \
    inline void write_##name(std::uint64_t value) {                                                          \
        asm volatile("mov %0, %%" #name : : "r"(value) : "memory");                                          \
    }
SHADOWTUNE_CONTROL_REGISTER(cr0)
SHADOWTUNE_CONTROL_REGISTER(cr2)
SHADOWTUNE_CONTROL_REGISTER(cr3)
SHADOWTUNE_CONTROL_REGISTER(cr4)
SHADOWTUNE_CONTROL_REGISTER(dr0)
SHADOWTUNE_CONTROL_REGISTER(dr1)
SHADOWTUNE_CONTROL_REGISTER(dr2)
SHADOWTUNE_CONTROL_REGISTER(dr3)
SHADOWTUNE_CONTROL_REGISTER(dr6)
#undef SHADOWTUNE_CONTROL_REGISTER

// Needs CR4.OSXSAVE.
[[nodiscard]] inline std::uint64_t read_xcr0() {
    std::uint32_t low{}, high{};
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32) | low;
}

// Of the guest, which shares it; needs CR4.PKE.
[[nodiscard]] inline std::uint32_t read_pkru() {
    std::uint32_t value{}, high{};
    asm volatile("rdpkru" : "=a"(value), "=d"(high) : "c"(0));
    return value;
}

// Every state component that XCR0 enables, in standard form, to 64-byte aligned memory (SDM Vol. 1, 13.7).
inline void xsave_all(void* area) {
    asm volatile("xsave64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
}

inline void out8(std::uint16_t port, std::uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
[[nodiscard]] inline std::uint8_t in8(std::uint16_t port) {
    std::uint8_t value{};
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

// One access of 1, 2 or 4 bytes.
[[nodiscard]] inline std::uint32_t in(std::uint16_t port, unsigned size) {
    std::uint32_t value{0};
    switch (size) {
    case 1: asm volatile("inb %1, %b0" : "+a"(value) : "Nd"(port)); break;
    case 2: asm volatile("inw %1, %w0" : "+a"(value) : "Nd"(port)); break;
    default: asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port)); break;
    }
    return value;
}
inline void out(std::uint16_t port, unsigned size, std::uint32_t value) {
    switch (size) {
    case 1: asm volatile("outb %b0, %1" : : "a"(value), "Nd"(port)); break;
    case 2: asm volatile("outw %w0, %1" : : "a"(value), "Nd"(port)); break;
    default: asm volatile("outl %0, %1" : : "a"(value), "Nd"(port)); break;
    }
}

// Between two looks at what another is to change.
inline void pause() {
    asm volatile("pause");
}

[[noreturn]] inline void halt_forever() {
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace shadowtune::cpu
