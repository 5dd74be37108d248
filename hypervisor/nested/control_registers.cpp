// MOV to CR0 and CR4 of L1 where a bit that L0 owns would change; L1's own value of these bits is in the read
// shadows. The rest of the write is done here as the processor would. SDM Vol. 2B, "MOV--Move to/from Control
// Registers" (edition 325462-087).

#include "hypervisor/nested/control_registers.hpp"

#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

namespace cr0 = cpu::cr0;
namespace cr4 = cpu::cr4;

constexpr std::uint64_t cr0_defined{cr0::pe | cr0::mp | cr0::em | cr0::ts | cr0::et | cr0::ne | cr0::wp |
                                    cr0::am | cr0::nw | cr0::cd | cr0::pg};

void general_protection(Vcpu& vcpu) {
    inject_exception(vcpu, vmx::vector::general_protection, 0);
}

// False where one has a reserved bit set, which is a #GP (Vol. 3A, 5.4.1).
[[nodiscard]] bool load_pdptes(Vcpu& vcpu) {
    constexpr std::uint64_t present{1}, reserved{0x1E6};
    const std::uint64_t table{vcpu.hardware.read(F::guest_cr3) & 0xFFFF'FFE0};
    const F fields[]{F::guest_pdpte_0, F::guest_pdpte_1, F::guest_pdpte_2, F::guest_pdpte_3};
    std::uint64_t pdptes[4];
    for (unsigned i{0}; i < 4; ++i) {
        pdptes[i] = vcpu.machine.l1.read64(table + 8 * i);
        const bool too_wide{pdptes[i] >> vcpu.machine.processor.physical_address_bits != 0};
        if ((pdptes[i] & present) != 0 && ((pdptes[i] & reserved) != 0 || too_wide)) return false;
    }
    for (unsigned i{0}; i < 4; ++i)
        vcpu.hardware.write(fields[i], pdptes[i]);
    return true;
}

// Entering or leaving IA-32e mode is part of changing CR0.PG (SDM Vol. 3A, 11.8.5).
void set_long_mode(Vcpu& vcpu, std::uint64_t efer, bool on) {
    auto& hw{vcpu.hardware};
    hw.write(F::guest_ia32_efer, on ? efer | cpu::efer::lma : efer & ~cpu::efer::lma);
    const std::uint64_t entry{hw.read(F::vm_entry_controls)};
    const std::uint64_t bit{vmx::entry::ia32e_mode_guest};
    hw.write(F::vm_entry_controls, on ? entry | bit : entry & ~bit);
}

void write_cr0(Vcpu& vcpu, std::uint64_t value) {
    auto& hw{vcpu.hardware};
    const std::uint64_t old{hw.read(F::guest_cr0)};
    const std::uint64_t efer{hw.read(F::guest_ia32_efer)};
    const std::uint64_t guest_cr4{hw.read(F::guest_cr4)};
    const bool reserved{value >> 32 != 0};
    value = (value & cr0_defined) | cr0::et;
    const bool paging{(value & cr0::pg) != 0};
    const bool was_paging{(old & cr0::pg) != 0};
    const bool impossible{(paging && (value & cr0::pe) == 0) ||
                          ((value & cr0::nw) != 0 && (value & cr0::cd) == 0)};
    // 24.8: NE, PE and PG stay on.
    const auto& offered{vcpu.machine.offered_msrs};
    const bool forbidden{vcpu.in_vmx_operation && !vmx::is_fixed_ok(value, offered[vmx::msr::vmx_cr0_fixed0],
                                                                    offered[vmx::msr::vmx_cr0_fixed1])};
    if (reserved || impossible || forbidden) return general_protection(vcpu);
    if (paging != was_paging && (efer & cpu::efer::lme) != 0) {
        const bool cs_is_64bit{(hw.read(F::guest_cs_access_rights) & vmx::access_rights::long_mode) != 0};
        if (paging && ((guest_cr4 & cr4::pae) == 0 || cs_is_64bit)) return general_protection(vcpu);
        // In 64-bit mode paging cannot be turned off.
        if (!paging && ((guest_cr4 & cr4::pcide) != 0 || cs_is_64bit)) return general_protection(vcpu);
        set_long_mode(vcpu, efer, paging);
    } else if (paging && !was_paging && (guest_cr4 & cr4::pae) != 0) {
        if (!load_pdptes(vcpu)) return general_protection(vcpu);
    }
    hw.write(F::guest_cr0, value | cr0::ne);
    hw.write(F::cr0_read_shadow, value);
    if (((value ^ old) & (cr0::pg | cr0::wp)) != 0)
        hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
    skip_instruction(vcpu);
}

void write_cr4(Vcpu& vcpu, std::uint64_t value) {
    auto& hw{vcpu.hardware};
    const std::uint64_t old{hw.read(F::guest_cr4)};
    const auto& offered{vcpu.machine.offered_msrs};
    const bool long_mode{(hw.read(F::guest_ia32_efer) & cpu::efer::lma) != 0};
    const bool reserved{(value & ~offered[vmx::msr::vmx_cr4_fixed1]) != 0};
    const bool leaves_vmx{vcpu.in_vmx_operation && (value & cr4::vmxe) == 0};
    const bool bad_pae{long_mode && (value & cr4::pae) == 0};
    const bool pcide_starts{(value & cr4::pcide) != 0 && (old & cr4::pcide) == 0};
    const bool bad_pcide{pcide_starts && (!long_mode || (hw.read(F::guest_cr3) & 0xFFF) != 0)};
    const bool bad_la57{long_mode && ((value ^ old) & cr4::la57) != 0};
    if (reserved || leaves_vmx || bad_pae || bad_pcide || bad_la57) return general_protection(vcpu);
    const std::uint64_t changed{value ^ (old & ~cr4::vmxe)};
    const bool pae_paging{!long_mode && (value & cr4::pae) != 0 && (hw.read(F::guest_cr0) & cr0::pg) != 0};
    const bool loads_pdptes{pae_paging && (changed & (cr4::pae | cr4::pge | cr4::pse | cr4::smep)) != 0};
    if (loads_pdptes && !load_pdptes(vcpu)) return general_protection(vcpu);
    hw.write(F::guest_cr4, value | cr4::vmxe);
    hw.write(F::cr4_read_shadow, value);
    hw.invalidate(vmx::InvalidateVpid::single_context, vpid_l1);
    skip_instruction(vcpu);
}

} // namespace

void set_owned_cr0_bits(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const std::uint64_t ne{cpu::cr0::ne};
    const std::uint64_t old{hw.read(F::guest_cr0)};
    hw.write(F::cr0_read_shadow, (old & ~ne) | (hw.read(F::cr0_read_shadow) & ne));
    hw.write(F::cr0_guest_host_mask,
             owned_cr0_bits(vcpu.in_vmx_operation, vcpu.machine.offered_msrs[vmx::msr::vmx_cr0_fixed0]));
}

void emulate_control_register_access(Vcpu& vcpu) {
    const vmx::CrAccess access{vcpu.hardware.read(F::exit_qualification)};
    if (access.type() != vmx::CrAccessType::mov_to_cr)
        stop_l1(vcpu, "control-register access that L0 never asked for");
    std::uint64_t value{access.gpr() == vmx::rsp_number ? vcpu.hardware.read(F::guest_rsp)
                                                        : vcpu.registers.value[access.gpr()]};
    if (!in_64bit_mode(vcpu)) value &= 0xFFFF'FFFF;
    switch (access.number()) {
    case 0: return write_cr0(vcpu, value);
    case 4: return write_cr4(vcpu, value);
    default: stop_l1(vcpu, "control-register access that L0 never asked for");
    }
}

} // namespace shadowtune::nested
