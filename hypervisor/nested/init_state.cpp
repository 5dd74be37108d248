#include "hypervisor/nested/init_state.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/control_registers.hpp"
#include "hypervisor/nested/field_classes.hpp"

namespace shadowtune::nested {

namespace {

namespace reg = devices::apic_register;

constexpr std::uint64_t limit_64k{0xFFFF}, rights_code{0x9B}, rights_data{0x93}, rights_ldt{0x82},
    rights_tss{0x8B};
constexpr std::uint16_t reset_selector{0xF000};
constexpr std::uint64_t reset_base{0xFFFF'0000}, reset_ip{0xFFF0};

void write_segments(vmx::Hardware& hw) {
    constexpr unsigned segments{8}; // ES, CS, SS, DS, FS, GS, LDTR, TR: their fields follow each other
    for (unsigned i{0}; i < segments; ++i) {
        const auto at{[i](F first) { return static_cast<vmcs::Encoding>(vmcs::encoding_of(first) + 2 * i); }};
        const bool is_code{i == 1}, is_ldtr{i == 6}, is_tr{i == 7};
        hw.write(at(F::guest_es_selector), is_code ? reset_selector : 0);
        hw.write(at(F::guest_es_base), is_code ? reset_base : 0);
        hw.write(at(F::guest_es_limit), limit_64k);
        hw.write(at(F::guest_es_access_rights), is_code   ? rights_code
                                                : is_ldtr ? rights_ldt
                                                : is_tr   ? rights_tss
                                                          : rights_data);
    }
    hw.write(F::guest_gdtr_base, 0);
    hw.write(F::guest_gdtr_limit, limit_64k);
    hw.write(F::guest_idtr_base, 0);
    hw.write(F::guest_idtr_limit, limit_64k);
}

// Registers that no VMCS switches.
void write_debug_registers_and_cr2() {
    constexpr std::uint64_t dr6_after_init{0xFFFF'0FF0};
    const std::uint64_t zero{0};
    cpu::write_cr2(zero);
    asm volatile("mov %0, %%dr0\n"
                 "mov %0, %%dr1\n"
                 "mov %0, %%dr2\n"
                 "mov %0, %%dr3\n"
                 "mov %1, %%dr6\n"
                 :
                 : "r"(zero), "r"(dr6_after_init));
}

void end_interrupts_in_service(const devices::LocalApic& apic) {
    constexpr unsigned vectors{256};
    for (unsigned i{0}; i < vectors; ++i) {
        std::uint32_t in_service{0};
        for (std::uint32_t word{0}; word < 8; ++word)
            in_service |= apic.read(reg::isr + word * 16);
        if (in_service == 0) return;
        apic.write(reg::eoi, 0);
    }
}

} // namespace

void write_init_state(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    write_segments(hw);
    // CD and NW are not loaded by a VM entry (Vol. 3C, 27.3.2.1): L1 finds them clear, as L0 needs them.
    constexpr std::uint64_t cr0_after_init{cpu::cr0::et};
    hw.write(F::guest_cr0, cr0_after_init | cpu::cr0::ne);
    hw.write(F::cr0_read_shadow, cr0_after_init);
    set_owned_cr0_bits(vcpu);
    hw.write(F::guest_cr4, cpu::cr4::vmxe);
    hw.write(F::cr4_guest_host_mask, owned_cr4_bits);
    hw.write(F::cr4_read_shadow, 0);
    hw.write(F::guest_dr7, 0x400);
    hw.write(F::guest_rip, reset_ip);
    hw.write(F::guest_rflags, 0x2);
    for (const F field : {F::guest_cr3, F::guest_rsp, F::guest_ia32_efer, F::guest_ia32_debugctl,
                          F::guest_interruptibility_state, F::guest_activity_state,
                          F::guest_pending_debug_exceptions, F::vm_entry_interruption_information}) {
        hw.write(field, 0);
    }
    hw.write(F::vm_entry_controls,
             hw.read(F::vm_entry_controls) & ~std::uint64_t{vmx::entry::ia32e_mode_guest});
    hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
    vcpu.registers = {};
    vcpu.registers.rdx() = cpu::cpuid(1).eax;
    write_debug_registers_and_cr2();
    static_cast<void>(cpu::take_pending_nmi());
}

void reset_local_apic(Vcpu& vcpu) {
    const devices::LocalApic apic{};
    if (apic.mode() == ApicMode::disabled) return;
    constexpr std::uint32_t masked{0x1'0000}, spurious_after_init{0xFF}, flat{0xFFFF'FFFF};
    // Version, bits 23:16: the local vector table's last entry.
    const std::uint32_t last_entry{apic.read(reg::version) >> 16 & 0xFF};
    apic.write(reg::initial_count, 0);
    for (const std::uint32_t entry : {reg::lvt_timer, reg::lvt_lint0, reg::lvt_lint1, reg::lvt_error})
        apic.write(entry, masked);
    if (last_entry >= 4) apic.write(reg::lvt_performance, masked);
    if (last_entry >= 5) apic.write(reg::lvt_thermal, masked);
    if (last_entry >= 6) apic.write(reg::lvt_cmci, masked);
    apic.write(reg::divide_configuration, 0);
    apic.write(reg::tpr, 0);
    end_interrupts_in_service(apic);
    if (apic.mode() == ApicMode::xapic) {
        apic.write(reg::ldr, 0);
        apic.write(reg::dfr, flat);
        apic.write(reg::icr_high, 0);
        vcpu.apic.ldr = 0;
        vcpu.apic.dfr = flat;
    }
    apic.write(reg::esr, 0);
    apic.write(reg::esr, 0);
    apic.write(reg::svr, spurious_after_init);
}

void write_startup_state(Vcpu& vcpu, std::uint8_t vector) {
    auto& hw{vcpu.hardware};
    hw.write(F::guest_cs_selector, std::uint64_t{vector} << 8);
    hw.write(F::guest_cs_base, std::uint64_t{vector} << 12);
    hw.write(F::guest_rip, 0);
}

} // namespace shadowtune::nested
