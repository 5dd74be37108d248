#pragma once

// Small services on the guest that exited last: the current VMCS is its own.

#include "hypervisor/memory/page_walk.hpp"
#include "hypervisor/nested/instruction.hpp"
#include "hypervisor/nested/vcpu.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

// Moves RIP behind the instruction that exited, and ends blocking by STI and MOV SS as its completion would.
void skip_instruction(Vcpu& vcpu);

// The same where the exit tells no length.
void skip_instruction(Vcpu& vcpu, std::uint64_t length);

// Lets the next entry deliver an exception. Where L2 exited and L1's exception bitmap wants it, L1 gets its
// exit instead, and vmcs01 is current: nothing may come behind it.
void inject_exception(Vcpu& vcpu, std::uint8_t vector);
void inject_exception(Vcpu& vcpu, std::uint8_t vector, std::uint32_t error_code);
void inject_page_fault(Vcpu& vcpu, std::uint64_t linear, std::uint32_t error_code);

// An exit that L0 handles alone may have come in the middle of an event's delivery: the event is delivered
// again (SDM Vol. 3C, 28.2.4 "Information for VM Exits During Event Delivery").
void redeliver_interrupted_event(Vcpu& vcpu);

// CPL 0? If not, #GP(0) is on its way (SDM Vol. 3C, 31.3: each VMX instruction).
[[nodiscard]] inline bool require_cpl0(Vcpu& vcpu) {
    const auto rights{static_cast<std::uint32_t>(vcpu.hardware.read(F::guest_ss_access_rights))};
    if (vmx::access_rights::dpl(rights) == 0) [[likely]]
        return true;
    inject_exception(vcpu, vmx::vector::general_protection, 0);
    return false;
}

[[nodiscard]] bool in_64bit_mode(Vcpu& vcpu);

// What a walk of the guest's page tables begins with.
[[nodiscard]] memory::PagingState paging_state(Vcpu& vcpu);

// The linear address of a memory operand; false where a fault was injected instead.
[[nodiscard]] bool operand_address(Vcpu& vcpu, const DecodedOperands& operands, MemoryAccess access,
                                   unsigned bytes, std::uint64_t& linear);

// Copies between L0 and the linear memory of the guest that exited; false where a page fault was injected
// instead, or, of L2, L1 got an exit. Nothing is written then.
[[nodiscard]] bool read_linear(Vcpu& vcpu, std::uint64_t linear, void* to, std::size_t size);
[[nodiscard]] bool write_linear(Vcpu& vcpu, std::uint64_t linear, const void* from, std::size_t size);

} // namespace shadowtune::nested
