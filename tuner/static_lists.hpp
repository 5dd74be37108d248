#pragma once

// What others shadow, to compare with. These are compared, never loaded: the catalogue's rules do not apply
// to them.

#include "vmcs/profile.hpp"

namespace shadowtune::tuner {

// KVM's fixed list (arch/x86/kvm/vmx/vmcs_shadow_fields.h): 11 fields read-only, 24 read-write, less those
// that the processor lacks, as KVM does at load (init_vmcs_shadow_fields).
[[nodiscard]] vmcs::ShadowSets kvm_static_list(const vmcs::FieldSet& offered);

// Everything that L1 is offered copied to the shadow, and everything but read-only data copied back.
[[nodiscard]] vmcs::ShadowSets full_shadow(const vmcs::FieldSet& offered);

} // namespace shadowtune::tuner
