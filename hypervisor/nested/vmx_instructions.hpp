#pragma once

// L1's VMX instructions, one function for each exit. Vol. 3C, 31.3 "VMX Instructions" (edition 325462-087).

#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::nested {

void emulate_vmxon(Vcpu& vcpu);
void emulate_vmxoff(Vcpu& vcpu);
void emulate_vmclear(Vcpu& vcpu);
void emulate_vmptrld(Vcpu& vcpu);
void emulate_vmptrst(Vcpu& vcpu);
// VMREAD and VMWRITE the short way: register operands, a field that L1 has, nothing out of the ordinary.
// False where it has to be emulate_vmread() or emulate_vmwrite(); nothing has been done then.
template <link::Access kind>
[[nodiscard]] bool access_plainly(Vcpu& vcpu);
void emulate_vmread(Vcpu& vcpu);
void emulate_vmwrite(Vcpu& vcpu);
// Of L2, where L1's bitmaps let them pass.
void emulate_l2_vmread(Vcpu& vcpu);
void emulate_l2_vmwrite(Vcpu& vcpu);
// Of L2, a function that L1 enables.
void emulate_l2_vmfunc(Vcpu& vcpu);
void emulate_vmlaunch(Vcpu& vcpu);
void emulate_vmresume(Vcpu& vcpu);
void emulate_invept(Vcpu& vcpu);
void emulate_invvpid(Vcpu& vcpu);
void emulate_vmcall(Vcpu& vcpu);

// Read-only data only where L1 sees IA32_VMX_MISC[29].
[[nodiscard]] bool may_vmwrite(const Vcpu& vcpu, vmcs::FieldIndex field);

// In VMX operation and CPL 0; false where #UD or #GP is on its way.
[[nodiscard]] inline bool require_vmx_operation(Vcpu& vcpu) {
    if (vcpu.in_vmx_operation) [[likely]]
        return require_cpl0(vcpu);
    inject_exception(vcpu, vmx::vector::invalid_opcode);
    return false;
}

// L2 exited, or its entry failed after the checks of the controls: L1 gets the exit that lies in vmcs02,
// whose exit reason is `reason`.
void deliver_exit_to_l1(Vcpu& vcpu, std::uint32_t reason);

// The same where L0 has to say something else than vmcs02.
struct ExitOverride {
    std::uint32_t reason{0};
    std::uint64_t qualification{0};
    std::uint32_t interruption{0}; // VM-exit interruption information, where not 0
    std::uint32_t error_code{0};   // goes with it where it says so
    bool has_addresses{false};
    std::uint64_t guest_physical{0};
    std::uint64_t guest_linear{0};
};
void deliver_exit_to_l1(Vcpu& vcpu, const ExitOverride& exit);

// Brings a value that is still in vmcs02 into vmcs12; vmcs01 is current before and after.
void fetch_field(Vcpu& vcpu, vmcs::FieldIndex field);
// The same for all of `fields`, with vmcs02 current before and after.
void fetch_fields(Vcpu& vcpu, const vmcs::FieldSet& fields);

} // namespace shadowtune::nested
