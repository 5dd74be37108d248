#pragma once

// An exit that should have ended L2's sleep in the HLT state and has not come: some processors look for it
// only while the guest executes instructions. L0's timer, which is always armed, bounds the wait. SDM
// Vol. 3C, 26.2 "Other Causes of VM Exits" and 27.7.5 "Interrupt-Window Exiting and Virtual-Interrupt
// Delivery" (edition 325462-087).

#include "hypervisor/nested/vmcs12_values.hpp"
#include "hypervisor/vmx/controls.hpp"

#include <cstdint>

namespace shadowtune::nested {

enum class OverdueExit : std::uint8_t { none, interrupt_window, external_interrupt };

// Of an L2 in the HLT state, where neither STI nor MOV SS can block (27.3.1.5).
struct HaltedL2 {
    bool interrupts_enabled{false}; // RFLAGS.IF
    bool interrupt_pending{false};  // the local APIC has one that its processor priority lets through
};

// An interrupt that the exit would acknowledge is left to the processor: L0 cannot.
[[nodiscard]] constexpr OverdueExit overdue_exit(const Vmcs12Values& vmcs12, const HaltedL2& l2) {
    const std::uint32_t primary{vmcs12.get32(F::primary_processor_based_controls)};
    if (l2.interrupts_enabled && (primary & vmx::primary::interrupt_window_exiting) != 0) {
        return OverdueExit::interrupt_window;
    }
    const bool exits{(vmcs12.get32(F::pin_based_controls) & vmx::pin::external_interrupt_exiting) != 0};
    const bool acknowledges{
        (vmcs12.get32(F::primary_vm_exit_controls) & vmx::exit::acknowledge_interrupt_on_exit) != 0};
    return l2.interrupt_pending && exits && !acknowledges ? OverdueExit::external_interrupt
                                                          : OverdueExit::none;
}

} // namespace shadowtune::nested
