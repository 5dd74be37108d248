#pragma once

// The one door to VMREAD and VMWRITE. It counts each by encoding, access and the reason of the L2 exit being
// handled, as an L0 must count them; nothing in the micro-L1 executes the two instructions elsewhere.

#include "tests/micro_l1/vmx_operands.hpp"
#include "vmcs/catalogue.hpp"
#include "vmcs/exit_reason.hpp"

#include <cstdint>

namespace shadowtune::micro_l1 {

enum class Access : std::uint8_t { read = 0, write = 1 };

struct AccessTotals {
    std::uint64_t reads{0};
    std::uint64_t writes{0};
    std::uint64_t unknown{
        0}; // of encodings that the processor (or L0) does not have: counted, but not by field
};

// Shape: see vmx_operands.hpp. By default the shapes are used in turn.
[[nodiscard]] VmxResult vmread(std::uint64_t operand, std::uint64_t& value);
[[nodiscard]] VmxResult vmwrite(std::uint64_t operand, std::uint64_t value);
[[nodiscard]] VmxResult vmread(std::uint64_t operand, std::uint64_t& value, std::size_t shape);
[[nodiscard]] VmxResult vmwrite(std::uint64_t operand, std::uint64_t value, std::size_t shape);

// For code whose VMCS is known to have the field: a failure is reported and stops the micro-L1.
[[nodiscard]] std::uint64_t get(vmcs::Field field);
void set(vmcs::Field field, std::uint64_t value);

// Accesses from here on belong to this L2 exit; vmcs::no_round_trip: to none.
void accesses_belong_to(std::uint8_t exit_reason);
[[nodiscard]] std::uint8_t exit_reason_being_handled();

[[nodiscard]] AccessTotals access_totals();
// COUNT encoding access reason n, for every count that is not zero, since power-on; encoding in hexadecimal.
void print_counts();

} // namespace shadowtune::micro_l1
