#include "hypervisor/nested/capabilities.hpp"

namespace shadowtune::nested {

namespace {

namespace msr = vmx::msr;
namespace pin = vmx::pin;
namespace primary = vmx::primary;
namespace secondary = vmx::secondary;
namespace exit = vmx::exit;
namespace entry = vmx::entry;

// What L0 emulates. A control that is not here is never offered, whatever the processor has.

// Not posted interrupts: L0 would have to own the notification vector on every logical processor.
constexpr std::uint32_t emulated_pin{pin::default1 | pin::external_interrupt_exiting | pin::nmi_exiting |
                                     pin::virtual_nmis | pin::activate_preemption_timer};

constexpr std::uint32_t emulated_primary{
    primary::default1 | primary::interrupt_window_exiting | primary::use_tsc_offsetting |
    primary::hlt_exiting | primary::invlpg_exiting | primary::mwait_exiting | primary::rdpmc_exiting |
    primary::rdtsc_exiting | primary::cr3_load_exiting | primary::cr3_store_exiting |
    primary::cr8_load_exiting | primary::cr8_store_exiting | primary::use_tpr_shadow |
    primary::nmi_window_exiting | primary::mov_dr_exiting | primary::unconditional_io_exiting |
    primary::use_io_bitmaps | primary::monitor_trap_flag | primary::use_msr_bitmaps |
    primary::monitor_exiting | primary::pause_exiting | primary::activate_secondary_controls};

constexpr std::uint32_t emulated_secondary{
    secondary::virtualize_apic_accesses | secondary::enable_ept | secondary::descriptor_table_exiting |
    secondary::enable_rdtscp | secondary::virtualize_x2apic_mode | secondary::enable_vpid |
    secondary::wbinvd_exiting | secondary::unrestricted_guest | secondary::apic_register_virtualization |
    secondary::virtual_interrupt_delivery | secondary::pause_loop_exiting | secondary::rdrand_exiting |
    secondary::enable_invpcid | secondary::rdseed_exiting | secondary::enable_xsaves_xrstors |
    secondary::vmcs_shadowing | secondary::enable_vm_functions | secondary::enable_pml |
    secondary::ept_violation_ve | secondary::use_tsc_scaling};

// These need EPT: Vol. 3C, 27.2.1.1; "EPT-violation #VE" has no meaning without.
constexpr std::uint32_t secondary_needing_ept{secondary::unrestricted_guest | secondary::enable_pml |
                                              secondary::ept_violation_ve};

constexpr std::uint32_t emulated_exit{exit::default1 | exit::save_debug_controls |
                                      exit::host_address_space_size | exit::acknowledge_interrupt_on_exit |
                                      exit::save_pat | exit::load_pat | exit::save_efer | exit::load_efer |
                                      exit::save_preemption_timer_value | exit::load_perf_global_ctrl |
                                      exit::save_perf_global_ctrl};

constexpr std::uint32_t emulated_entry{entry::default1 | entry::load_debug_controls |
                                       entry::ia32e_mode_guest | entry::load_pat | entry::load_efer |
                                       entry::load_perf_global_ctrl};

constexpr std::uint64_t emulated_ept{
    vmx::ept_vpid_cap::execute_only | vmx::ept_vpid_cap::page_walk_4 | vmx::ept_vpid_cap::memory_type_uc |
    vmx::ept_vpid_cap::memory_type_wb | vmx::ept_vpid_cap::pages_2m | vmx::ept_vpid_cap::pages_1g |
    vmx::ept_vpid_cap::invept | vmx::ept_vpid_cap::accessed_dirty | vmx::ept_vpid_cap::invept_single_context |
    vmx::ept_vpid_cap::invept_all_contexts};

constexpr std::uint64_t emulated_vpid{
    vmx::ept_vpid_cap::invvpid | vmx::ept_vpid_cap::invvpid_individual_address |
    vmx::ept_vpid_cap::invvpid_single_context | vmx::ept_vpid_cap::invvpid_all_contexts |
    vmx::ept_vpid_cap::invvpid_single_context_retaining_globals};

constexpr std::uint64_t emulated_misc{vmx::misc::preemption_timer_rate_mask | vmx::misc::stores_efer_lma |
                                      vmx::misc::activity_hlt | vmx::misc::activity_shutdown |
                                      vmx::misc::activity_wait_for_sipi |
                                      (vmx::misc::msr_list_size_mask << vmx::misc::msr_list_size_shift) |
                                      vmx::misc::vmwrite_any_field | vmx::misc::inject_length_zero};

// The catalogue knows CR3-target values 0 to 3.
constexpr std::uint64_t most_cr3_targets{4};

// A bit that the processor forces to 1 stays forced, and so stays allowed.
[[nodiscard]] constexpr std::uint64_t offer_controls(std::uint64_t hardware, std::uint32_t emulated) {
    const std::uint64_t forced{vmx::must_be_one(hardware)};
    const std::uint64_t allowed{(vmx::may_be_one(hardware) & emulated) | forced};
    return (allowed << 32) | forced;
}

[[nodiscard]] constexpr bool allows(std::uint64_t capability, std::uint32_t control) {
    return (vmx::may_be_one(capability) & control) != 0;
}

void offer_secondary(vmcs::CapabilityMsrs& offered, const vmcs::CapabilityMsrs& hardware) {
    if (!allows(primary_capability(offered), primary::activate_secondary_controls)) return;
    std::uint32_t emulated{emulated_secondary};
    if (!allows(hardware[msr::vmx_secondary], secondary::enable_ept)) emulated &= ~secondary_needing_ept;
    offered[msr::vmx_secondary] = offer_controls(hardware[msr::vmx_secondary], emulated);

    const std::uint64_t capability{hardware[msr::vmx_ept_vpid_cap]};
    if (allows(offered[msr::vmx_secondary], secondary::enable_ept)) {
        offered[msr::vmx_ept_vpid_cap] |= capability & emulated_ept;
    }
    if (allows(offered[msr::vmx_secondary], secondary::enable_vm_functions)) {
        offered[msr::vmx_vmfunc] = hardware[msr::vmx_vmfunc] & vmx::vm_function::eptp_switching;
    }
    if (allows(offered[msr::vmx_secondary], secondary::enable_vpid)) {
        offered[msr::vmx_ept_vpid_cap] |= capability & emulated_vpid;
    }
}

[[nodiscard]] std::uint64_t offer_basic(std::uint64_t hardware, std::uint32_t revision) {
    constexpr std::uint64_t write_back{6};
    constexpr std::uint64_t region_size{4096};
    const std::uint64_t kept{vmx::basic::ins_outs_information | vmx::basic::true_controls |
                             vmx::basic::any_error_code | vmx::basic::physical_addresses_32_bit};
    return (revision & vmx::basic::revision_mask) | (region_size << vmx::basic::region_size_shift) |
           (write_back << vmx::basic::memory_type_shift) | (hardware & kept);
}

[[nodiscard]] std::uint64_t offer_misc(std::uint64_t hardware) {
    const std::uint64_t targets{(hardware >> vmx::misc::cr3_target_count_shift) &
                                vmx::misc::cr3_target_count_mask};
    return (hardware & emulated_misc) |
           ((targets < most_cr3_targets ? targets : most_cr3_targets) << vmx::misc::cr3_target_count_shift);
}

} // namespace

vmcs::CapabilityMsrs offered_msrs(const vmcs::CapabilityMsrs& hardware, std::uint32_t revision) {
    vmcs::CapabilityMsrs offered{};
    offered[msr::vmx_basic] = offer_basic(hardware[msr::vmx_basic], revision);
    offered[msr::vmx_misc] = offer_misc(hardware[msr::vmx_misc]);

    offered[msr::vmx_pin_based] = offer_controls(hardware[msr::vmx_pin_based], emulated_pin);
    offered[msr::vmx_primary] = offer_controls(hardware[msr::vmx_primary], emulated_primary);
    offered[msr::vmx_exit] = offer_controls(hardware[msr::vmx_exit], emulated_exit);
    offered[msr::vmx_entry] = offer_controls(hardware[msr::vmx_entry], emulated_entry);
    if (has_true_controls(hardware)) {
        offered[msr::vmx_true_pin_based] = offer_controls(hardware[msr::vmx_true_pin_based], emulated_pin);
        offered[msr::vmx_true_primary] = offer_controls(hardware[msr::vmx_true_primary], emulated_primary);
        offered[msr::vmx_true_exit] = offer_controls(hardware[msr::vmx_true_exit], emulated_exit);
        offered[msr::vmx_true_entry] = offer_controls(hardware[msr::vmx_true_entry], emulated_entry);
    }
    offer_secondary(offered, hardware);

    for (std::uint32_t fixed{msr::vmx_cr0_fixed0}; fixed <= msr::vmx_cr4_fixed1; ++fixed) {
        offered[fixed] = hardware[fixed];
    }
    return offered;
}

vmcs::FieldSet offered_fields(const vmcs::FieldSet& physical, const vmcs::CapabilityMsrs& offered) {
    vmcs::FieldSet fields{};
    physical.for_each([&](vmcs::FieldIndex index) {
        if (has_field(vmcs::catalogue[index], offered)) fields.set(index);
    });
    return fields;
}

void set_highest_index(vmcs::CapabilityMsrs& offered, const vmcs::FieldSet& fields) {
    unsigned highest{0};
    fields.for_each([&](vmcs::FieldIndex field) {
        const unsigned index{vmcs::index_of(vmcs::catalogue[field].encoding)};
        if (index > highest) highest = index;
    });
    offered[msr::vmx_vmcs_enum] = std::uint64_t{highest} << 1;
}

} // namespace shadowtune::nested
