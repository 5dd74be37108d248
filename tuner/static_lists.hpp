#pragma once

// What others shadow, to compare with. These are only compared: the catalogue's rules do not apply to them;
// profile_of_list makes of one what can be loaded.

#include "tuner/profile_file.hpp"
#include "vmcs/profile.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::tuner {

// KVM's fixed list (arch/x86/kvm/vmx/vmcs_shadow_fields.h): 11 fields read-only, 24 read-write, less those
// that the processor lacks, as KVM does at load (init_vmcs_shadow_fields).
[[nodiscard]] vmcs::ShadowSets kvm_static_list(const vmcs::FieldSet& offered);

// Xen (xen/arch/x86/hvm/vmx/vvmx.c): every field for reading, all but three bitmap addresses for writing.
[[nodiscard]] vmcs::ShadowSets xen_static_list(const vmcs::FieldSet& offered);

// ACRN (hypervisor/arch/x86/guest/nested.c): 113 fields, each for reading and writing.
[[nodiscard]] vmcs::ShadowSets acrn_static_list(const vmcs::FieldSet& offered);

// VirtualBox (VMMR0/HMVMXR0.cpp): every field that the guest's processor has, for reading and writing.
[[nodiscard]] vmcs::ShadowSets virtualbox_static_list(const vmcs::FieldSet& offered);

// Everything that L1 is offered copied to the shadow, and everything but read-only data copied back.
[[nodiscard]] vmcs::ShadowSets full_shadow(const vmcs::FieldSet& offered);

struct StaticList {
    std::string_view name;  // for the command line
    std::string_view title; // for people
    vmcs::ShadowSets (*sets)(const vmcs::FieldSet& offered);
};

// No shadow, everything, and the four lists of today's hypervisors, in this order.
[[nodiscard]] std::span<const StaticList> static_lists();

// Their names, in the same order.
[[nodiscard]] std::vector<std::string> static_list_names();

// The list of this name, or nullptr.
[[nodiscard]] const StaticList* find_static_list(std::string_view name);

// What `target` and the rules allow of a list: "list NAME".
[[nodiscard]] Profile profile_of_list(const StaticList& list, const vmcs::ProfileTarget& target);

} // namespace shadowtune::tuner
