#include "tests/micro_l1/vmcs_access.hpp"

#include "tests/micro_l1/console.hpp"

namespace shadowtune::micro_l1 {

namespace {

// Each 64-bit field has two encodings; the odd slot of the others stays empty.
constexpr std::size_t encoding_slots{vmcs::field_count * 2};

std::uint32_t g_counts[encoding_slots][2][vmcs::reason_slots];
AccessTotals g_totals;
std::uint8_t g_reason{vmcs::no_round_trip};
std::size_t g_next_shape{0};

void count(std::uint64_t operand, Access access, VmxResult result) {
    const vmcs::FieldIndex index{vmcs::find(operand)};
    if (result != VmxResult::succeed || index == vmcs::no_field) {
        ++g_totals.unknown;
        return;
    }
    ++(access == Access::read ? g_totals.reads : g_totals.writes);
    const std::size_t slot{std::size_t{index} * 2 + (operand & 1U)};
    ++g_counts[slot][static_cast<std::size_t>(access)][g_reason];
}

} // namespace

VmxResult vmread(std::uint64_t operand, std::uint64_t& value, std::size_t shape) {
    const VmxResult result{vmread_shape(shape, operand, value)};
    count(operand, Access::read, result);
    return result;
}

VmxResult vmwrite(std::uint64_t operand, std::uint64_t value, std::size_t shape) {
    const VmxResult result{vmwrite_shape(shape, operand, value)};
    count(operand, Access::write, result);
    return result;
}

VmxResult vmread(std::uint64_t operand, std::uint64_t& value) {
    return vmread(operand, value, g_next_shape++);
}
VmxResult vmwrite(std::uint64_t operand, std::uint64_t value) {
    return vmwrite(operand, value, g_next_shape++);
}

std::uint64_t get(vmcs::Field field) {
    std::uint64_t value{0};
    if (vmread(vmcs::encoding_of(field), value) != VmxResult::succeed) {
        print_line("FAIL vmread: ", vmcs::info(field).symbol, " cannot be read");
        power_off();
    }
    return value;
}

void set(vmcs::Field field, std::uint64_t value) {
    if (vmwrite(vmcs::encoding_of(field), value) != VmxResult::succeed) {
        print_line("FAIL vmwrite: ", vmcs::info(field).symbol, " cannot be written");
        power_off();
    }
}

void accesses_belong_to(std::uint8_t exit_reason) {
    g_reason = exit_reason;
}
std::uint8_t exit_reason_being_handled() {
    return g_reason;
}

AccessTotals access_totals() {
    return g_totals;
}

void print_counts() {
    for (std::size_t slot{0}; slot < encoding_slots; ++slot) {
        const std::uint64_t encoding{vmcs::catalogue[slot / 2].encoding | (slot & 1U)};
        for (std::size_t access{0}; access < 2; ++access) {
            for (std::size_t reason{0}; reason < vmcs::reason_slots; ++reason) {
                const std::uint32_t n{g_counts[slot][access][reason]};
                if (n != 0)
                    print_line("COUNT ", hex(encoding), access == 0 ? " read " : " write ", reason, " ", n);
            }
        }
    }
}

} // namespace shadowtune::micro_l1
