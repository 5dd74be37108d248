// A VM exit of L2 as L1 sees it: what the processor saved stays in vmcs02 until L1 asks, L1's host state is
// loaded into vmcs01. SDM Vol. 3C, chapter 28, sections 28.2 to 28.6 (edition 325462-087).

#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/msr_lists.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/shadow/shadowing.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

template <bool plain>
void save_l2_state(Vcpu& vcpu) {
    Vmcs12& vmcs12{vcpu.vmcs12};
    // 28.3.1: IA32_EFER.LMA goes to the VM-entry controls; the rest of vmcs02's word is L0's.
    constexpr std::uint64_t long_mode{vmx::entry::ia32e_mode_guest};
    const std::uint64_t entry12{vmcs12.get(F::vm_entry_controls)};
    const std::uint64_t entry02{vcpu.hardware.read(F::vm_entry_controls)};
    if (((entry12 ^ entry02) & long_mode) != 0) [[unlikely]] {
        vmcs12.leave(F::vm_entry_controls, entry12 ^ long_mode);
        vmcs12.mark_dirty(detail::set_of(F::vm_entry_controls)); // 27.2.4 looks at it again
    }
    if (!plain && vcpu.plan.saves_timer) {
        vmcs12.leave(F::vmx_preemption_timer_value, vcpu.timer.left(vcpu.exit_tsc));
    }
    // 28.2 (last paragraph of the introduction): an exit clears the valid bit of the VM-entry interruption
    // information.
    const std::uint64_t injected{vmcs12.get(F::vm_entry_interruption_information)};
    if ((injected & vmx::interruption::valid) != 0) {
        vmcs12.leave(F::vm_entry_interruption_information,
                     injected & ~std::uint64_t{vmx::interruption::valid});
    }
}

// 28.5.4 "Checking and Loading Host Page-Directory-Pointer-Table Entries".
void load_host_pdptes(Vcpu& vcpu) {
    const std::uint64_t table{vcpu.vmcs12.get(F::host_cr3) & 0xFFFF'FFE0};
    const F pdptes[]{F::guest_pdpte_0, F::guest_pdpte_1, F::guest_pdpte_2, F::guest_pdpte_3};
    for (std::size_t i{0}; i < 4; ++i)
        vcpu.hardware.write(pdptes[i], vcpu.machine.l1.read64(table + 8 * i));
}

// 28.5.1, where vmcs02's exit has not loaded them: L0 found the failure itself, or had to store L2's values
// first.
void load_host_msrs(Vcpu& vcpu) {
    const Vmcs12& host{vcpu.vmcs12};
    const std::uint32_t exit12{host.get32(F::primary_vm_exit_controls)};
    if ((exit12 & vmx::exit::load_pat) != 0) (void)cpu::try_wrmsr(cpu::msr::pat, host.get(F::host_ia32_pat));
    if ((exit12 & vmx::exit::load_perf_global_ctrl) != 0) {
        (void)cpu::try_wrmsr(cpu::msr::perf_global_ctrl, host.get(F::host_ia32_perf_global_ctrl));
    }
}

// `l2_efer`: IA32_EFER after L2, for exits that do not load it. The VM-entry controls of vmcs01 stay: L1
// entered L2 in the mode that the exit brings back (27.2.4).
template <bool plain>
void load_host_state(Vcpu& vcpu, std::uint64_t l2_efer, bool nmi_blocked) {
    auto& hw{vcpu.hardware};
    const Vmcs12& host{vcpu.vmcs12};
    HostImage& image{vcpu.host_image};
    // 28.5.1: CD, NW, ET and reserved bits are L1's own all the time.
    constexpr std::uint64_t cr0_kept{cpu::cr0::cd | cpu::cr0::nw | cpu::cr0::et};
    const std::uint64_t cr0{(host.get(F::host_cr0) & ~cr0_kept) | (hw.read(F::guest_cr0) & cr0_kept)};
    image.set<F::guest_cr0>(cr0);
    image.set<F::cr0_read_shadow>(cr0);
    constexpr std::uint64_t long_mode{cpu::efer::lma | cpu::efer::lme};
    const std::uint64_t efer{plain || vcpu.plan.loads_host_efer ? host.get(F::host_ia32_efer) : l2_efer};
    image.set<F::guest_ia32_efer>(image.is_64bit ? efer | long_mode : efer & ~long_mode);
    image.set<F::guest_rsp>(host.get(F::host_rsp));
    // 28.5.5: no blocking but by NMI.
    image.set<F::guest_interruptibility_state>(nmi_blocked ? vmx::interruptibility::blocking_by_nmi : 0U);
    hw.write_all<host_image_fields>(image.values);
    if (image.has_pae_paging) load_host_pdptes(vcpu);
}

// 28.5.5: an exit caused by an NMI blocks NMIs; otherwise L2's blocking lives on, but for virtual NMIs.
template <bool plain>
[[nodiscard]] bool blocks_nmi(Vcpu& vcpu, std::uint32_t reason, std::uint32_t interruption) {
    auto& hw{vcpu.hardware};
    if (reason == static_cast<std::uint32_t>(vmcs::ExitReason::exception_or_nmi)) {
        const auto information{
            interruption != 0 ? interruption
                              : static_cast<std::uint32_t>(hw.read(F::vm_exit_interruption_information))};
        if (vmx::interruption::type(information) == vmx::EventType::nmi) return true;
    }
    if (plain || vcpu.plan.has_virtual_nmis) return false;
    return (hw.read(F::guest_interruptibility_state) & vmx::interruptibility::blocking_by_nmi) != 0;
}

// vmcs02 then tells what L0 has to say, as if the processor had left it there.
void override_exit(vmx::Hardware& hw, const ExitOverride& exit) {
    hw.write(F::exit_reason, exit.reason);
    hw.write(F::exit_qualification, exit.qualification);
    if (exit.interruption != 0) hw.write(F::vm_exit_interruption_information, exit.interruption);
    if (vmx::interruption::has_error_code(exit.interruption)) {
        hw.write(F::vm_exit_interruption_error_code, exit.error_code);
    }
    if (exit.has_addresses) {
        hw.write(F::guest_physical_address, exit.guest_physical);
        hw.write(F::guest_linear_address, exit.guest_linear);
    }
}

// `exit`: null where vmcs02 tells all. `plain`: nothing of what the plan makes of an exit is out of the
// ordinary, and it is no failed entry; the common case is then without a question for each of these.
template <bool plain>
[[gnu::always_inline]] inline void hand_exit_to_l1(Vcpu& vcpu, std::uint32_t reason,
                                                   const ExitOverride* exit) {
    auto& hw{vcpu.hardware};
    Vmcs12& vmcs12{vcpu.vmcs12};
    if (!shadow::is_at_newest(vcpu)) [[unlikely]] {
        hw.make_current(vcpu.vmcs01.region);
        shadow::move_to_newest(vcpu);
        hw.make_current(vcpu.vmcs02.region);
    }
    const bool entry_failed{!plain && (reason & vmx::exit_reason_entry_failure) != 0};
    // 27.8: a failed entry saves no guest state and leaves the launch state alone.
    if (entry_failed) {
        vmcs12.leave(F::exit_reason, reason);
        vmcs12.leave(F::exit_qualification,
                     exit != nullptr ? exit->qualification : hw.read(F::exit_qualification));
    } else {
        vmcs12.launched = true;
        save_l2_state<plain>(vcpu);
        if (exit != nullptr) override_exit(hw, *exit);
    }
    const Plan& plan{vcpu.plan};
    // The MSR-load area may have written over them in vmcs02, and not every exit saves them.
    if (!plain && plan.loads_msr_list) {
        vmcs12.mark_dirty(entry_failed ? msr_list_fields : msr_list_fields - plan.left_by_exit);
    }
    // A guest state that was refused was not loaded: NMI blocking and IA32_EFER are still L1's (27.8).
    const bool state_refused{!plain &&
                             (reason & vmx::basic_exit_reason_mask) ==
                                 static_cast<std::uint32_t>(vmcs::ExitReason::entry_failure_guest_state)};
    bool nmi_blocked{!entry_failed &&
                     blocks_nmi<plain>(vcpu, reason, exit != nullptr ? exit->interruption : 0)};
    std::uint64_t efer{!plain && !plan.loads_host_efer && !state_refused ? hw.read(F::guest_ia32_efer) : 0};
    const bool stores_msrs{!plain && plan.stores_msr_list && !entry_failed};
    if (stores_msrs && store_msr_list(vcpu, vmcs12.get(F::vm_exit_msr_store_address),
                                      vmcs12.get32(F::vm_exit_msr_store_count)) != 0) {
        stop_l1(vcpu, "VMX abort 1: an MSR of the VM-exit MSR-store area cannot be saved");
    }
    shadow::begin_round_trip(vcpu, !entry_failed);
    if (entry_failed) {
        nmi_blocked =
            (hw.read(F::guest_interruptibility_state) & vmx::interruptibility::blocking_by_nmi) != 0;
        if (state_refused) efer = hw.read(F::guest_ia32_efer);
    }
    load_host_state<plain>(vcpu, efer, nmi_blocked);
    if ((!plain && plan.stores_msr_list) || (entry_failed && exit != nullptr)) load_host_msrs(vcpu);
    vcpu.runs_l2 = false;
    vcpu.reason = static_cast<std::uint8_t>(reason & vmx::basic_exit_reason_mask);
    vcpu.l2_exit_tsc = vcpu.exit_tsc;
    if (!plain && !plan.has_vpid) hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
    if (!plain && plan.loads_host_msr_list) {
        const std::uint32_t count{vmcs12.get32(F::vm_exit_msr_load_count)};
        if (load_msr_list(vcpu, vmcs12.get(F::vm_exit_msr_load_address), count) != 0) {
            stop_l1(vcpu, "VMX abort 4: an MSR of the VM-exit MSR-load area cannot be loaded");
        }
    }
}

} // namespace

void deliver_exit_to_l1(Vcpu& vcpu, std::uint32_t reason) {
    if (vcpu.plan.exits_plainly && (reason & vmx::exit_reason_entry_failure) == 0) [[likely]] {
        hand_exit_to_l1<true>(vcpu, reason, nullptr);
    } else {
        hand_exit_to_l1<false>(vcpu, reason, nullptr);
    }
}

void deliver_exit_to_l1(Vcpu& vcpu, const ExitOverride& exit) {
    hand_exit_to_l1<false>(vcpu, exit.reason, &exit);
}

} // namespace shadowtune::nested
