#include "tuner/static_lists.hpp"

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

} // namespace

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

} // namespace shadowtune::tuner
