#include "hypervisor/nested/entry_checks_common.hpp"

// SDM Vol. 3C, section 27.3.1 "Checks on the Guest State Area" (edition 325462-087), its segments apart.

namespace shadowtune::nested {

namespace {

using detail::Checked;
using detail::refuse;
using vmcs::Field;
namespace interruption = vmx::interruption;
namespace interruptibility = vmx::interruptibility;
namespace pending_debug = vmx::pending_debug;

[[nodiscard]] bool is_long_guest(const Checked& c) {
    return c.entry(vmx::entry::ia32e_mode_guest);
}

// 27.3.1.1, control registers.
[[nodiscard]] Check check_control_registers(const Checked& c) {
    const std::uint64_t cr0{c.get(Field::guest_cr0)};
    const std::uint64_t cr4{c.get(Field::guest_cr4)};
    const bool unrestricted{c.secondary(vmx::secondary::unrestricted_guest)};
    const std::uint64_t exempt{unrestricted ? detail::cr0_pe | detail::cr0_pg : 0};
    if (!c.is_cr0(cr0, exempt))
        return refuse(Field::guest_cr0, "a bit that VMX operation fixes is at its other value");
    const bool paging{(cr0 & detail::cr0_pg) != 0};
    if (paging && (cr0 & detail::cr0_pe) == 0) return refuse(Field::guest_cr0, "PG without PE");
    if (!c.is_cr4(cr4))
        return refuse(Field::guest_cr4, "a bit that VMX operation fixes is at its other value");
    if ((cr4 & detail::cr4_cet) != 0 && (cr0 & detail::cr0_wp) == 0) {
        return refuse(Field::guest_cr4, "CET without CR0.WP");
    }
    if (is_long_guest(c)) {
        if (!paging) return refuse(Field::guest_cr0, "no PG in IA-32e mode");
        if ((cr4 & detail::cr4_pae) == 0) return refuse(Field::guest_cr4, "no PAE in IA-32e mode");
    } else if ((cr4 & detail::cr4_pcide) != 0) {
        return refuse(Field::guest_cr4, "PCIDE outside IA-32e mode");
    }
    if (!c.is_cr3(c.get(Field::guest_cr3)))
        return refuse(Field::guest_cr3, "beyond the physical-address width");
    return {};
}

// 27.3.1.1, debug registers and MSRs.
[[nodiscard]] Check check_msrs(const Checked& c) {
    if (c.entry(vmx::entry::load_debug_controls)) {
        if ((c.get(Field::guest_ia32_debugctl) & ~c.processor.debugctl_bits) != 0) {
            return refuse(Field::guest_ia32_debugctl, "a reserved bit is set");
        }
        if ((c.get(Field::guest_dr7) >> 32) != 0) return refuse(Field::guest_dr7, "bits 63:32 are not 0");
    }
    for (const Field field : {Field::guest_ia32_sysenter_esp, Field::guest_ia32_sysenter_eip}) {
        if (!c.is_canonical(c.get(field))) return refuse(field, "not canonical");
    }
    if (c.entry(vmx::entry::load_pat) && !detail::is_pat(c.get(Field::guest_ia32_pat))) {
        return refuse(Field::guest_ia32_pat, "a byte is not a memory type");
    }
    if (c.entry(vmx::entry::load_efer)) {
        const std::uint64_t efer{c.get(Field::guest_ia32_efer)};
        if ((efer & ~c.processor.efer_bits) != 0)
            return refuse(Field::guest_ia32_efer, "a reserved bit is set");
        const bool active{(efer & detail::efer_lma) != 0};
        if (active != is_long_guest(c))
            return refuse(Field::guest_ia32_efer, "LMA differs from the IA-32e mode control");
        const bool paging{(c.get(Field::guest_cr0) & detail::cr0_pg) != 0};
        if (paging && active != ((efer & detail::efer_lme) != 0)) {
            return refuse(Field::guest_ia32_efer, "LMA differs from LME with paging");
        }
    }
    return {};
}

// 27.3.1.3.
[[nodiscard]] Check check_descriptor_tables(const Checked& c) {
    for (const Field field : {Field::guest_gdtr_base, Field::guest_idtr_base}) {
        if (!c.is_canonical(c.get(field))) return refuse(field, "not canonical");
    }
    for (const Field field : {Field::guest_gdtr_limit, Field::guest_idtr_limit}) {
        if ((c.get32(field) >> 16) != 0) return refuse(field, "bits 31:16 are not 0");
    }
    return {};
}

// 27.3.1.4.
[[nodiscard]] Check check_rip_and_rflags(const Checked& c) {
    const std::uint64_t rip{c.get(Field::guest_rip)};
    const bool long_code{(c.get32(Field::guest_cs_access_rights) & vmx::access_rights::long_mode) != 0};
    if (!is_long_guest(c) || !long_code) {
        if ((rip >> 32) != 0) return refuse(Field::guest_rip, "above 4 GiB outside 64-bit mode");
    } else {
        // Bits 63:N are identical; bit N-1 is free, so RIP need not be canonical.
        const std::uint64_t upper{rip >> c.processor.linear_address_bits};
        const std::uint64_t ones{~std::uint64_t{0} >> c.processor.linear_address_bits};
        if (upper != 0 && upper != ones) return refuse(Field::guest_rip, "beyond the linear-address width");
    }
    const std::uint64_t rflags{c.get(Field::guest_rflags)};
    constexpr std::uint64_t always_0{(~std::uint64_t{0} << 22) | 0x8028U};
    if ((rflags & always_0) != 0 || (rflags & 2U) == 0) return refuse(Field::guest_rflags, "a reserved bit");
    const bool is_protected{(c.get(Field::guest_cr0) & detail::cr0_pe) != 0};
    if (c.is_v8086() && (is_long_guest(c) || !is_protected)) {
        return refuse(Field::guest_rflags, "VM outside legacy protected mode");
    }
    const std::uint32_t injected{c.get32(Field::vm_entry_interruption_information)};
    const bool interrupt{interruption::is_valid(injected) &&
                         interruption::type(injected) == vmx::EventType::external_interrupt};
    if (interrupt && (rflags & detail::rflags_if) == 0) {
        return refuse(Field::guest_rflags, "an external interrupt is injected with IF clear");
    }
    return {};
}

// 27.3.1.5: an event may be injected only where the activity state lets it through.
[[nodiscard]] bool passes_activity(std::uint32_t injected, vmx::ActivityState state) {
    const vmx::EventType type{interruption::type(injected)};
    const std::uint8_t vector{interruption::vector(injected)};
    const bool exception{type == vmx::EventType::hardware_exception};
    switch (state) {
    case vmx::ActivityState::active: return true;
    case vmx::ActivityState::hlt:
        return type == vmx::EventType::external_interrupt || type == vmx::EventType::nmi ||
               (exception && (vector == vmx::vector::debug || vector == vmx::vector::machine_check)) ||
               (type == vmx::EventType::other_event && vector == 0);
    case vmx::ActivityState::shutdown:
        return type == vmx::EventType::nmi || (exception && vector == vmx::vector::machine_check);
    case vmx::ActivityState::wait_for_sipi: break;
    }
    return false;
}

[[nodiscard]] Check check_activity(const Checked& c) {
    constexpr Field field{Field::guest_activity_state};
    const std::uint32_t value{c.get32(field)};
    if (value > 3) return refuse(field, "not an activity state");
    // IA32_VMX_MISC[8:6]: HLT, shutdown, wait-for-SIPI.
    if (value != 0 && ((c.offered[vmx::msr::vmx_misc] >> (5 + value)) & 1U) == 0) {
        return refuse(field, "an activity state that is not offered");
    }
    const auto state{static_cast<vmx::ActivityState>(value)};
    if (state == vmx::ActivityState::hlt &&
        vmx::access_rights::dpl(c.get32(Field::guest_ss_access_rights)) != 0) {
        return refuse(field, "HLT with SS.DPL above 0");
    }
    constexpr std::uint32_t blocking{interruptibility::blocking_by_sti |
                                     interruptibility::blocking_by_mov_ss};
    if (value != 0 && (c.get32(Field::guest_interruptibility_state) & blocking) != 0) {
        return refuse(field, "not active while STI or MOV SS blocks");
    }
    const std::uint32_t injected{c.get32(Field::vm_entry_interruption_information)};
    if (interruption::is_valid(injected) && !passes_activity(injected, state)) {
        return refuse(field, "the injected event is blocked in this activity state");
    }
    return {};
}

[[nodiscard]] Check check_interruptibility(const Checked& c) {
    constexpr Field field{Field::guest_interruptibility_state};
    const std::uint32_t value{c.get32(field)};
    const bool sti{(value & interruptibility::blocking_by_sti) != 0};
    const bool mov_ss{(value & interruptibility::blocking_by_mov_ss) != 0};
    if ((value & interruptibility::reserved) != 0) return refuse(field, "a reserved bit is set");
    if (sti && mov_ss) return refuse(field, "both STI and MOV SS block");
    if (sti && (c.get(Field::guest_rflags) & detail::rflags_if) == 0)
        return refuse(field, "STI blocks with IF clear");
    // L1 never runs in SMM, and "entry to SMM" is not offered.
    if ((value & interruptibility::blocking_by_smi) != 0) return refuse(field, "SMI blocks outside SMM");
    if ((value & interruptibility::enclave_interruption) != 0 && (mov_ss || !c.processor.has_sgx)) {
        return refuse(field, "an enclave interruption that cannot be");
    }
    const std::uint32_t injected{c.get32(Field::vm_entry_interruption_information)};
    if (!interruption::is_valid(injected)) return {};
    if (interruption::type(injected) == vmx::EventType::external_interrupt && (sti || mov_ss)) {
        return refuse(field, "an external interrupt is injected while STI or MOV SS blocks");
    }
    if (interruption::type(injected) == vmx::EventType::nmi) {
        if (mov_ss) return refuse(field, "an NMI is injected while MOV SS blocks");
        if (c.pin(vmx::pin::virtual_nmis) && (value & interruptibility::blocking_by_nmi) != 0) {
            return refuse(field, "a virtual NMI is injected while NMIs block");
        }
        if (sti && c.processor.nmi_needs_no_sti_blocking) {
            return refuse(field, "an NMI is injected while STI blocks", GuestFailure::nmi_with_sti_blocking);
        }
    }
    return {};
}

[[nodiscard]] Check check_pending_debug(const Checked& c) {
    constexpr Field field{Field::guest_pending_debug_exceptions};
    const std::uint64_t value{c.get(field)};
    std::uint64_t known{0xFU | pending_debug::enabled_breakpoint | pending_debug::single_step |
                        pending_debug::rtm};
    if (c.processor.has_bus_lock_debug) known |= pending_debug::bus_lock;
    if ((value & ~known) != 0) return refuse(field, "a reserved bit is set");

    const std::uint32_t blocked{c.get32(Field::guest_interruptibility_state)};
    const bool mov_ss{(blocked & interruptibility::blocking_by_mov_ss) != 0};
    const bool sti{(blocked & interruptibility::blocking_by_sti) != 0};
    const bool halted{c.get32(Field::guest_activity_state) ==
                      static_cast<std::uint32_t>(vmx::ActivityState::hlt)};
    if (sti || mov_ss || halted) {
        const bool steps{(c.get(Field::guest_rflags) & detail::rflags_tf) != 0 &&
                         (c.get(Field::guest_ia32_debugctl) & detail::debugctl_btf) == 0};
        if (steps != ((value & pending_debug::single_step) != 0)) {
            return refuse(field, "BS does not agree with RFLAGS.TF and IA32_DEBUGCTL.BTF");
        }
    }
    if ((value & pending_debug::rtm) != 0) {
        // Nothing but the enabled-breakpoint bit goes with RTM.
        const bool alone{(value & ~pending_debug::rtm) == pending_debug::enabled_breakpoint};
        if (!alone || !c.processor.has_rtm || mov_ss) return refuse(field, "RTM with what excludes it");
    }
    return {};
}

[[nodiscard]] Check check_link_pointer(const Checked& c) {
    constexpr Field field{Field::vmcs_link_pointer};
    const std::uint64_t link{c.get(field)};
    if (link == ~std::uint64_t{0}) return {};
    if (!c.is_page_address(link))
        return refuse(field, "not the address of a page", GuestFailure::link_pointer);
    if (link == c.context.current_vmcs) return refuse(field, "the current VMCS", GuestFailure::link_pointer);
    // Bit 31, the shadow-VMCS indicator, has to be the setting of "VMCS shadowing".
    const std::uint64_t revision{c.offered[vmx::msr::vmx_basic] & vmx::basic::revision_mask};
    const bool shadowing{c.secondary(vmx::secondary::vmcs_shadowing)};
    const std::uint64_t wanted{revision | (shadowing ? vmx::shadow_vmcs_indicator : 0U)};
    if (!c.context.link_header_known || c.context.link_header != wanted) {
        return refuse(field, "no VMCS of this revision and type there", GuestFailure::link_pointer);
    }
    return {};
}

// 27.3.1.6. Bits 2:1, 8:5 and 63:MAXPHYADDR of a present PDPTE are reserved (Vol. 3A, Table 5-8).
[[nodiscard]] Check check_pdptes(const Checked& c) {
    const bool pae_paging{(c.get(Field::guest_cr0) & detail::cr0_pg) != 0 &&
                          (c.get(Field::guest_cr4) & detail::cr4_pae) != 0 && !is_long_guest(c)};
    if (!pae_paging) return {};
    constexpr Field fields[4]{Field::guest_pdpte_0, Field::guest_pdpte_1, Field::guest_pdpte_2,
                              Field::guest_pdpte_3};
    const bool from_fields{c.secondary(vmx::secondary::enable_ept)};
    if (!from_fields && c.context.pdptes == nullptr) return {};
    for (unsigned i{0}; i < 4; ++i) {
        const std::uint64_t pdpte{from_fields ? c.get(fields[i]) : c.context.pdptes[i]};
        if ((pdpte & 1U) == 0) continue;
        if ((pdpte & 0x1E6U) != 0 || (pdpte >> c.processor.physical_address_bits) != 0) {
            return refuse(from_fields ? fields[i] : Field::guest_cr3, "a reserved bit of a PDPTE is set",
                          GuestFailure::pdpte);
        }
    }
    return {};
}

} // namespace

bool needs_link_header(const Vmcs12Values& vmcs12, const ProcessorFacts& processor) {
    const std::uint64_t link{vmcs12.get(Field::vmcs_link_pointer)};
    return link != ~std::uint64_t{0} && (link & 0xFFFU) == 0 &&
           (link >> processor.physical_address_bits) == 0;
}

bool needs_pdptes(const Vmcs12Values& vmcs12) {
    const bool paging{(vmcs12.get(Field::guest_cr0) & detail::cr0_pg) != 0};
    const bool pae{(vmcs12.get(Field::guest_cr4) & detail::cr4_pae) != 0};
    const bool long_guest{(vmcs12.get32(Field::vm_entry_controls) & vmx::entry::ia32e_mode_guest) != 0};
    const bool ept{(secondary_controls_in_force(vmcs12) & vmx::secondary::enable_ept) != 0};
    return paging && pae && !long_guest && !ept;
}

Check check_link_pointer(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                         const ProcessorFacts& processor, const EntryContext& context) {
    return check_link_pointer(Checked{vmcs12, offered, processor, context});
}

Check check_guest_state(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                        const ProcessorFacts& processor, const EntryContext& context) {
    const Checked c{vmcs12, offered, processor, context};
    for (const auto check : {check_control_registers, check_msrs, detail::check_guest_segments,
                             check_descriptor_tables, check_rip_and_rflags, check_activity,
                             check_interruptibility, check_pending_debug, check_link_pointer, check_pdptes}) {
        if (const Check result{check(c)}; !result.ok()) return result;
    }
    return {};
}

} // namespace shadowtune::nested
