#include "hypervisor/nested/entry_checks_common.hpp"

// SDM Vol. 3C, sections 27.2.2 "Checks on Host Control Registers, MSRs, and SSP", 27.2.3 "Checks on Host
// Segment and Descriptor-Table Registers" and 27.2.4 "Checks Related to Address-Space Size" (edition
// 325462-087).

namespace shadowtune::nested {

namespace {

using detail::Checked;
using detail::refuse;
using vmcs::Field;

[[nodiscard]] Check check_control_registers(const Checked& c) {
    const std::uint64_t cr0{c.get(Field::host_cr0)};
    const std::uint64_t cr4{c.get(Field::host_cr4)};
    if (!c.is_cr0(cr0, 0))
        return refuse(Field::host_cr0, "a bit that VMX operation fixes is at its other value");
    if (!c.is_cr4(cr4))
        return refuse(Field::host_cr4, "a bit that VMX operation fixes is at its other value");
    if ((cr4 & detail::cr4_cet) != 0 && (cr0 & detail::cr0_wp) == 0) {
        return refuse(Field::host_cr4, "CET without CR0.WP");
    }
    if (!c.is_cr3(c.get(Field::host_cr3)))
        return refuse(Field::host_cr3, "beyond the physical-address width");
    return {};
}

[[nodiscard]] Check check_msrs(const Checked& c) {
    for (const Field field : {Field::host_ia32_sysenter_esp, Field::host_ia32_sysenter_eip}) {
        if (!c.is_canonical(c.get(field))) return refuse(field, "not canonical");
    }
    if (c.exit(vmx::exit::load_pat) && !detail::is_pat(c.get(Field::host_ia32_pat))) {
        return refuse(Field::host_ia32_pat, "a byte is not a memory type");
    }
    if (c.exit(vmx::exit::load_efer)) {
        const std::uint64_t efer{c.get(Field::host_ia32_efer)};
        if ((efer & ~c.processor.efer_bits) != 0)
            return refuse(Field::host_ia32_efer, "a reserved bit is set");
        const bool long_host{c.exit(vmx::exit::host_address_space_size)};
        if (((efer & detail::efer_lma) != 0) != long_host || ((efer & detail::efer_lme) != 0) != long_host) {
            return refuse(Field::host_ia32_efer, "LMA or LME differs from the host address-space size");
        }
    }
    return {};
}

[[nodiscard]] Check check_segments(const Checked& c) {
    constexpr std::uint64_t rpl_and_ti{7};
    for (const Field field :
         {Field::host_cs_selector, Field::host_ss_selector, Field::host_ds_selector, Field::host_es_selector,
          Field::host_fs_selector, Field::host_gs_selector, Field::host_tr_selector}) {
        if ((c.get(field) & rpl_and_ti) != 0) return refuse(field, "RPL or TI is not 0");
    }
    for (const Field field : {Field::host_cs_selector, Field::host_tr_selector}) {
        if (c.get(field) == 0) return refuse(field, "null");
    }
    if (!c.exit(vmx::exit::host_address_space_size) && c.get(Field::host_ss_selector) == 0) {
        return refuse(Field::host_ss_selector, "null for a 32-bit host");
    }
    for (const Field field : {Field::host_fs_base, Field::host_gs_base, Field::host_gdtr_base,
                              Field::host_idtr_base, Field::host_tr_base}) {
        if (!c.is_canonical(c.get(field))) return refuse(field, "not canonical");
    }
    return {};
}

[[nodiscard]] Check check_address_space_size(const Checked& c) {
    const bool long_host{c.exit(vmx::exit::host_address_space_size)};
    const bool long_guest{c.entry(vmx::entry::ia32e_mode_guest)};
    const std::uint64_t rip{c.get(Field::host_rip)};
    const std::uint64_t cr4{c.get(Field::host_cr4)};
    // A processor cannot leave or enter IA-32e mode through a VM exit that it would not have made itself.
    if (c.context.in_ia32e_mode != long_host) {
        return refuse(Field::primary_vm_exit_controls,
                      "host address-space size differs from the mode of VM entry");
    }
    if (!long_host) {
        if (long_guest) return refuse(Field::vm_entry_controls, "an IA-32e mode guest of a 32-bit host");
        if ((cr4 & detail::cr4_pcide) != 0) return refuse(Field::host_cr4, "PCIDE for a 32-bit host");
        if ((rip >> 32) != 0) return refuse(Field::host_rip, "above 4 GiB for a 32-bit host");
        return {};
    }
    if ((cr4 & detail::cr4_pae) == 0) return refuse(Field::host_cr4, "no PAE for a 64-bit host");
    if (!c.is_canonical(rip)) return refuse(Field::host_rip, "not canonical");
    return {};
}

} // namespace

Check check_host_state(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                       const ProcessorFacts& processor, const EntryContext& context) {
    const Checked c{vmcs12, offered, processor, context};
    for (const auto check : {check_control_registers, check_msrs, check_segments, check_address_space_size}) {
        if (const Check result{check(c)}; !result.ok()) return result;
    }
    return {};
}

} // namespace shadowtune::nested
