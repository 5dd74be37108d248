#include "tuner/static_lists.hpp"

#include <algorithm>
#include <array>

namespace shadowtune::tuner {

namespace {

using vmcs::Field;

constexpr std::array kvm_read_only{
    Field::exit_reason,
    Field::vm_exit_interruption_information,
    Field::vm_exit_interruption_error_code,
    Field::vm_exit_instruction_length,
    Field::idt_vectoring_information,
    Field::idt_vectoring_error_code,
    Field::guest_cs_access_rights,
    Field::guest_ss_access_rights,
    Field::exit_qualification,
    Field::guest_linear_address,
    Field::guest_physical_address,
};

constexpr std::array kvm_read_write{
    Field::guest_interrupt_status,
    Field::pml_index,
    Field::host_fs_selector,
    Field::host_gs_selector,
    Field::primary_processor_based_controls,
    Field::pin_based_controls,
    Field::exception_bitmap,
    Field::vm_entry_exception_error_code,
    Field::vm_entry_interruption_information,
    Field::vm_entry_instruction_length,
    Field::tpr_threshold,
    Field::guest_interruptibility_state,
    Field::vmx_preemption_timer_value,
    Field::guest_rip,
    Field::guest_rsp,
    Field::guest_cr0,
    Field::guest_cr3,
    Field::guest_cr4,
    Field::guest_rflags,
    Field::cr0_guest_host_mask,
    Field::cr0_read_shadow,
    Field::cr4_read_shadow,
    Field::host_fs_base,
    Field::host_gs_base,
};
static_assert(kvm_read_only.size() + kvm_read_write.size() == 35);

template <std::size_t Count>
[[nodiscard]] constexpr vmcs::FieldSet set_of(const std::array<Field, Count>& fields) {
    vmcs::FieldSet set{};
    for (const Field field : fields)
        set.set(field);
    return set;
}

constexpr vmcs::ShadowSets kvm_sets{set_of(kvm_read_only) | set_of(kvm_read_write), set_of(kvm_read_write)};
static_assert(kvm_sets.read.count() == 35 && kvm_sets.write.count() == 24);

[[nodiscard]] constexpr vmcs::FieldSet of_type(vmcs::Type type) {
    vmcs::FieldSet set{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        if (vmcs::catalogue[i].type == type) set.set(i);
    }
    return set;
}

constexpr vmcs::FieldSet xen_trapped_writes{
    set_of(std::array{Field::io_bitmap_a, Field::io_bitmap_b, Field::msr_bitmap})};

// No host state at all; of the rest what Tiger Lake and Coffee Lake without posted interrupts have.
constexpr std::array acrn_controls{
    Field::io_bitmap_a,
    Field::io_bitmap_b,
    Field::vm_exit_msr_store_address,
    Field::vm_exit_msr_load_address,
    Field::vm_entry_msr_load_address,
    Field::executive_vmcs_pointer,
    Field::tsc_offset,
    Field::virtual_apic_address,
    Field::apic_access_address,
    Field::vmread_bitmap,
    Field::vmwrite_bitmap,
    Field::xss_exiting_bitmap,
    Field::tsc_multiplier,
    Field::pin_based_controls,
    Field::primary_processor_based_controls,
    Field::exception_bitmap,
    Field::page_fault_error_code_mask,
    Field::page_fault_error_code_match,
    Field::cr3_target_count,
    Field::vm_exit_msr_store_count,
    Field::vm_exit_msr_load_count,
    Field::vm_entry_msr_load_count,
    Field::vm_entry_interruption_information,
    Field::vm_entry_exception_error_code,
    Field::vm_entry_instruction_length,
    Field::tpr_threshold,
    Field::secondary_processor_based_controls,
    Field::ple_gap,
    Field::ple_window,
    Field::cr0_guest_host_mask,
    Field::cr4_guest_host_mask,
    Field::cr0_read_shadow,
    Field::cr4_read_shadow,
    Field::cr3_target_value_0,
    Field::cr3_target_value_1,
    Field::cr3_target_value_2,
    Field::cr3_target_value_3,
};

constexpr std::array acrn_missing{
    Field::msr_data,
    Field::original_event_data,
    Field::guest_interrupt_status,
    Field::guest_uinv,
    Field::guest_ia32_bndcfgs,
    Field::guest_ia32_rtit_ctl,
    Field::guest_ia32_lbr_ctl,
    Field::guest_ia32_pkrs,
    Field::guest_ia32_fred_config,
    Field::guest_ia32_fred_rsp1,
    Field::guest_ia32_fred_rsp2,
    Field::guest_ia32_fred_rsp3,
    Field::guest_ia32_fred_stklvls,
    Field::guest_ia32_fred_ssp1,
    Field::guest_ia32_fred_ssp2,
    Field::guest_ia32_fred_ssp3,
    Field::guest_ia32_spec_ctrl,
    Field::guest_deadline,
    Field::guest_ia32_s_cet,
    Field::guest_ssp,
    Field::guest_ia32_interrupt_ssp_table_addr,
};

constexpr vmcs::FieldSet acrn_set{
    set_of(acrn_controls) |
    ((of_type(vmcs::Type::read_only_data) | of_type(vmcs::Type::guest_state)) - set_of(acrn_missing))};
static_assert(acrn_set.count() == 113);

[[nodiscard]] vmcs::ShadowSets no_shadow(const vmcs::FieldSet& offered) {
    (void)offered;
    return {};
}

constexpr std::array lists{
    StaticList{"none", "no shadow", no_shadow},
    StaticList{"all", "every field", full_shadow},
    StaticList{"kvm", "KVM's list", kvm_static_list},
    StaticList{"xen", "Xen's list", xen_static_list},
    StaticList{"acrn", "ACRN's list", acrn_static_list},
    StaticList{"virtualbox", "VirtualBox's list", virtualbox_static_list},
};

} // namespace

vmcs::ShadowSets xen_static_list(const vmcs::FieldSet& offered) {
    return {offered, offered - xen_trapped_writes};
}

vmcs::ShadowSets acrn_static_list(const vmcs::FieldSet& offered) {
    return {acrn_set & offered, acrn_set & offered};
}

vmcs::ShadowSets virtualbox_static_list(const vmcs::FieldSet& offered) {
    return {offered, offered};
}

std::span<const StaticList> static_lists() {
    return lists;
}

std::vector<std::string> static_list_names() {
    std::vector<std::string> names{};
    for (const StaticList& list : lists)
        names.emplace_back(list.name);
    return names;
}

const StaticList* find_static_list(std::string_view name) {
    const auto found{std::ranges::find(lists, name, &StaticList::name)};
    return found == lists.end() ? nullptr : &*found;
}

vmcs::ShadowSets kvm_static_list(const vmcs::FieldSet& offered) {
    return {kvm_sets.read & offered, kvm_sets.write & offered};
}

vmcs::ShadowSets full_shadow(const vmcs::FieldSet& offered) {
    vmcs::ShadowSets sets{offered, {}};
    offered.for_each([&](vmcs::FieldIndex index) {
        if (vmcs::catalogue[index].type != vmcs::Type::read_only_data) sets.write.set(index);
    });
    return sets;
}

Profile profile_of_list(const StaticList& list, const vmcs::ProfileTarget& target) {
    Profile profile{};
    profile.name = "list " + std::string{list.name};
    profile.sets = vmcs::allowed_part(list.sets(target.offered), target);
    return profile;
}

} // namespace shadowtune::tuner
