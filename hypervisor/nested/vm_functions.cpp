// VM functions of L2. There is one, EPTP switching: SDM Vol. 3C, 26.5.6.3 (edition 325462-087). vmcs02
// enables none, so that each VMFUNC exits: L0 takes the entry of L1's list for L1's EPTP, and runs L2 on the
// tables composed for it.

#include "hypervisor/nested/ept12.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"

namespace shadowtune::nested {

void emulate_l2_vmfunc(Vcpu& vcpu) {
    const auto& machine{vcpu.machine};
    Vmcs12& vmcs12{vcpu.vmcs12};
    const auto entry{static_cast<std::uint32_t>(vcpu.registers.rcx())};
    constexpr auto reason{static_cast<std::uint32_t>(vmcs::ExitReason::vmfunc)};
    if (entry >= vmx::vm_function::eptp_list_entries) return deliver_exit_to_l1(vcpu, reason);
    const std::uint64_t eptp{machine.l1.read64(vmcs12.get(F::eptp_list_address) + 8 * std::uint64_t{entry})};
    const EptpError bad{check_eptp(eptp, machine.offered_msrs[vmx::msr::vmx_ept_vpid_cap],
                                   machine.processor.physical_address_bits)};
    if (bad != EptpError::ok) return deliver_exit_to_l1(vcpu, reason);
    vmcs12.leave(F::ept_pointer, eptp);
    vmcs12.mark_dirty(detail::set_of(F::ept_pointer)); // what the plan takes from it
    if (machine.offered_fields.test(F::eptp_index)) vmcs12.leave(F::eptp_index, entry);
    set_l2_ept(vcpu);
    skip_instruction(vcpu);
}

} // namespace shadowtune::nested
