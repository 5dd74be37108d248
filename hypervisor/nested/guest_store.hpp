#pragma once

// Executes one store of the guest of the current VMCS but for the store itself: what is to be written, the
// registers, flags and RIP after it.

#include "hypervisor/nested/vcpu.hpp"

#include <cstdint>

namespace shadowtune::nested {

struct GuestStore {
    std::uint64_t value{0};
    unsigned bytes{4};
};

// `again`: without what the processor has cached of the guest's tables and L1's, or it comes here for ever.
enum class StoreOutcome : std::uint8_t {
    done,      // the guest is behind the instruction, or behind one turn of a repeated one; write the value
    again,     // the instruction's bytes or its source cannot be reached any more: the guest tries again
    not_known, // no instruction that nested/store_instruction.hpp knows
};

// `place`: what the instruction is about to write to; read where the instruction reads it, too.
[[nodiscard]] StoreOutcome execute_store(Vcpu& vcpu, const void* place, GuestStore& store);

} // namespace shadowtune::nested
