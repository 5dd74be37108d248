#pragma once

// L1's processor after INIT and after a start-up IPI, written to vmcs01, which is current. SDM Vol. 3A, Table
// 10-1 "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT", 9.4.4.2 and 11.4.7.3
// (edition 325462-087).

#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

// All but the local APIC: at the reset vector, in real mode. L1 is outside of VMX operation.
void write_init_state(Vcpu& vcpu);

// The local APIC's registers, with no interrupt left in it.
void reset_local_apic(Vcpu& vcpu);

// Real mode at `vector` * 1000H.
void write_startup_state(Vcpu& vcpu, std::uint8_t vector);

} // namespace shadowtune::nested
