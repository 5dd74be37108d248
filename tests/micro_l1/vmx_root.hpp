#pragma once

// VMX root operation: capabilities, regions, the instructions beside VMREAD and VMWRITE, and VM entry.

#include "tests/micro_l1/vmx_operands.hpp"

#include <cstdint>

namespace shadowtune::micro_l1 {

struct alignas(4096) Page {
    std::uint8_t bytes[4096];
};

// Memory is mapped one to one.
[[nodiscard]] inline std::uint64_t physical(const volatile void* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer);
}

// The instructions with a 64-bit memory operand; the operand's own address matters to some scripts.
[[nodiscard]] VmxResult vmxon_at(const volatile std::uint64_t* operand);
[[nodiscard]] VmxResult vmclear_at(const volatile std::uint64_t* operand);
[[nodiscard]] VmxResult vmptrld_at(const volatile std::uint64_t* operand);
[[nodiscard]] VmxResult vmptrst_at(volatile std::uint64_t* operand);
[[nodiscard]] VmxResult vmxoff();
[[nodiscard]] VmxResult invept_at(std::uint64_t type, const volatile void* descriptor);
[[nodiscard]] VmxResult invvpid_at(std::uint64_t type, const volatile void* descriptor);

[[nodiscard]] inline VmxResult vmxon(std::uint64_t address) {
    return vmxon_at(&address);
}
[[nodiscard]] inline VmxResult vmclear(std::uint64_t address) {
    return vmclear_at(&address);
}
[[nodiscard]] inline VmxResult vmptrld(std::uint64_t address) {
    return vmptrld_at(&address);
}
[[nodiscard]] std::uint64_t vmptrst();

// IA32_VMX_BASIC[30:0]; SDM Vol. 3D, Appendix A.1.
[[nodiscard]] std::uint32_t vmcs_revision();
// IA32_VMX_MISC[29]: VMWRITE to read-only data fields (Appendix A.6).
[[nodiscard]] bool vmwrite_any_field();
void write_revision(Page& region);

// CPUID, IA32_FEATURE_CONTROL, CR0 and CR4 as VMXON wants them. Prints why not, and gives false, where VMX is
// missing.
[[nodiscard]] bool prepare_vmx();
// VMXON where it is not on yet; failures are printed.
[[nodiscard]] bool enter_vmx_operation();
void leave_vmx_operation();
[[nodiscard]] Page& vmxon_region();
void note_vmx_operation(bool on);

// VMCLEAR and VMPTRLD of a region whose revision is set.
[[nodiscard]] bool load_fresh_vmcs(Page& region);

struct GuestRegisters {
    std::uint64_t rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

enum class EntryResult : int { exited = 0, fail_invalid = 1, fail_valid = 2 };

// Accesses after it belong to no round trip until the caller has read the exit reason and said so.
[[nodiscard]] EntryResult enter_l2(GuestRegisters& registers, bool launch);

} // namespace shadowtune::micro_l1
