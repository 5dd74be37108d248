#pragma once

// A whole VMCS for an L2 that runs in L1's own address space: 64-bit, CPL 0, EPT one to one.

#include "tests/micro_l1/ept.hpp"
#include "tests/micro_l1/exceptions.hpp"
#include "tests/micro_l1/vmcs_access.hpp"
#include "tests/micro_l1/vmx_root.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::micro_l1 {

// Bits of the controls; SDM Vol. 3C, sections 25.6 to 25.8 (edition 325462-087).
inline constexpr std::uint32_t pin_external_interrupt{1U << 0};
inline constexpr std::uint32_t pin_nmi{1U << 3};
inline constexpr std::uint32_t pin_virtual_nmis{1U << 5};
inline constexpr std::uint32_t pin_preemption_timer{1U << 6};
inline constexpr std::uint32_t cpu_interrupt_window{1U << 2};
inline constexpr std::uint32_t cpu_tsc_offset{1U << 3};
inline constexpr std::uint32_t cpu_hlt{1U << 7};
inline constexpr std::uint32_t cpu_invlpg{1U << 9};
inline constexpr std::uint32_t cpu_mwait{1U << 10};
inline constexpr std::uint32_t cpu_rdpmc{1U << 11};
inline constexpr std::uint32_t cpu_rdtsc{1U << 12};
inline constexpr std::uint32_t cpu_cr3_load{1U << 15};
inline constexpr std::uint32_t cpu_cr3_store{1U << 16};
inline constexpr std::uint32_t cpu_cr8_load{1U << 19};
inline constexpr std::uint32_t cpu_cr8_store{1U << 20};
inline constexpr std::uint32_t cpu_tpr_shadow{1U << 21};
inline constexpr std::uint32_t cpu_nmi_window{1U << 22};
inline constexpr std::uint32_t cpu_mov_dr{1U << 23};
inline constexpr std::uint32_t cpu_io{1U << 24};
inline constexpr std::uint32_t cpu_io_bitmaps{1U << 25};
inline constexpr std::uint32_t cpu_msr_bitmaps{1U << 28};
inline constexpr std::uint32_t cpu_monitor{1U << 29};
inline constexpr std::uint32_t cpu_pause{1U << 30};
inline constexpr std::uint32_t cpu_secondary{1U << 31};
inline constexpr std::uint32_t cpu2_ept{1U << 1};
inline constexpr std::uint32_t cpu2_descriptor_table{1U << 2};
inline constexpr std::uint32_t cpu2_vpid{1U << 5};
inline constexpr std::uint32_t cpu2_wbinvd{1U << 6};
inline constexpr std::uint32_t cpu2_unrestricted{1U << 7};
inline constexpr std::uint32_t cpu2_vm_functions{1U << 13};
inline constexpr std::uint32_t cpu2_vmcs_shadowing{1U << 14};
inline constexpr std::uint32_t cpu2_pml{1U << 17};
inline constexpr std::uint32_t cpu2_ept_violation_ve{1U << 18};
inline constexpr std::uint32_t cpu2_tsc_scaling{1U << 25};
inline constexpr std::uint32_t exit_save_debug{1U << 2};
inline constexpr std::uint32_t exit_host_64{1U << 9};
inline constexpr std::uint32_t exit_load_perf_global_ctrl{1U << 12};
inline constexpr std::uint32_t exit_acknowledge{1U << 15};
inline constexpr std::uint32_t exit_save_pat{1U << 18};
inline constexpr std::uint32_t exit_load_pat{1U << 19};
inline constexpr std::uint32_t exit_save_efer{1U << 20};
inline constexpr std::uint32_t exit_load_efer{1U << 21};
inline constexpr std::uint32_t exit_save_preemption_timer{1U << 22};
inline constexpr std::uint32_t entry_load_debug{1U << 2};
inline constexpr std::uint32_t entry_guest_64{1U << 9};
inline constexpr std::uint32_t entry_load_perf_global_ctrl{1U << 13};
inline constexpr std::uint32_t entry_load_pat{1U << 14};
inline constexpr std::uint32_t entry_load_efer{1U << 15};

struct Controls {
    std::uint32_t pin;
    std::uint32_t cpu;
    std::uint32_t cpu2;
    std::uint32_t exit;
    std::uint32_t entry;
};

// The wish, with what must be 1 added and what must be 0 taken away (Vol. 3D, Appendix A.2 to A.5), by the
// TRUE MSRs where they exist.
[[nodiscard]] Controls adjust(const Controls& wish);
// Whether each of these bits may be 1.
[[nodiscard]] bool supported(const Controls& bits);
// What every L2 here runs with.
[[nodiscard]] Controls basic_controls();

// Where L2 starts and on which stack.
struct L2Start {
    std::uint64_t rip;
    std::uint64_t rsp;
};

// VMCLEAR, VMPTRLD and VMWRITE of everything a VM entry looks at. False (printed) where the region is
// refused.
[[nodiscard]] bool set_up_vmcs(Page& region, const Controls& controls, const Ept& ept, const L2Start& start);

// Code for an L2 whose RIP is another at each exit: these two bytes again and again, and a jump back to the
// first.
inline constexpr std::size_t looped_code_bytes{4000};
void write_looped_code(std::uint8_t (&page)[4096], std::uint8_t first, std::uint8_t second);

extern "C" {
extern char micro_l1_gdt[];
extern char micro_l1_tss[];
extern char micro_l1_pml4[];
extern char micro_l1_pml4_twin[];
extern char micro_l1_exit_stack_top[];
void micro_l1_vm_exit();
}

inline constexpr std::uint64_t selector_code{0x08};
inline constexpr std::uint64_t selector_data{0x10};
inline constexpr std::uint64_t selector_tss{0x18};

} // namespace shadowtune::micro_l1
