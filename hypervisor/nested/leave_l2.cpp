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

// 28.3: what this exit saved, by the exit controls of L1.
[[nodiscard]] vmcs::FieldSet saved_fields(const Vmcs12& vmcs12) {
    const std::uint32_t exit12{vmcs12.get32(F::primary_vm_exit_controls)};
    vmcs::FieldSet saved{always_saved_fields};
    if ((exit12 & vmx::exit::save_debug_controls) != 0) {
        saved |= detail::set_of(F::guest_ia32_debugctl, F::guest_dr7);
    }
    if ((exit12 & vmx::exit::save_pat) != 0) saved.set(F::guest_ia32_pat);
    if ((exit12 & vmx::exit::save_efer) != 0) saved.set(F::guest_ia32_efer);
    if ((exit12 & vmx::exit::save_perf_global_ctrl) != 0) saved.set(F::guest_ia32_perf_global_ctrl);
    return saved;
}

void save_l2_state(Vcpu& vcpu) {
    Vmcs12& vmcs12{vcpu.vmcs12};
    vmcs12.left_in_vmcs02((saved_fields(vmcs12) | exit_information_fields) & vcpu.machine.offered_fields);
    // 28.3.1: IA32_EFER.LMA goes to the VM-entry controls; the rest of vmcs02's word is L0's.
    constexpr std::uint64_t long_mode{vmx::entry::ia32e_mode_guest};
    const std::uint64_t entry12{vmcs12.get(F::vm_entry_controls)};
    const std::uint64_t entry02{vcpu.hardware.read(F::vm_entry_controls)};
    vmcs12.leave(F::vm_entry_controls, (entry12 & ~long_mode) | (entry02 & long_mode));
    const std::uint32_t exit12{vmcs12.get32(F::primary_vm_exit_controls)};
    const std::uint32_t pin12{vmcs12.get32(F::pin_based_controls)};
    if ((pin12 & vmx::pin::activate_preemption_timer) != 0 &&
        (exit12 & vmx::exit::save_preemption_timer_value) != 0) {
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

struct HostSegment {
    F selector, base, limit, rights;
    std::uint64_t selector_value, base_value, limit_value, rights_value;
};

// 28.5.2: the fixed attributes of the segments that an exit loads.
constexpr std::uint64_t code64{0xA09B}, code32{0xC09B}, data{0xC093}, busy_tss{0x8B}, unusable{1U << 16};
constexpr std::uint64_t four_gib_limit{0xFFFF'FFFF}, tss_limit{0x67}, table_limit{0xFFFF};

void load_host_segments(Vcpu& vcpu, bool host_is_64bit) {
    auto& hw{vcpu.hardware};
    const Vmcs12& host{vcpu.vmcs12};
    const auto load{[&](const HostSegment& s) {
        hw.write(s.selector, s.selector_value);
        hw.write(s.base, s.base_value);
        hw.write(s.limit, s.limit_value);
        hw.write(s.rights, s.rights_value);
    }};
    const auto data_segment{
        [&](F selector12, F selector, F base, F limit, F rights, std::uint64_t base_value) {
            const std::uint64_t value{host.get(selector12)};
            load({selector, base, limit, rights, value, base_value, four_gib_limit,
                  value == 0 ? unusable : data});
        }};
    load({F::guest_cs_selector, F::guest_cs_base, F::guest_cs_limit, F::guest_cs_access_rights,
          host.get(F::host_cs_selector), 0, four_gib_limit, host_is_64bit ? code64 : code32});
    data_segment(F::host_ss_selector, F::guest_ss_selector, F::guest_ss_base, F::guest_ss_limit,
                 F::guest_ss_access_rights, 0);
    data_segment(F::host_ds_selector, F::guest_ds_selector, F::guest_ds_base, F::guest_ds_limit,
                 F::guest_ds_access_rights, 0);
    data_segment(F::host_es_selector, F::guest_es_selector, F::guest_es_base, F::guest_es_limit,
                 F::guest_es_access_rights, 0);
    data_segment(F::host_fs_selector, F::guest_fs_selector, F::guest_fs_base, F::guest_fs_limit,
                 F::guest_fs_access_rights, host.get(F::host_fs_base));
    data_segment(F::host_gs_selector, F::guest_gs_selector, F::guest_gs_base, F::guest_gs_limit,
                 F::guest_gs_access_rights, host.get(F::host_gs_base));
    load({F::guest_tr_selector, F::guest_tr_base, F::guest_tr_limit, F::guest_tr_access_rights,
          host.get(F::host_tr_selector), host.get(F::host_tr_base), tss_limit, busy_tss});
    hw.write(F::guest_ldtr_selector, 0);
    hw.write(F::guest_ldtr_access_rights, unusable);
    hw.write(F::guest_gdtr_base, host.get(F::host_gdtr_base));
    hw.write(F::guest_gdtr_limit, table_limit);
    hw.write(F::guest_idtr_base, host.get(F::host_idtr_base));
    hw.write(F::guest_idtr_limit, table_limit);
}

// 28.5.1. CR0 keeps what an exit does not change (CD, NW, ET and reserved bits): those are L1's own all the
// time.
void load_host_control_registers(Vcpu& vcpu, bool host_is_64bit, std::uint64_t kept_efer) {
    auto& hw{vcpu.hardware};
    const Vmcs12& host{vcpu.vmcs12};
    constexpr std::uint64_t cr0_kept{cpu::cr0::cd | cpu::cr0::nw | cpu::cr0::et};
    const std::uint64_t cr0{(host.get(F::host_cr0) & ~cr0_kept) | (hw.read(F::guest_cr0) & cr0_kept)};
    std::uint64_t cr4{host.get(F::host_cr4)};
    if (host_is_64bit) {
        cr4 |= cpu::cr4::pae;
    } else {
        cr4 &= ~cpu::cr4::pcide;
    }
    hw.write(F::guest_cr0, cr0);
    hw.write(F::cr0_read_shadow, cr0);
    hw.write(F::guest_cr3, host.get(F::host_cr3));
    hw.write(F::guest_cr4, cr4);
    hw.write(F::cr4_read_shadow, cr4);

    const std::uint32_t exit12{host.get32(F::primary_vm_exit_controls)};
    constexpr std::uint64_t long_mode{cpu::efer::lma | cpu::efer::lme};
    std::uint64_t efer{kept_efer};
    if ((exit12 & vmx::exit::load_efer) != 0) efer = host.get(F::host_ia32_efer);
    efer = host_is_64bit ? efer | long_mode : efer & ~long_mode;
    hw.write(F::guest_ia32_efer, efer);
    const auto entry{static_cast<std::uint32_t>(hw.read(F::vm_entry_controls))};
    const std::uint32_t wanted{host_is_64bit ? entry | vmx::entry::ia32e_mode_guest
                                             : entry & ~vmx::entry::ia32e_mode_guest};
    if (wanted != entry) hw.write(F::vm_entry_controls, wanted);

    // PAE paging: 28.5.4 "Checking and Loading Host Page-Directory-Pointer-Table Entries".
    if (!host_is_64bit && (cr4 & cpu::cr4::pae) != 0) {
        const std::uint64_t table{host.get(F::host_cr3) & 0xFFFF'FFE0};
        const F pdptes[]{F::guest_pdpte_0, F::guest_pdpte_1, F::guest_pdpte_2, F::guest_pdpte_3};
        for (std::size_t i{0}; i < 4; ++i)
            hw.write(pdptes[i], vcpu.machine.l1.read64(table + 8 * i));
    }
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

void load_host_state(Vcpu& vcpu, std::uint64_t kept_efer, bool nmi_blocked) {
    auto& hw{vcpu.hardware};
    const Vmcs12& host{vcpu.vmcs12};
    const bool host_is_64bit{(host.get32(F::primary_vm_exit_controls) & vmx::exit::host_address_space_size) !=
                             0};
    constexpr std::uint64_t rflags_fixed{0x2};
    constexpr std::uint64_t dr7_fixed{0x400};
    load_host_control_registers(vcpu, host_is_64bit, kept_efer);
    load_host_segments(vcpu, host_is_64bit);
    hw.write(F::guest_rip, host.get(F::host_rip));
    hw.write(F::guest_rsp, host.get(F::host_rsp));
    hw.write(F::guest_rflags, rflags_fixed);
    hw.write(F::guest_dr7, dr7_fixed);
    hw.write(F::guest_ia32_debugctl, 0);
    hw.write(F::guest_ia32_sysenter_cs, host.get(F::host_ia32_sysenter_cs));
    hw.write(F::guest_ia32_sysenter_esp, host.get(F::host_ia32_sysenter_esp));
    hw.write(F::guest_ia32_sysenter_eip, host.get(F::host_ia32_sysenter_eip));
    // 28.5.5: no blocking but by NMI, active, nothing pending.
    hw.write(F::guest_interruptibility_state, nmi_blocked ? vmx::interruptibility::blocking_by_nmi : 0U);
    hw.write(F::guest_activity_state, 0);
    hw.write(F::guest_pending_debug_exceptions, 0);
}

// 28.5.5: an exit caused by an NMI blocks NMIs; otherwise L2's blocking lives on, but for virtual NMIs.
[[nodiscard]] bool blocks_nmi(Vcpu& vcpu, std::uint32_t reason, std::uint32_t interruption) {
    auto& hw{vcpu.hardware};
    if (reason == static_cast<std::uint32_t>(vmcs::ExitReason::exception_or_nmi)) {
        const auto information{
            interruption != 0 ? interruption
                              : static_cast<std::uint32_t>(hw.read(F::vm_exit_interruption_information))};
        if (vmx::interruption::type(information) == vmx::EventType::nmi) return true;
    }
    if ((vcpu.vmcs12.get32(F::pin_based_controls) & vmx::pin::virtual_nmis) != 0) return false;
    return (hw.read(F::guest_interruptibility_state) & vmx::interruptibility::blocking_by_nmi) != 0;
}

} // namespace

void deliver_exit_to_l1(Vcpu& vcpu, const ExitOverride& exit) {
    auto& hw{vcpu.hardware};
    Vmcs12& vmcs12{vcpu.vmcs12};
    if (vcpu.in_force != &vcpu.machine.generations.newest()) {
        hw.make_current(vcpu.vmcs01.region);
        shadow::move_to_newest(vcpu);
        hw.make_current(vcpu.vmcs02.region);
    }
    const auto reason{exit.set ? exit.reason : static_cast<std::uint32_t>(hw.read(F::exit_reason))};
    const bool entry_failed{(reason & vmx::exit_reason_entry_failure) != 0};
    // 27.8: a failed entry saves no guest state and leaves the launch state alone.
    if (entry_failed) {
        vmcs12.leave(F::exit_reason, reason);
        vmcs12.leave(F::exit_qualification, exit.set ? exit.qualification : hw.read(F::exit_qualification));
    } else {
        vmcs12.launched = true;
        save_l2_state(vcpu);
        vmcs12.leave(F::exit_reason, reason);
        if (exit.set) vmcs12.leave(F::exit_qualification, exit.qualification);
        if (exit.interruption != 0) vmcs12.leave(F::vm_exit_interruption_information, exit.interruption);
        if (vmx::interruption::has_error_code(exit.interruption)) {
            vmcs12.leave(F::vm_exit_interruption_error_code, exit.error_code);
        }
        if (exit.has_addresses) {
            vmcs12.leave(F::guest_physical_address, exit.guest_physical);
            vmcs12.leave(F::guest_linear_address, exit.guest_linear);
        }
    }
    // The MSR-load area may have written over them in vmcs02, and not every exit saves them.
    if (vmcs12.get32(F::vm_entry_msr_load_count) != 0) {
        vmcs12.mark_dirty(msr_list_fields - vmcs12.in_vmcs02());
    }
    // A guest state that was refused was not loaded: NMI blocking and IA32_EFER are still L1's (27.8).
    const bool state_refused{(reason & vmx::basic_exit_reason_mask) ==
                             static_cast<std::uint32_t>(vmcs::ExitReason::entry_failure_guest_state)};
    bool nmi_blocked{!entry_failed && blocks_nmi(vcpu, reason, exit.interruption)};
    const bool needs_efer{(vmcs12.get32(F::primary_vm_exit_controls) & vmx::exit::load_efer) == 0};
    std::uint64_t efer{needs_efer && !state_refused ? hw.read(F::guest_ia32_efer) : 0};
    const std::uint32_t store_count{vmcs12.get32(F::vm_exit_msr_store_count)};
    if (store_count != 0 && !entry_failed) {
        if (store_msr_list(vcpu, vmcs12.get(F::vm_exit_msr_store_address), store_count) != 0) {
            stop_l1(vcpu, "VMX abort 1: an MSR of the VM-exit MSR-store area cannot be saved");
        }
    }
    shadow::begin_round_trip(vcpu);
    if (entry_failed) {
        nmi_blocked =
            (hw.read(F::guest_interruptibility_state) & vmx::interruptibility::blocking_by_nmi) != 0;
        if (state_refused) efer = hw.read(F::guest_ia32_efer);
    }
    load_host_state(vcpu, efer, nmi_blocked);
    if (store_count != 0 || (entry_failed && exit.set)) load_host_msrs(vcpu);
    vcpu.runs_l2 = false;
    vcpu.reason = static_cast<std::uint8_t>(reason & vmx::basic_exit_reason_mask);
    vcpu.l2_exit_tsc = vcpu.exit_tsc;
    if (!vcpu.l2_has_vpid) hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
    if (const std::uint32_t count{vmcs12.get32(F::vm_exit_msr_load_count)}; count != 0) {
        if (load_msr_list(vcpu, vmcs12.get(F::vm_exit_msr_load_address), count) != 0) {
            stop_l1(vcpu, "VMX abort 4: an MSR of the VM-exit MSR-load area cannot be loaded");
        }
    }
}

} // namespace shadowtune::nested
