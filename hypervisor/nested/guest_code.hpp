#pragma once

// The bytes of the instruction at which the guest of the current VMCS exited, for exits that do not describe
// it.

#include "hypervisor/nested/store_instruction.hpp"
#include "hypervisor/nested/vcpu.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

struct GuestCode {
    std::uint8_t bytes[longest_instruction]{};
    std::size_t count{0}; // fewer where the next page is not there
    CodeSize size{CodeSize::bits64};
};

// Without bytes where the guest's tables, or L1's EPT, no longer lead to them: they have changed since the
// processor cached what they said, and the instruction is to be executed again by what they say now.
[[nodiscard]] GuestCode fetch_guest_code(Vcpu& vcpu);

// Copies from the guest's linear memory, as the processor would read data; false where its tables do not lead
// there. No fault is injected.
[[nodiscard]] bool read_guest_data(Vcpu& vcpu, std::uint64_t linear, void* to, std::size_t size);

} // namespace shadowtune::nested
