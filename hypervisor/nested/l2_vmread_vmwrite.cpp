// VMREAD and VMWRITE of L2 that L1's bitmaps let pass: they work on the shadow VMCS in L1's memory that
// vmcs12's link pointer names. SDM Vol. 3C, 25.10 "VMCS Types: Ordinary and Shadow", 26.1.3 and 31.3 (edition
// 325462-087). vmcs02 itself never shadows, so that each of them comes here.
//
// A region that is not current holds all that L1 wrote to it: VMCLEAR and VMPTRLD of another have put it
// back, and the link pointer of an entry never names the current VMCS (27.3.1.5). So there is no second copy
// to keep alike.

#include "hypervisor/nested/field_access.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"

namespace shadowtune::nested {

namespace {

using vmx::InstructionError;

// The checks behind the bitmaps, in the order of 31.3; false where the instruction has already ended.
[[nodiscard]] bool begin_access(Vcpu& vcpu, FieldAccess& access) {
    if (!require_cpl0(vcpu)) return false;
    if (vcpu.vmcs12.get(F::vmcs_link_pointer) == no_vmcs12) {
        vm_fail_invalid(vcpu);
        return false;
    }
    access = decode_field_access(vcpu);
    if (access.part.field != vmcs::no_field) return true;
    vm_fail(vcpu, InstructionError::unsupported_vmcs_component);
    return false;
}

} // namespace

void emulate_l2_vmread(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    const std::uint64_t region{vcpu.vmcs12.get(F::vmcs_link_pointer)};
    const std::uint64_t value{read_region_field(vcpu.machine.l1, region, access.part.field)};
    if (!write_destination(vcpu, access, part_of(access.part, value))) return;
    vm_succeed(vcpu);
}

void emulate_l2_vmwrite(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    std::uint64_t value{};
    if (!read_source(vcpu, access, value)) return;
    if (!may_vmwrite(vcpu, access.part.field)) {
        return vm_fail(vcpu, InstructionError::vmwrite_read_only_component);
    }
    const std::uint64_t region{vcpu.vmcs12.get(F::vmcs_link_pointer)};
    const std::uint64_t old{
        access.part.high_half ? read_region_field(vcpu.machine.l1, region, access.part.field) : 0};
    note_write_for_guest(vcpu, region);
    write_region_field(vcpu.machine.l1, region, access.part.field, with_part(access.part, old, value));
    vm_succeed(vcpu);
}

} // namespace shadowtune::nested
