// A vCPU's own VMCSs at start: vmcs01, which runs L1 on a machine that passes through, and what vmcs02 never
// changes. SDM Vol. 3C, chapter 25 (edition 325462-087).

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/apic.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/control_registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/run.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "hypervisor/vmx/exit_information.hpp"

namespace shadowtune::nested {

namespace {

namespace ctl = vmx;

// Controls without which L0 cannot work, for L1 and L2 alike.
constexpr std::uint32_t needed_secondary{ctl::secondary::enable_ept | ctl::secondary::enable_vpid |
                                         ctl::secondary::unrestricted_guest | ctl::secondary::vmcs_shadowing};
// Instructions that L1 would find disabled otherwise; where the processor lacks them, so does L1.
constexpr std::uint32_t enabled_instructions{
    ctl::secondary::enable_rdtscp | ctl::secondary::enable_invpcid | ctl::secondary::enable_xsaves_xrstors |
    ctl::secondary::enable_user_wait_and_pause | ctl::secondary::enable_pconfig};

[[nodiscard]] bool may_all(std::uint64_t capability, std::uint32_t bits) {
    return (ctl::may_be_one(capability) & bits) == bits;
}

void write_host_state(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const cpu::DescriptorBases bases{cpu::descriptor_bases()};
    hw.write(F::host_cr0, cpu::read_cr0());
    hw.write(F::host_cr3, cpu::read_cr3());
    hw.write(F::host_cr4, cpu::read_cr4());
    hw.write(F::host_cs_selector, cpu::code_selector);
    hw.write(F::host_ss_selector, cpu::data_selector);
    hw.write(F::host_ds_selector, cpu::data_selector);
    hw.write(F::host_es_selector, cpu::data_selector);
    hw.write(F::host_fs_selector, 0);
    hw.write(F::host_gs_selector, 0);
    hw.write(F::host_tr_selector, cpu::task_selector);
    hw.write(F::host_fs_base, 0);
    hw.write(F::host_gs_base, bases.gs);
    hw.write(F::host_tr_base, bases.tss);
    hw.write(F::host_gdtr_base, bases.gdt);
    hw.write(F::host_idtr_base, bases.idt);
    hw.write(F::host_ia32_sysenter_cs, 0);
    hw.write(F::host_ia32_sysenter_esp, 0);
    hw.write(F::host_ia32_sysenter_eip, 0);
    hw.write(F::host_ia32_efer, cpu::rdmsr(cpu::msr::efer));
    hw.write(F::host_rip, reinterpret_cast<std::uint64_t>(&vmx::vmx_exit_point));
    hw.write(F::host_rsp, reinterpret_cast<std::uint64_t>(&vcpu.stack->vcpu));
}

void write_unused_controls(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    for (const F field : {F::exception_bitmap, F::page_fault_error_code_mask, F::page_fault_error_code_match,
                          F::cr3_target_count, F::vm_exit_msr_store_count, F::vm_exit_msr_load_count,
                          F::vm_entry_msr_load_count, F::vm_entry_interruption_information, F::tsc_offset}) {
        hw.write(field, 0);
    }
    hw.write(F::vmcs_link_pointer, ~std::uint64_t{0});
    // L0 executes L2's VM functions: with none of them enabled each VMFUNC exits (26.5.6.2).
    if (vcpu.machine.physical_fields.test(vmcs::index_of(F::vm_function_controls)))
        hw.write(F::vm_function_controls, 0);
}

void write_controls01(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const auto& msrs{vcpu.machine.hardware_msrs};
    hw.write(F::pin_based_controls, ctl::adjust(ctl::pin::activate_preemption_timer, pin_capability(msrs)));
    hw.write(F::primary_processor_based_controls,
             ctl::adjust(ctl::primary::use_io_bitmaps | ctl::primary::use_msr_bitmaps |
                             ctl::primary::activate_secondary_controls,
                         primary_capability(msrs)));
    // VMCS shadowing itself comes with L1's first current vmcs12 (shadow/shadowing.cpp).
    constexpr std::uint32_t from_start{needed_secondary & ~ctl::secondary::vmcs_shadowing};
    hw.write(F::secondary_processor_based_controls,
             ctl::adjust(from_start | enabled_instructions, secondary_capability(msrs)));
    hw.write(F::primary_vm_exit_controls,
             ctl::adjust(ctl::exit::host_address_space_size | ctl::exit::save_debug_controls |
                             ctl::exit::save_efer | ctl::exit::load_efer,
                         exit_capability(msrs)));
    hw.write(F::vm_entry_controls,
             ctl::adjust(ctl::entry::load_debug_controls | ctl::entry::load_efer, entry_capability(msrs)));
    hw.write(F::msr_bitmap, reinterpret_cast<std::uint64_t>(vcpu.machine.msr_bitmap.page));
    hw.write(F::io_bitmap_a, reinterpret_cast<std::uint64_t>(vcpu.machine.io_bitmap_a.page));
    hw.write(F::io_bitmap_b, reinterpret_cast<std::uint64_t>(vcpu.machine.io_bitmap_b.page));
    hw.write(F::ept_pointer, vcpu.machine.eptp01);
    hw.write(F::virtual_processor_identifier, vpid_l1);
    hw.write(F::vmx_preemption_timer_value, vcpu.backstop);
    if (vcpu.machine.physical_fields.test(F::xss_exiting_bitmap)) hw.write(F::xss_exiting_bitmap, 0);
    if (vcpu.machine.physical_fields.test(F::pconfig_exiting_bitmap)) hw.write(F::pconfig_exiting_bitmap, 0);
}

[[nodiscard]] std::uint64_t new_region(Machine& machine) {
    const std::uint64_t region{machine.l0.take_pages(1)};
    *memory::at_physical<std::uint32_t>(region) =
        static_cast<std::uint32_t>(machine.hardware_msrs[ctl::msr::vmx_basic] & ctl::basic::revision_mask);
    return region;
}

// The segments and tables of the mode that L1's boot protocol wants (l1/load.hpp). Access rights of real
// mode: SDM Vol. 3C, 27.3.1.2 (edition 325462-087), with unrestricted guest.
void write_l1_segments(Vcpu& vcpu, const l1::L1Entry& entry) {
    auto& hw{vcpu.hardware};
    const bool is_real{entry.mode == l1::StartMode::real};
    constexpr std::uint64_t busy_tss{0x8B}, unusable{1U << 16};
    constexpr std::uint64_t tss_limit{0xFFFF}, table_limit{0xFFFF}, real_vectors_limit{0x3FF};
    const std::uint64_t code{is_real ? 0x9BU : 0xC09BU}, data{is_real ? 0x93U : 0xC093U};
    const std::uint64_t limit{is_real ? 0xFFFFU : 0xFFFF'FFFFU};
    const std::uint16_t code_selector{is_real ? std::uint16_t{0} : l1::boot_code_selector};
    const std::uint16_t data_selector{is_real ? std::uint16_t{0} : l1::boot_data_selector};
    constexpr unsigned segments{8}; // ES, CS, SS, DS, FS, GS, LDTR, TR: their fields follow each other
    for (unsigned i{0}; i < segments; ++i) {
        const auto at{[i](F first) { return static_cast<vmcs::Encoding>(vmcs::encoding_of(first) + 2 * i); }};
        const bool is_code{i == 1}, is_ldtr{i == 6}, is_tr{i == 7};
        hw.write(at(F::guest_es_selector), is_code            ? code_selector
                                           : is_ldtr || is_tr ? std::uint16_t{0}
                                                              : data_selector);
        hw.write(at(F::guest_es_base), 0);
        hw.write(at(F::guest_es_limit), is_ldtr || is_tr ? tss_limit : limit);
        hw.write(at(F::guest_es_access_rights), is_code   ? code
                                                : is_ldtr ? unusable
                                                : is_tr   ? busy_tss
                                                          : data);
    }
    hw.write(F::guest_gdtr_base, entry.gdt_base);
    hw.write(F::guest_gdtr_limit, is_real ? table_limit : l1::boot_gdt_limit);
    hw.write(F::guest_idtr_base, 0);
    hw.write(F::guest_idtr_limit, is_real ? real_vectors_limit : table_limit);
}

} // namespace

const char* missing_capability(const vmcs::CapabilityMsrs& hardware) {
    namespace cap = ctl::ept_vpid_cap;
    const std::uint64_t secondary{secondary_capability(hardware)};
    const std::uint64_t ept{hardware[ctl::msr::vmx_ept_vpid_cap]};
    if (!may_all(secondary, ctl::secondary::enable_ept)) {
        return "this processor has no EPT; use one of 2010 (Westmere) or later, or the lab";
    }
    if (!may_all(secondary, ctl::secondary::vmcs_shadowing)) {
        return "this processor has no VMCS shadowing; use one of 2013 (Haswell) or later, or the lab's "
               "--cpu-model corei7_haswell_4770";
    }
    if ((hardware[ctl::msr::vmx_misc] & ctl::misc::vmwrite_any_field) == 0) {
        return "this processor cannot VMWRITE read-only fields (IA32_VMX_MISC[29]), which shadow VMCSs need; "
               "use another";
    }
    if (!may_all(secondary, needed_secondary)) {
        return "this processor lacks VPID or unrestricted guest; use one of 2010 (Westmere) or later, or the "
               "lab";
    }
    if (!may_all(pin_capability(hardware), ctl::pin::activate_preemption_timer)) {
        return "this processor has no VMX-preemption timer; use another, or the lab";
    }
    if (!may_all(exit_capability(hardware), ctl::exit::load_efer | ctl::exit::save_efer)) {
        return "this processor cannot switch IA32_EFER at VM entry and exit; use another, or the lab";
    }
    constexpr std::uint64_t needed{cap::page_walk_4 | cap::memory_type_wb | cap::pages_2m | cap::invept |
                                   cap::invept_single_context | cap::invept_all_contexts | cap::invvpid |
                                   cap::invvpid_single_context | cap::invvpid_individual_address |
                                   cap::invvpid_all_contexts};
    if ((ept & needed) != needed) {
        return "this processor's EPT lacks 2-MiB pages, write-back tables, INVEPT or INVVPID; use another, "
               "or the lab";
    }
    return nullptr;
}

Vcpu* make_vcpu(Machine& machine, vmx::ExitStack& stack, std::uint64_t feature_control) {
    auto* const place{memory::at_physical<void>(
        machine.l0.take_pages((sizeof(Vcpu) + memory::page_size - 1) / memory::page_size))};
    auto* const vcpu{new (place) Vcpu{machine}};
    vcpu->stack = &stack;
    stack.vcpu = vcpu;
    vcpu->vmcs01.region = new_region(machine);
    vcpu->vmcs02.region = new_region(machine);
    vcpu->shadow_region = machine.l0.take_pages(1);
    vcpu->merged_msr_bitmap = machine.l0.take<BitmapWords>();
    vcpu->merged_io_bitmap_a = machine.l0.take<BitmapWords>();
    vcpu->merged_io_bitmap_b = machine.l0.take<BitmapWords>();
    vcpu->counters = machine.l0.take<shadow::AccessCounters>();
    vcpu->counters->share_clock(machine.first_touches);
    vcpu->sampler = shadow::Sampler{cpu::rdtsc()};
    vcpu->frozen = machine.l0.take<shadow::FrozenCounters>();
    vcpu->ept02 = machine.l0.take<Ept02>();
    vcpu->ept02->start(machine.l0.take_pages(machine.ept02_pages), machine.ept02_pages);
    vcpu->feature_control = feature_control;
    const std::uint64_t rate{machine.hardware_msrs[ctl::msr::vmx_misc] &
                             ctl::misc::preemption_timer_rate_mask};
    vcpu->backstop = static_cast<std::uint32_t>(machine.link.longest_interval() >> rate) + 1;

    auto& hw{vcpu->hardware};
    // Translations of an L0 before this one may still be cached: VMXOFF and VMXON drop none (SDM Vol. 3C,
    // 29.4.3.4).
    hw.invalidate(vmx::InvalidateEpt::all_contexts, 0);
    hw.invalidate(vmx::InvalidateVpid::all_contexts, 0);
    hw.clear(vcpu->vmcs02.region);
    hw.make_current(vcpu->vmcs02.region);
    write_host_state(*vcpu);
    write_unused_controls(*vcpu);
    hw.write(F::virtual_processor_identifier, vcpu->vpid02);
    hw.clear(vcpu->vmcs01.region);
    hw.make_current(vcpu->vmcs01.region);
    write_host_state(*vcpu);
    write_unused_controls(*vcpu);
    write_controls01(*vcpu);
    vcpu->in_force = &machine.generations.take_newest();
    vcpu->sampler.begin(vcpu->in_force->sample_interval);
    hw.write(F::vmread_bitmap, vcpu->in_force->read_bitmap);
    hw.write(F::vmwrite_bitmap, vcpu->in_force->write_bitmap);
    vcpu->number = static_cast<unsigned>(machine.vcpu_count);
    machine.vcpus[machine.vcpu_count++] = vcpu;
    watch_apic(*vcpu);
    return vcpu;
}

void prepare_l1(Vcpu& vcpu, const l1::L1Entry& entry) {
    auto& hw{vcpu.hardware};
    write_l1_segments(vcpu, entry);
    const bool is_real{entry.mode == l1::StartMode::real};
    constexpr std::uint64_t interrupts_off{0x2}, interrupts_on{0x202};
    const std::uint64_t cr0_of_l1{cpu::cr0::et | (is_real ? 0 : cpu::cr0::pe)};
    hw.write(F::guest_cr0, cr0_of_l1 | cpu::cr0::ne);
    hw.write(F::cr0_read_shadow, cr0_of_l1);
    set_owned_cr0_bits(vcpu);
    hw.write(F::guest_cr3, 0);
    hw.write(F::guest_cr4, cpu::cr4::vmxe);
    hw.write(F::cr4_guest_host_mask, owned_cr4_bits);
    hw.write(F::cr4_read_shadow, 0);
    hw.write(F::guest_ia32_efer, 0);
    hw.write(F::guest_ia32_debugctl, 0);
    hw.write(F::guest_dr7, 0x400);
    hw.write(F::guest_rip, entry.eip);
    hw.write(F::guest_rsp, entry.esp);
    hw.write(F::guest_rflags, is_real ? interrupts_on : interrupts_off);
    for (const F field :
         {F::guest_interruptibility_state, F::guest_activity_state, F::guest_pending_debug_exceptions,
          F::guest_ia32_sysenter_cs, F::guest_ia32_sysenter_esp, F::guest_ia32_sysenter_eip}) {
        hw.write(field, 0);
    }
    auto& r{vcpu.registers};
    const std::uint32_t in_order[]{entry.eax, entry.ecx, entry.edx, entry.ebx,
                                   0,         entry.ebp, entry.esi, entry.edi};
    for (unsigned i{0}; i < 8; ++i)
        r.value[i] = in_order[i];
}

} // namespace shadowtune::nested
