#pragma once

// Whether an exit of L2 belongs to L1: the processor's own conditions for a VM exit, applied to the vmcs12.
// SDM Vol. 3C, chapter 26 "VMX Non-Root Operation" (edition 325462-087).

#include "hypervisor/nested/merge.hpp"
#include "hypervisor/nested/vmcs12_values.hpp"
#include "vmcs/exit_reason.hpp"

#include <cstdint>

namespace shadowtune::nested {

// What the exit told, and the part of L2's state that some conditions look at.
struct ExitFacts {
    std::uint32_t exit_reason{0}; // as read; the entry-failure bit may be set
    std::uint64_t qualification{0};
    std::uint32_t interruption_information{0};       // reason 0
    std::uint32_t interruption_error_code{0};        // reason 0
    const std::uint64_t* general_registers{nullptr}; // L2's 16, in the SDM's order with RSP; never null
    bool in_64bit_mode{false};                       // L2's: MOV to CR takes 32 bits elsewhere
    std::uint32_t instruction_information{0};        // reasons 23 and 25
    std::uint64_t ia32_xss{0};                       // reasons 63 and 64
    bool preemption_timer_is_l0s{false};             // reason 52: L0's own backstop expired, not L1's timer
};

// L1's bitmap pages, null where L0 cannot read them or they are not in use.
struct L1Bitmaps {
    const BitmapWords* msr{nullptr};
    const BitmapWords* io_a{nullptr};
    const BitmapWords* io_b{nullptr};
    const BitmapWords* vmread{nullptr};
    const BitmapWords* vmwrite{nullptr};
};

// Instructions that exit whatever the controls say (26.1.2): l1_wants_exit() says true of each, but it costs
// more to ask.
[[nodiscard]] constexpr bool exits_unconditionally(std::uint32_t reason) {
    using vmcs::ExitReason;
    constexpr std::uint64_t reasons{[] {
        std::uint64_t bits{0};
        for (const ExitReason r :
             {ExitReason::cpuid, ExitReason::getsec, ExitReason::invd, ExitReason::vmcall,
              ExitReason::vmclear, ExitReason::vmlaunch, ExitReason::vmptrld, ExitReason::vmptrst,
              ExitReason::vmresume, ExitReason::vmxoff, ExitReason::vmxon, ExitReason::invept,
              ExitReason::invvpid, ExitReason::xsetbv}) {
            bits |= std::uint64_t{1} << static_cast<unsigned>(r);
        }
        return bits;
    }()};
    return reason < 64 && (reasons >> reason & 1U) != 0;
}

// True: L1 gets the exit. False: L0 handles it and L1 never hears of it; so do EPT violations and
// misconfigurations (48, 49), which the caller decides by walking L1's tables (ept12.hpp) before it asks
// here.
[[nodiscard]] bool l1_wants_exit(const ExitFacts& facts, const Vmcs12Values& vmcs12,
                                 const L1Bitmaps& bitmaps);

} // namespace shadowtune::nested
