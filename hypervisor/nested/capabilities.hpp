#pragma once

// The VMX capability MSRs and the VMCS fields that L1 is offered: what the processor has and L0 emulates.
// SDM Vol. 3D, Appendix A "VMX Capability Reporting Facility" (edition 325462-087).

#include "hypervisor/vmx/controls.hpp"
#include "vmcs/field_set.hpp"
#include "vmcs/machine.hpp"

#include <cstdint>

namespace shadowtune::nested {

// The MSRs 480H to 493H as L1 reads them. `revision` is L0's own VMCS revision identifier (bit 31 is
// dropped). VMCS_ENUM is left 0: it depends on the fields, so finish with set_highest_index.
[[nodiscard]] vmcs::CapabilityMsrs offered_msrs(const vmcs::CapabilityMsrs& hardware, std::uint32_t revision);

// Whether a field exists where these MSRs are read: Vol. 3D, Appendix B, footnotes.
[[nodiscard]] bool has_field(const vmcs::FieldInfo& field, const vmcs::CapabilityMsrs& msrs);

// The fields that L1 may access: those of the processor (`physical`) whose capability is offered.
[[nodiscard]] vmcs::FieldSet offered_fields(const vmcs::FieldSet& physical,
                                            const vmcs::CapabilityMsrs& offered);

// IA32_VMX_VMCS_ENUM[9:1] = the highest index among these fields (A.9).
void set_highest_index(vmcs::CapabilityMsrs& offered, const vmcs::FieldSet& fields);

// The MSR that constrains a control word: the TRUE one where IA32_VMX_BASIC[55] says that there is one (A.2).
[[nodiscard]] constexpr bool has_true_controls(const vmcs::CapabilityMsrs& msrs) {
    return (msrs[vmx::msr::vmx_basic] & vmx::basic::true_controls) != 0;
}
[[nodiscard]] constexpr std::uint64_t pin_capability(const vmcs::CapabilityMsrs& msrs) {
    return msrs[has_true_controls(msrs) ? vmx::msr::vmx_true_pin_based : vmx::msr::vmx_pin_based];
}
[[nodiscard]] constexpr std::uint64_t primary_capability(const vmcs::CapabilityMsrs& msrs) {
    return msrs[has_true_controls(msrs) ? vmx::msr::vmx_true_primary : vmx::msr::vmx_primary];
}
[[nodiscard]] constexpr std::uint64_t exit_capability(const vmcs::CapabilityMsrs& msrs) {
    return msrs[has_true_controls(msrs) ? vmx::msr::vmx_true_exit : vmx::msr::vmx_exit];
}
[[nodiscard]] constexpr std::uint64_t entry_capability(const vmcs::CapabilityMsrs& msrs) {
    return msrs[has_true_controls(msrs) ? vmx::msr::vmx_true_entry : vmx::msr::vmx_entry];
}
// Without "activate secondary controls" there is no secondary MSR to read: nothing is allowed.
[[nodiscard]] constexpr std::uint64_t secondary_capability(const vmcs::CapabilityMsrs& msrs) {
    const bool there{
        (vmx::may_be_one(primary_capability(msrs)) & vmx::primary::activate_secondary_controls) != 0};
    return there ? msrs[vmx::msr::vmx_secondary] : 0;
}

} // namespace shadowtune::nested
