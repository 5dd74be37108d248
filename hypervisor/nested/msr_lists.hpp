#pragma once

// VM-entry and VM-exit MSR areas of L1: SDM Vol. 3C, 25.7.2, 25.8.2, 27.4, 28.4, 28.6 (edition 325462-087).

#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::nested {

// Any MSR of the guest of the current VMCS, as its RDMSR and WRMSR would; false for their #GP. Of L0's own
// MSRs only the reading.
[[nodiscard]] bool read_guest_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t& value);
[[nodiscard]] bool write_guest_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t value);

// Loads `count` MSRs from L1's memory for the guest of the current VMCS. 0, or the number (from 1) of the
// entry that may not be loaded.
[[nodiscard]] std::uint32_t load_msr_list(Vcpu& vcpu, std::uint64_t address, std::uint32_t count);

// Stores them; 0, or the number of the entry that cannot be read.
[[nodiscard]] std::uint32_t store_msr_list(Vcpu& vcpu, std::uint64_t address, std::uint32_t count);

// MSRs of facilities that write records to memory by themselves: debug store and PEBS by linear addresses, of
// L0's space while L0 runs; Processor Trace and hardware feedback by physical ones, past every EPT (SDM Vol.
// 3B, 18.4.9, 20.3.8, 15.6; Vol. 3C, 33.2.7). To L1 they do not exist.
[[nodiscard]] bool makes_processor_write_memory(std::uint32_t number);

// MSRs that L0 answers for itself, whoever asks. False: #GP for the guest.
[[nodiscard]] bool is_l0s_msr(std::uint32_t number);
[[nodiscard]] bool read_l0s_msr(const Vcpu& vcpu, std::uint32_t number, std::uint64_t& value);
[[nodiscard]] bool write_l0s_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t value);

} // namespace shadowtune::nested
