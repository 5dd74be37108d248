// Drives the decoder of instruction information and the effective address with whatever 32 bits and registers
// come. Input: information (4 bytes), choices (1), displacement, a base and an index (8 each), segment base
// (8), limit (4), access rights (4); missing bytes are 0.

#include "hypervisor/nested/instruction.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace shadowtune::nested;

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : m_data{data}, m_size{size} {}

    [[nodiscard]] std::uint64_t take(unsigned bytes) {
        std::uint64_t value{0};
        for (unsigned i{0}; i < bytes; ++i) {
            const std::uint64_t byte{m_at < m_size ? m_data[m_at++] : std::uint64_t{0}};
            value |= byte << (8 * i);
        }
        return value;
    }
    [[nodiscard]] std::uint32_t take32() { return static_cast<std::uint32_t>(take(4)); }

private:
    const std::uint8_t* m_data;
    std::size_t m_size;
    std::size_t m_at{0};
};

void require(bool holds) {
    if (!holds) std::abort();
}

void check_operands(const DecodedOperands& operands) {
    require(operands.operand_register < general_register_count &&
            operands.second_register < general_register_count);
    require(operands.base_register < general_register_count &&
            operands.index_register < general_register_count);
    require(static_cast<unsigned>(operands.segment) < segment_count && operands.scaling < 4);
    require(static_cast<unsigned>(operands.address_size) <= 2);
}

// What holds of any address that is let through: every byte canonical in 64-bit mode, below 4 GiB elsewhere,
// and within the limit of an expand-up segment.
void check_address(const DecodedOperands& operands, std::uint64_t displacement, const AddressContext& context,
                   MemoryAccess access, unsigned bytes) {
    const auto result{effective_address(operands, displacement, context, access, bytes)};
    const SegmentRegister& segment{context.segments[static_cast<unsigned>(operands.segment)]};
    if (!result.ok()) {
        const bool stack{operands.segment == Segment::ss};
        require(result.error() == (stack ? AddressFault::stack_segment : AddressFault::general_protection));
        return;
    }
    const std::uint64_t linear{result.value()};
    if (context.mode == OperatingMode::long64) {
        for (unsigned i{0}; i < bytes; ++i) {
            const auto top{static_cast<std::int64_t>(linear + i) >> (context.linear_address_bits - 1)};
            require(top == 0 || top == -1);
        }
        return;
    }
    require((linear >> 32) == 0);
    const std::uint64_t offset{(linear - segment.base) & 0xFFFFFFFFU};
    require(offset + bytes <= std::uint64_t{1} << 32);
    const bool expand_down{(segment.access_rights & 0xCU) == 4U};
    require(expand_down ? offset > segment.limit : offset + bytes - 1 <= segment.limit);
    if (context.mode == OperatingMode::legacy) require((segment.access_rights & 0x10000U) == 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Input input{data, size};
    const std::uint32_t information{input.take32()};
    const std::uint64_t choices{input.take(1)};
    const std::uint64_t displacement{input.take(8)};

    const Decoded forms[]{decode_vmread_vmwrite(information), decode_memory_operand(information),
                          decode_invalidation(information)};

    AddressContext context{};
    context.mode = static_cast<OperatingMode>((choices & 3U) % 3U);
    context.linear_address_bits = (choices & 4U) != 0 ? 57 : 48;
    const std::uint64_t values[2]{input.take(8), input.take(8)};
    for (unsigned i{0}; i < general_register_count; ++i)
        context.general_registers[i] = values[i & 1U];
    const std::uint64_t base{input.take(8)};
    const std::uint32_t limit{input.take32()};
    const std::uint32_t rights{input.take32()};
    for (auto& segment : context.segments)
        segment = SegmentRegister{base, limit, rights};

    const MemoryAccess access{(choices & 8U) != 0 ? MemoryAccess::write : MemoryAccess::read};
    for (const Decoded& decoded : forms) {
        if (!decoded.ok()) {
            require(!describe(decoded.error()).empty() && decoded.error() != DecodeError::none);
            continue;
        }
        check_operands(decoded.value());
        if (!decoded.value().is_memory) continue;
        for (const unsigned bytes : {4U, 8U, 16U})
            check_address(decoded.value(), displacement, context, access, bytes);
    }
    return 0;
}
