#pragma once

// The few instructions that C++ has no words for.

#include <cstdint>

namespace shadowtune::micro_l1 {

inline void out8(std::uint16_t port, std::uint8_t value) {
    asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

[[nodiscard]] inline std::uint8_t in8(std::uint16_t port) {
    std::uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

// Faults where the MSR does not exist; callers that are not sure use guarded() of exceptions.hpp.
[[nodiscard]] inline std::uint64_t read_msr(std::uint32_t msr) {
    std::uint32_t low;
    std::uint32_t high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (std::uint64_t{high} << 32) | low;
}

inline void write_msr(std::uint32_t msr, std::uint64_t value) {
    asm volatile("wrmsr"
                 :
                 : "c"(msr), "a"(static_cast<std::uint32_t>(value)),
                   "d"(static_cast<std::uint32_t>(value >> 32))
                 : "memory");
}

[[nodiscard]] inline std::uint64_t read_tsc() {
    std::uint32_t low;
    std::uint32_t high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return (std::uint64_t{high} << 32) | low;
}

struct CpuidResult {
    std::uint32_t eax, ebx, ecx, edx;
};

[[nodiscard]] inline CpuidResult cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
    CpuidResult result;
    asm volatile("cpuid"
                 : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                 : "a"(leaf), "c"(subleaf));
    return result;
}

[[nodiscard]] inline std::uint64_t read_cr0() {
    std::uint64_t value;
    asm volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}

inline void write_cr3(std::uint64_t value) {
    asm volatile("movq %0, %%cr3" : : "r"(value) : "memory");
}
[[nodiscard]] inline std::uint64_t read_cr3() {
    std::uint64_t value;
    asm volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

[[nodiscard]] inline std::uint64_t read_cr4() {
    std::uint64_t value;
    asm volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

inline void write_cr0(std::uint64_t value) {
    asm volatile("movq %0, %%cr0" : : "r"(value) : "memory");
}
inline void write_cr4(std::uint64_t value) {
    asm volatile("movq %0, %%cr4" : : "r"(value) : "memory");
}

// MSRs that more than one file needs; SDM Vol. 4, Table 2-2 (edition 325462-087, March 2025).
inline constexpr std::uint32_t msr_feature_control{0x3A};
inline constexpr std::uint32_t msr_sysenter_cs{0x174};
inline constexpr std::uint32_t msr_sysenter_esp{0x175};
inline constexpr std::uint32_t msr_sysenter_eip{0x176};
inline constexpr std::uint32_t msr_pat{0x277};
inline constexpr std::uint32_t msr_perf_global_ctrl{0x38F};
inline constexpr std::uint32_t msr_efer{0xC0000080};
inline constexpr std::uint32_t msr_star{0xC0000081};
inline constexpr std::uint32_t msr_lstar{0xC0000082};
inline constexpr std::uint32_t msr_fmask{0xC0000084};
inline constexpr std::uint32_t msr_tsc_aux{0xC0000103};
inline constexpr std::uint32_t msr_fs_base{0xC0000100};
inline constexpr std::uint32_t msr_gs_base{0xC0000101};
inline constexpr std::uint32_t msr_kernel_gs_base{0xC0000102};
inline constexpr std::uint32_t msr_vmx_basic{0x480};
inline constexpr std::uint32_t msr_vmx_misc{0x485};
inline constexpr std::uint32_t msr_vmx_vmfunc{0x491};

} // namespace shadowtune::micro_l1
