#pragma once

// The checks of VM entry on a vmcs12, no stricter and no laxer than the processor's: SDM Vol. 3C,
// sections 27.2 "Checks on VMX Controls and Host-State Area" and 27.3 "Checking and Loading Guest State"
// (edition 325462-087). Features that capabilities.hpp never offers are refused by their control bit, so
// their own fields need no check. IA32_PERF_GLOBAL_CTRL, whose reserved bits differ from one processor to the
// next, reaches vmcs02 as it is for guest and host, and the processor itself checks it there.

#include "hypervisor/nested/dirty_groups.hpp"
#include "hypervisor/nested/vmcs12_values.hpp"
#include "vmcs/machine.hpp"
#include "vmcs/result.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::nested {

// What the checks must know of the processor beyond the capability MSRs.
struct ProcessorFacts {
    unsigned physical_address_bits{36};  // MAXPHYADDR: CPUID.80000008H:EAX[7:0]
    unsigned linear_address_bits{48};    // CPUID.80000008H:EAX[15:8]
    bool has_1gib_pages{false};          // CPUID.80000001H:EDX[26]
    std::uint64_t efer_bits{0xD01};      // bits of IA32_EFER that are not reserved: SCE, LME, LMA, NXE
    std::uint64_t debugctl_bits{0xFFC3}; // bits of IA32_DEBUGCTL that are not reserved
    bool has_sgx{false};                 // CPUID.(07H,0):EBX[2]
    bool has_rtm{false};                 // CPUID.(07H,0):EBX[11]
    bool has_bus_lock_debug{false};      // CPUID.(07H,0):ECX[24]
    // Some processors refuse to inject an NMI while STI blocks (section 27.3.1.5 leaves it to them).
    bool nmi_needs_no_sti_blocking{false};
};

// What lies outside the vmcs12: the processor's state and L1's memory, read by the caller.
struct EntryContext {
    bool in_ia32e_mode{true}; // L1's IA32_EFER.LMA when it executed VMLAUNCH or VMRESUME
    std::uint64_t current_vmcs{~std::uint64_t{0}};
    // The first 4 bytes of the VMCS that the link pointer names; unread where it is all ones or not a valid
    // address (see needs_link_header).
    std::uint32_t link_header{0};
    bool link_header_known{false};
    // Bits 7:0 of VTPR, offset 80H of the virtual-APIC page (see needs_vtpr).
    std::uint8_t vtpr{0};
    bool vtpr_known{false};
    // The 4 PDPTEs at guest CR3 (see needs_pdptes); null with EPT, which takes them from the vmcs12.
    const std::uint64_t* pdptes{nullptr};
};

// Exit qualification of an entry that fails on guest state (section 27.8): the checks' own numbers.
enum class GuestFailure : std::uint8_t { other = 0, pdpte = 2, nmi_with_sti_blocking = 3, link_pointer = 4 };

// The first rule that does not hold: which field, why; `qualification` is for guest state only.
struct CheckFailure {
    vmcs::Field field{};
    std::string_view rule{};
    GuestFailure qualification{GuestFailure::other};
};

using Check = Result<void, CheckFailure>;

// 27.2.1: fails with VMfailValid(7).
[[nodiscard]] Check check_controls(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                                   const ProcessorFacts& processor, const EntryContext& context);

// The same of a vmcs12 that has passed, and has changed since in these groups only. With the group `event`
// guest CR0 must be what L2 will have.
[[nodiscard]] Check check_changed_controls(DirtyGroups changed, const Vmcs12Values& vmcs12,
                                           const vmcs::CapabilityMsrs& offered,
                                           const ProcessorFacts& processor, const EntryContext& context);

// 27.2.2 to 27.2.4: fails with VMfailValid(8).
[[nodiscard]] Check check_host_state(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                                     const ProcessorFacts& processor, const EntryContext& context);

// 27.3.1: fails with a VM exit, reason 80000021H and the failure's qualification.
[[nodiscard]] Check check_guest_state(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                                      const ProcessorFacts& processor, const EntryContext& context);

// Of these the one that vmcs02 cannot show to the processor: 27.3.1.5, the VMCS link pointer.
[[nodiscard]] Check check_link_pointer(const Vmcs12Values& vmcs12, const vmcs::CapabilityMsrs& offered,
                                       const ProcessorFacts& processor, const EntryContext& context);

// Whether the checks look at these parts of L1's memory; ask before filling the context.
[[nodiscard]] bool needs_link_header(const Vmcs12Values& vmcs12, const ProcessorFacts& processor);
[[nodiscard]] bool needs_vtpr(const Vmcs12Values& vmcs12);
[[nodiscard]] bool needs_pdptes(const Vmcs12Values& vmcs12);

// The controls in force: a control word counts as 0 where the control that activates it is 0
// (section 27.2.1.1).
[[nodiscard]] std::uint32_t secondary_controls_in_force(const Vmcs12Values& vmcs12);

} // namespace shadowtune::nested
