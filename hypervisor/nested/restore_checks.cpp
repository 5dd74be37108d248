#include "hypervisor/nested/restore_checks.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "link/frame.hpp"

namespace shadowtune::nested {

namespace {

using link::RestoreFault;
using link::SavedField;
using link::SavedList;
using link::SavedVcpu;

constexpr std::uint64_t feature_locked{1U << 0}, feature_vmx_outside_smx{1U << 2};

[[nodiscard]] Failure<RestoreRefusal> refuse(RestoreFault fault, std::uint16_t about = 0) {
    return Failure{RestoreRefusal{fault, about}};
}

[[nodiscard]] Failure<RestoreRefusal> refuse(RestoreFault fault, const CheckFailure& failure) {
    return refuse(fault, vmcs::encoding_of(failure.field));
}

// The first member, for an answer that names one; 0 where there is none.
[[nodiscard]] std::uint16_t first_of(const vmcs::FieldSet& set) {
    std::uint16_t first{0};
    bool found{false};
    set.for_each([&](vmcs::FieldIndex field) {
        if (!found) first = vmcs::catalogue[field].encoding;
        found = true;
    });
    return first;
}

[[nodiscard]] vmcs::FieldSet fields_of(const SavedList<SavedField>& list) {
    vmcs::FieldSet set{};
    for (std::size_t i{0}; i < list.size(); ++i)
        set.set(vmcs::find(list[i].encoding));
    return set;
}

// Exactly these fields: one more would be L0's own, one less would begin with what happens to be there.
[[nodiscard]] RestoreCheck check_fields(const SavedList<SavedField>& list, const vmcs::FieldSet& wanted) {
    const vmcs::FieldSet present{fields_of(list)};
    if (present == wanted) return {};
    return refuse(RestoreFault::fields_incomplete, first_of((wanted - present) | (present - wanted)));
}

[[nodiscard]] bool is_l1s_page(const RestoreTarget& target, std::uint64_t address) {
    return target.l1_map.is_ram(memory::range_of(address, memory::page_size));
}

[[nodiscard]] RestoreCheck check_vmx(const link::SavedVmx& vmx, const RestoreTarget& target) {
    if (vmx.in_vmx_operation == 0) return {};
    constexpr std::uint64_t enabled{feature_locked | feature_vmx_outside_smx};
    if ((vmx.feature_control & enabled) != enabled) return refuse(RestoreFault::feature_control);
    if (!is_l1s_page(target, vmx.vmxon_pointer)) return refuse(RestoreFault::address_outside, 1);
    if (vmx.current_vmcs != link::no_address && !is_l1s_page(target, vmx.current_vmcs)) {
        return refuse(RestoreFault::address_outside, 2);
    }
    return {};
}

// The VM-entry controls with these bits, and "IA-32e mode guest" as IA32_EFER says.
void set_entry_mode(Vmcs12Values& values, std::uint32_t more) {
    const bool long_mode{(values.get(F::guest_ia32_efer) & cpu::efer::lma) != 0};
    const std::uint32_t entry{(values.get32(F::vm_entry_controls) & ~vmx::entry::ia32e_mode_guest) | more};
    values.set(F::vm_entry_controls, long_mode ? entry | vmx::entry::ia32e_mode_guest : entry);
}

// L1 as a guest of vmcs01. The controls are L0's own; what the state decides of them is IA-32e mode alone.
[[nodiscard]] RestoreCheck check_l1(const SavedVcpu& vcpu, const RestoreTarget& target,
                                    const Vmcs12Values& vmcs01) {
    Vmcs12Values values{vmcs01};
    apply(vcpu.vmcs01, values);
    set_entry_mode(values, 0);
    values.set(F::vmcs_link_pointer, link::no_address);
    const EntryContext context{};
    if (const Check c{check_controls(values, target.hardware_msrs, target.processor, context)}; !c) {
        return refuse(RestoreFault::bad_l1_state, c.error());
    }
    if (const Check c{check_guest_state(values, target.hardware_msrs, target.processor, context)}; !c) {
        return refuse(RestoreFault::bad_l1_state, c.error());
    }
    if (vcpu.vmx.in_vmx_operation == 0) return {};
    // In VMX operation CR4.VMXE is 1 and stays so (SDM Vol. 3C, 24.8), in L1's view as in the processor; and
    // so are CR0's fixed bits.
    const bool vmxe{(values.get(F::cr4_read_shadow) & cpu::cr4::vmxe) != 0};
    if (!vmxe) return refuse(RestoreFault::bad_l1_state, vmcs::encoding_of(F::cr4_read_shadow));
    const bool cr0_allowed{vmx::is_fixed_ok(values.get(F::guest_cr0),
                                            target.offered_msrs[vmx::msr::vmx_cr0_fixed0],
                                            target.offered_msrs[vmx::msr::vmx_cr0_fixed1])};
    if (!cr0_allowed) return refuse(RestoreFault::bad_l1_state, vmcs::encoding_of(F::guest_cr0));
    return {};
}

// Which fields L2's exits may have left in vmcs02, and which L1 may have changed.
[[nodiscard]] RestoreCheck check_sets(const SavedVcpu& vcpu, const RestoreTarget& target) {
    const vmcs::FieldSet lazy{vmcs::FieldSet::load(vcpu.vmx.in_vmcs02)};
    const vmcs::FieldSet dirty{vmcs::FieldSet::load(vcpu.vmx.dirty)};
    const vmcs::FieldSet possible{saved_vmcs02_fields & target.offered_fields};
    const vmcs::FieldSet wrong{(lazy - possible) | (dirty - target.offered_fields)};
    if (!wrong.empty()) return refuse(RestoreFault::bad_l2_state, first_of(wrong));
    return {};
}

// A running L2: L1's controls and host state by the checks of L1's own VM entry, with L2 as it is now.
[[nodiscard]] RestoreCheck check_l2(const SavedVcpu& vcpu, const RestoreTarget& target,
                                    const EntryContext& context) {
    if (const RestoreCheck c{check_sets(vcpu, target)}; !c) return c;
    Vmcs12Values values{};
    apply(vcpu.vmcs12, values);
    apply(vcpu.vmcs02, values);
    if (const Check c{check_controls(values, target.offered_msrs, target.processor, context)}; !c) {
        return refuse(RestoreFault::bad_controls, c.error());
    }
    if (const Check c{check_host_state(values, target.offered_msrs, target.processor, context)}; !c) {
        return refuse(RestoreFault::bad_host_state, c.error());
    }
    // L2 is entered with vmcs02, which always has EPT, loads IA32_EFER and the debug controls, and links no
    // shadow VMCS. L2 may have changed its mode since L1's entry.
    const std::uint64_t secondary{secondary_controls_in_force(values)};
    values.set(F::secondary_processor_based_controls, secondary | vmx::secondary::enable_ept);
    values.set(F::primary_processor_based_controls,
               values.get(F::primary_processor_based_controls) | vmx::primary::activate_secondary_controls);
    set_entry_mode(values, vmx::entry::load_efer | vmx::entry::load_debug_controls);
    values.set(F::vmcs_link_pointer, link::no_address);
    if (const Check c{check_guest_state(values, target.offered_msrs, target.processor, context)}; !c) {
        return refuse(RestoreFault::bad_l2_state, c.error());
    }
    return {};
}

} // namespace

std::uint32_t crc_of(const memory::MemoryMap& map) {
    std::uint32_t crc{0};
    for (const memory::MemoryRegion& region : map.regions()) {
        const std::uint64_t numbers[]{region.range.begin, region.range.end,
                                      static_cast<std::uint64_t>(region.type)};
        crc = link::crc32c({reinterpret_cast<const std::uint8_t*>(numbers), sizeof(numbers)}, crc);
    }
    return crc;
}

void apply(const SavedList<SavedField>& list, Vmcs12Values& values) {
    for (std::size_t i{0}; i < list.size(); ++i) {
        const SavedField field{list[i]};
        values.values[vmcs::find(field.encoding)] = field.value;
    }
}

RestoreCheck check_machine(const link::SavedState& state, const RestoreTarget& target) {
    const link::SavedMachine& machine{state.machine()};
    if (machine.cpu_signature != target.cpu_signature) return refuse(RestoreFault::other_processor);
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        if (machine.offered_msrs[i] == target.offered_msrs.values[i]) continue;
        return refuse(RestoreFault::other_vmx_offer,
                      static_cast<std::uint16_t>(vmcs::first_capability_msr + i));
    }
    if (vmcs::FieldSet::load(machine.offered_fields) != target.offered_fields)
        return refuse(RestoreFault::other_vmx_offer);
    const memory::MemoryRange hidden{machine.hidden_begin, machine.hidden_end};
    if (machine.map_crc != target.map_crc || hidden != target.l0_region) {
        return refuse(RestoreFault::other_memory);
    }
    if (state.vcpus() != target.vcpus) return refuse(RestoreFault::other_vcpus);
    return {};
}

RestoreCheck check_vcpu(const SavedVcpu& vcpu, const RestoreTarget& target, const Vmcs12Values& vmcs01,
                        const EntryContext& context) {
    if (const RestoreCheck c{check_vmx(vcpu.vmx, target)}; !c) return c;
    const RestoreCheck l1{check_fields(vcpu.vmcs01, saved_vmcs01_fields & target.physical_fields)};
    if (!l1) return l1;
    if (const RestoreCheck c{check_l1(vcpu, target, vmcs01)}; !c) return c;
    if (vcpu.vmx.current_vmcs == link::no_address) return {};
    if (const RestoreCheck c{check_fields(vcpu.vmcs12, target.offered_fields)}; !c) return c;
    if (vcpu.vmx.runs_l2 == 0) return {};
    const RestoreCheck l2{check_fields(vcpu.vmcs02, saved_vmcs02_fields & target.physical_fields)};
    if (!l2) return l2;
    return check_l2(vcpu, target, context);
}

} // namespace shadowtune::nested
