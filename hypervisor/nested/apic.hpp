#pragma once

// L1's local APIC. It is the processor's own: L1 reads and writes it directly, but for one thing. INIT and
// start-up IPIs would take a processor out of L0's hands (SDM Vol. 3C, 24.8, 26.2), so L0 sees each write of
// the interrupt command register and does these two itself. In mode xAPIC the page of the registers is
// write-protected in EPT01 and EPT02 for that, in mode x2APIC the MSR bitmap has the register's bit.

#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// At start: what the firmware left, and the protection of the page.
void watch_apic(Vcpu& vcpu);

// WRMSR of IA32_APIC_BASE; false: #GP.
[[nodiscard]] bool write_apic_base(Vcpu& vcpu, std::uint64_t value);

// WRMSR of the interrupt command register in mode x2APIC; false: #GP.
[[nodiscard]] bool write_x2apic_command(Vcpu& vcpu, std::uint64_t value);

// Whether EPT02 must not let L2 write to this 4-KiB page of L1's: it is the vCPU's APIC. And whether that
// page lies in this 2-MiB one.
[[nodiscard]] bool is_own_apic_page(const Vcpu& vcpu, std::uint64_t l1_address);
[[nodiscard]] bool is_own_apic_page_within(const Vcpu& vcpu, std::uint64_t l1_address);

// The guest of the current VMCS exited with an EPT violation on a write to L1-physical `l1_address`, which
// L1's own tables allow. True where that was a protected page: the write is done, or an exception on its way.
[[nodiscard]] bool emulate_protected_write(Vcpu& vcpu, std::uint64_t l1_address, std::uint64_t qualification);

} // namespace shadowtune::nested
