#pragma once

// The two ends of a VM entry and exit; the code is in vmx/entry.S.

#include <cstddef>
#include <cstdint>

namespace shadowtune::vmx {

// The guest's general registers in the order of their numbers in instruction information (SDM Vol. 3C, Table
// 28-12); RSP's place is unused, since it lives in the VMCS.
struct GeneralRegisters {
    std::uint64_t value[16]{};

    [[nodiscard]] std::uint64_t& rax() { return value[0]; }
    [[nodiscard]] std::uint64_t& rcx() { return value[1]; }
    [[nodiscard]] std::uint64_t& rdx() { return value[2]; }
    [[nodiscard]] std::uint64_t& rbx() { return value[3]; }
    [[nodiscard]] std::uint64_t& rsi() { return value[6]; }
    [[nodiscard]] std::uint64_t& rdi() { return value[7]; }

    // EDX:EAX, as the MSR and XCR instructions take it.
    [[nodiscard]] std::uint64_t edx_eax() { return (rdx() << 32) | static_cast<std::uint32_t>(rax()); }
    void set_edx_eax(std::uint64_t both) {
        rax() = static_cast<std::uint32_t>(both);
        rdx() = both >> 32;
    }
};

inline constexpr unsigned rsp_number{4};

// What to execute next on the current VMCS.
enum class Entry : std::uint64_t { resume = 0, launch = 1 };

// L0's stack of one vCPU. The processor loads HOST_RSP with the address of `vcpu` at each VM exit; what lies
// below is the stack of the exit handler.
struct ExitStack {
    std::uint8_t bytes[32 * 1024 - 16]; // vmx/entry.S knows this size
    void* vcpu;                         // the vCPU, which starts with its GeneralRegisters
    std::uint64_t pad;
};
static_assert(offsetof(ExitStack, vcpu) % 16 == 0);

extern "C" {
// HOST_RIP.
void vmx_exit_point();
// Enters the current VMCS with the registers of `vcpu`; comes back through vmx_exit_point only.
[[noreturn]] void vmx_first_entry(ExitStack* stack, Entry entry);
}

} // namespace shadowtune::vmx
