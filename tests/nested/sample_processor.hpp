#pragma once

// A processor for the tests: it has every control that the SDM names, so that what L1 is offered is what L0
// emulates.

#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "vmcs/machine.hpp"

#include <cstdint>

namespace shadowtune::nested::testing {

inline constexpr std::uint32_t sample_revision{0x5D5D0001};

[[nodiscard]] inline vmcs::CapabilityMsrs everything() {
    namespace msr = vmx::msr;
    constexpr std::uint64_t all{0xFFFFFFFF00000000};
    vmcs::CapabilityMsrs msrs{};
    msrs[msr::vmx_basic] =
        0x00DA040000000012; // WB, INS/OUTS information, TRUE controls, dual monitor, size 1024
    msrs[msr::vmx_pin_based] = all | vmx::pin::default1;
    msrs[msr::vmx_primary] = all | vmx::primary::default1;
    msrs[msr::vmx_exit] = all | vmx::exit::default1;
    msrs[msr::vmx_entry] = all | vmx::entry::default1;
    // The TRUE MSRs free CR3-load and CR3-store exiting and the debug controls.
    msrs[msr::vmx_true_pin_based] = all | vmx::pin::default1;
    msrs[msr::vmx_true_primary] = all | 0x04006172;
    msrs[msr::vmx_true_exit] = all | 0x00036DFB;
    msrs[msr::vmx_true_entry] = all | 0x000011FB;
    msrs[msr::vmx_misc] = 0x000000007004C1E5;
    msrs[msr::vmx_cr0_fixed0] = 0x80000021;
    msrs[msr::vmx_cr0_fixed1] = 0xFFFFFFFF;
    msrs[msr::vmx_cr4_fixed0] = 0x2000;
    msrs[msr::vmx_cr4_fixed1] = 0xF727FF;
    msrs[msr::vmx_vmcs_enum] = 0x2E;
    msrs[msr::vmx_secondary] = all;
    msrs[msr::vmx_ept_vpid_cap] = ~std::uint64_t{0};
    msrs[msr::vmx_vmfunc] = 1;
    msrs[msr::vmx_tertiary] = ~std::uint64_t{0};
    msrs[msr::vmx_exit2] = ~std::uint64_t{0};
    return msrs;
}

[[nodiscard]] inline vmcs::FieldSet all_fields() {
    vmcs::FieldSet fields{};
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i)
        fields.set(i);
    return fields;
}

} // namespace shadowtune::nested::testing
