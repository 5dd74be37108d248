#pragma once

// What Linux calls the VMCS fields that its KVM gives to an L1: the constant of arch/x86/include/asm/vmx.h
// and the member of struct vmcs12 (arch/x86/kvm/vmx/vmcs12.h).

#include "vmcs/catalogue.hpp"

#include <string>
#include <string_view>

namespace shadowtune::tuner {

struct KvmName {
    vmcs::Field field;
    std::string_view constant;
    [[nodiscard]] std::string member() const; // the constant in small letters
};

// nullptr where KVM's vmcs12 lacks the field.
[[nodiscard]] const KvmName* kvm_name(vmcs::FieldIndex field);

// The field that a constant names; for a high half, which ends in _HIGH, its field. no_field for others.
struct KvmField {
    vmcs::FieldIndex field{vmcs::no_field};
    bool high_half{false};
};
[[nodiscard]] KvmField find_kvm_constant(std::string_view constant);

// KVM's init_vmcs_shadow_fields leaves these out by itself where the processor lacks them.
[[nodiscard]] bool kvm_checks_hardware(vmcs::FieldIndex field);

} // namespace shadowtune::tuner
