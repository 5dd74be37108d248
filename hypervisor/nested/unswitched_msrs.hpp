#pragma once

// MSRs of a logical processor that neither VM entry nor VM exit switches here: whoever runs next finds them
// as they are, and a saved state must carry them. Those of the machine as a whole, and those whose facility
// stays where it is, are not among them: local APIC, MTRRs, TSC, machine check, performance monitoring
// (docs/save-restore.md). SDM Vol. 4 (edition 325462-087).

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

struct UnswitchedMsr {
    std::uint32_t number;
    std::uint64_t after_reset;
};

inline constexpr UnswitchedMsr unswitched_msrs[]{
    {0x48, 0},                      // IA32_SPEC_CTRL
    {0xE1, 0},                      // IA32_UMWAIT_CONTROL
    {0x140, 0},                     // MISC_FEATURES_ENABLES: CPUID faulting
    {0x1C4, 0},                     // IA32_XFD
    {0x1C5, 0},                     // IA32_XFD_ERR
    {0x277, 0x0007'0406'0007'0406}, // IA32_PAT
    {0x6A0, 0},                     // IA32_U_CET
    {0x6A2, 0},                     // IA32_S_CET
    {0x6A4, 0},                     // IA32_PL0_SSP
    {0x6A5, 0},                     // IA32_PL1_SSP
    {0x6A6, 0},                     // IA32_PL2_SSP
    {0x6A7, 0},                     // IA32_PL3_SSP
    {0x6A8, 0},                     // IA32_INTERRUPT_SSP_TABLE_ADDR
    {0x6E1, 0},                     // IA32_PKRS
    {0xD90, 0},                     // IA32_BNDCFGS
    {0xDA0, 0},                     // IA32_XSS
    {0xC000'0081, 0},               // IA32_STAR
    {0xC000'0082, 0},               // IA32_LSTAR
    {0xC000'0083, 0},               // IA32_CSTAR
    {0xC000'0084, 0},               // IA32_FMASK
    {0xC000'0102, 0},               // IA32_KERNEL_GS_BASE
    {0xC000'0103, 0},               // IA32_TSC_AUX
};

[[nodiscard]] constexpr bool is_unswitched_msr(std::uint32_t number) {
    for (const UnswitchedMsr& msr : unswitched_msrs) {
        if (msr.number == number) return true;
    }
    return false;
}

} // namespace shadowtune::nested
