#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/apic.hpp"
#include "hypervisor/nested/control_registers.hpp"
#include "hypervisor/nested/exits.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/startup.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "vmcs/exit_reason.hpp"

namespace shadowtune::nested {

namespace {

using vmcs::ExitReason;

// The hypervisor leaf: the one place where L0 says who it is.
constexpr std::uint32_t hypervisor_leaf{0x4000'0000};
// What is in force: EAX the generation, EBX, ECX and EDX the first 12 bytes of its profile's name.
constexpr std::uint32_t generation_leaf{0x4000'0001};
constexpr std::uint32_t vendor_ebx{0x64616873}; // "shad"
constexpr std::uint32_t vendor_ecx{0x7574776F}; // "owtu"
constexpr std::uint32_t vendor_edx{0x2020656E}; // "ne  "
constexpr std::uint32_t leaf1_ecx_vmx{1U << 5}, leaf1_ecx_osxsave{1U << 27}, leaf1_ecx_hypervisor{1U << 31};
constexpr std::uint32_t leaf7_ecx_pku{1U << 3}, leaf7_ecx_ospke{1U << 4};
// What goes with the MSRs that L1 is not given (nested/msr_lists.hpp): debug store, Processor Trace, hardware
// feedback.
constexpr std::uint32_t leaf1_edx_ds{1U << 21}, leaf1_ecx_dtes64{1U << 2}, leaf1_ecx_ds_cpl{1U << 4};
constexpr std::uint32_t leaf7_ebx_processor_trace{1U << 25}, leaf6_eax_hardware_feedback{1U << 19};

[[nodiscard]] cpu::CpuidResult describe_generation(const shadow::Generation& generation) {
    cpu::CpuidResult result{generation.number, 0, 0, 0};
    static_assert(sizeof(generation.name) >= 3 * sizeof(std::uint32_t));
    __builtin_memcpy(&result.ebx, generation.name, sizeof(result.ebx));
    __builtin_memcpy(&result.ecx, generation.name + 4, sizeof(result.ecx));
    __builtin_memcpy(&result.edx, generation.name + 8, sizeof(result.edx));
    return result;
}

} // namespace

void emulate_cpuid(Vcpu& vcpu) {
    auto& registers{vcpu.registers};
    const auto leaf{static_cast<std::uint32_t>(registers.rax())};
    const auto subleaf{static_cast<std::uint32_t>(registers.rcx())};
    cpu::CpuidResult result{cpu::cpuid(leaf, subleaf)};
    if (leaf == hypervisor_leaf) {
        result = {generation_leaf, vendor_ebx, vendor_ecx, vendor_edx};
    } else if (leaf == generation_leaf) {
        result = describe_generation(*vcpu.in_force);
    } else if (leaf == 1) {
        // OSXSAVE mirrors the guest's CR4, which is not loaded now (SDM Vol. 2A, CPUID).
        const bool osxsave{(vcpu.hardware.read(F::guest_cr4) & cpu::cr4::osxsave) != 0};
        result.ecx = (result.ecx & ~leaf1_ecx_osxsave) | (osxsave ? leaf1_ecx_osxsave : 0U);
        result.ecx =
            (result.ecx & ~(leaf1_ecx_dtes64 | leaf1_ecx_ds_cpl)) | leaf1_ecx_vmx | leaf1_ecx_hypervisor;
        result.edx &= ~leaf1_edx_ds;
    } else if (leaf == 6) {
        result.eax &= ~leaf6_eax_hardware_feedback;
    } else if (leaf == 7 && subleaf == 0) {
        result.ebx &= ~leaf7_ebx_processor_trace;
        const bool has_pku{(result.ecx & leaf7_ecx_pku) != 0};
        const bool pke{has_pku && (vcpu.hardware.read(F::guest_cr4) & cpu::cr4::pke) != 0};
        result.ecx = (result.ecx & ~leaf7_ecx_ospke) | (pke ? leaf7_ecx_ospke : 0U);
    }
    registers.rax() = result.eax;
    registers.rbx() = result.ebx;
    registers.rcx() = result.ecx;
    registers.rdx() = result.edx;
    skip_instruction(vcpu);
}

void emulate_rdmsr(Vcpu& vcpu) {
    const auto number{static_cast<std::uint32_t>(vcpu.registers.rcx())};
    std::uint64_t value{};
    const bool ok{is_l0s_msr(number) ? read_l0s_msr(vcpu, number, value) : cpu::try_rdmsr(number, value)};
    if (!ok) return inject_exception(vcpu, vmx::vector::general_protection, 0);
    vcpu.registers.set_edx_eax(value);
    skip_instruction(vcpu);
}

void emulate_wrmsr(Vcpu& vcpu) {
    const auto number{static_cast<std::uint32_t>(vcpu.registers.rcx())};
    const std::uint64_t value{vcpu.registers.edx_eax()};
    const bool ok{is_l0s_msr(number) ? write_l0s_msr(vcpu, number, value) : cpu::try_wrmsr(number, value)};
    if (!ok) return inject_exception(vcpu, vmx::vector::general_protection, 0);
    skip_instruction(vcpu);
}

void emulate_xsetbv(Vcpu& vcpu) {
    // The processor has checked CR4.OSXSAVE before the exit; CPL is ours (SDM Vol. 2D, XSETBV).
    if (!require_cpl0(vcpu)) return;
    const auto number{static_cast<std::uint32_t>(vcpu.registers.rcx())};
    if (!cpu::try_xsetbv(number, vcpu.registers.edx_eax())) {
        return inject_exception(vcpu, vmx::vector::general_protection, 0);
    }
    skip_instruction(vcpu);
}

void handle_l1_exit(Vcpu& vcpu, std::uint32_t reason) {
    if ((reason & vmx::exit_reason_entry_failure) != 0)
        stop_l1(vcpu, "L1's state is not one that can be entered");
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::preemption_timer_expired: return; // time to look at the link, which every exit does
    case ExitReason::vmread: return emulate_vmread(vcpu);
    case ExitReason::vmwrite: return emulate_vmwrite(vcpu);
    case ExitReason::vmlaunch: return emulate_vmlaunch(vcpu);
    case ExitReason::vmptrld: return emulate_vmptrld(vcpu);
    case ExitReason::vmptrst: return emulate_vmptrst(vcpu);
    case ExitReason::vmclear: return emulate_vmclear(vcpu);
    case ExitReason::vmxon: return emulate_vmxon(vcpu);
    case ExitReason::vmxoff: return emulate_vmxoff(vcpu);
    case ExitReason::invept: return emulate_invept(vcpu);
    case ExitReason::invvpid: return emulate_invvpid(vcpu);
    case ExitReason::vmcall: return emulate_vmcall(vcpu);
    case ExitReason::cpuid: return emulate_cpuid(vcpu);
    case ExitReason::rdmsr: return emulate_rdmsr(vcpu);
    case ExitReason::wrmsr: return emulate_wrmsr(vcpu);
    case ExitReason::xsetbv: return emulate_xsetbv(vcpu);
    case ExitReason::io_instruction: return emulate_io(vcpu);
    case ExitReason::control_register_access: return emulate_control_register_access(vcpu);
    // Exits whatever the controls say; L1 alone would have executed them.
    case ExitReason::invd:
        asm volatile("wbinvd" : : : "memory"); // INVD would lose L0's own writes
        return skip_instruction(vcpu);
    case ExitReason::getsec: return inject_exception(vcpu, vmx::vector::invalid_opcode);
    case ExitReason::triple_fault: stop_l1(vcpu, "triple fault");
    case ExitReason::init_signal: return take_init_signal(vcpu);
    case ExitReason::task_switch: stop_l1(vcpu, "task switch, which is not emulated");
    case ExitReason::ept_violation:
        if (emulate_protected_write(vcpu, vcpu.hardware.read(F::guest_physical_address),
                                    vcpu.hardware.read(F::exit_qualification))) {
            return;
        }
        stop_l1(vcpu, "EPT violation outside the processor's address width");
    default: stop_l1(vcpu, "exit reason that L0 never asked for");
    }
}

} // namespace shadowtune::nested
