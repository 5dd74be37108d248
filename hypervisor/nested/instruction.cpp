#include "hypervisor/nested/instruction.hpp"

#include "hypervisor/memory/canonical.hpp"
#include "hypervisor/vmx/exit_information.hpp"

namespace shadowtune::nested {

namespace {

namespace rights = vmx::access_rights;

[[nodiscard]] std::uint8_t field(std::uint32_t information, unsigned shift, std::uint32_t mask) {
    return static_cast<std::uint8_t>((information >> shift) & mask);
}

// The part that all formats share: bits 1:0, 9:7 and 27:15. The SDM leaves fields undefined where the operand
// does not use them (the scaling without an index, a register without its valid bit), so those stay at their
// defaults.
[[nodiscard]] Decoded decode_memory(std::uint32_t information) {
    DecodedOperands operands{};
    operands.is_memory = true;

    const std::uint8_t address_size{field(information, 7, 7)};
    if (address_size > static_cast<std::uint8_t>(AddressSize::bits64))
        return Failure{DecodeError::address_size};
    operands.address_size = static_cast<AddressSize>(address_size);

    const std::uint8_t segment{field(information, 15, 7)};
    if (segment >= segment_count) return Failure{DecodeError::segment};
    operands.segment = static_cast<Segment>(segment);

    operands.has_index = field(information, 22, 1) == 0;
    if (operands.has_index) {
        operands.index_register = field(information, 18, 0xF);
        operands.scaling = field(information, 0, 3);
    }
    operands.has_base = field(information, 27, 1) == 0;
    if (operands.has_base) operands.base_register = field(information, 23, 0xF);
    return operands;
}

[[nodiscard]] constexpr bool is_register_form(std::uint32_t information) {
    return (information & (1U << 10)) != 0;
}

[[nodiscard]] constexpr std::uint64_t address_mask(AddressSize size) {
    switch (size) {
    case AddressSize::bits16: return 0xFFFF;
    case AddressSize::bits32: return 0xFFFFFFFF;
    case AddressSize::bits64: break;
    }
    return ~std::uint64_t{0};
}

// Type rules of protected mode: Vol. 3A, section 6.4. An unusable segment is the null selector of
// section 6.4.1.
[[nodiscard]] constexpr bool type_permits(std::uint32_t access_rights, MemoryAccess access) {
    if ((access_rights & rights::unusable) != 0) return false;
    const bool code{(access_rights & 8U) != 0};
    const bool second{(access_rights & 2U) != 0}; // data: writable; code: readable
    if (access == MemoryAccess::write) return !code && second;
    return !code || second;
}

// Limit rules: Vol. 3A, section 6.3. The offset cannot wrap here: an operand that runs past FFFFFFFFH is out
// of bounds even of a 4-GiB segment (the SDM lets a processor choose; this is the choice that touches no
// other byte).
[[nodiscard]] constexpr bool limit_permits(const SegmentRegister& segment, std::uint64_t offset,
                                           unsigned bytes) {
    const std::uint64_t last{offset + bytes - 1};
    const bool expand_down{(segment.access_rights & 0xCU) == 4U};
    if (!expand_down) return last <= segment.limit;
    const std::uint64_t top{(segment.access_rights & rights::default_big) != 0 ? 0xFFFFFFFFU : 0xFFFFU};
    return offset > segment.limit && last <= top;
}

} // namespace

std::string_view describe(DecodeError error) {
    switch (error) {
    case DecodeError::none: return "no error";
    case DecodeError::register_form: return "the instruction information says register for a memory operand";
    case DecodeError::address_size: return "the instruction information holds an address size above 2";
    case DecodeError::segment: return "the instruction information holds a segment register above 5";
    }
    return {};
}

Decoded decode_vmread_vmwrite(std::uint32_t information) {
    DecodedOperands operands{};
    if (is_register_form(information)) {
        operands.operand_register = field(information, 3, 0xF);
    } else {
        Decoded memory{decode_memory(information)};
        if (!memory.ok()) return memory;
        operands = memory.value();
    }
    operands.second_register = field(information, 28, 0xF);
    return operands;
}

Decoded decode_memory_operand(std::uint32_t information) {
    if (is_register_form(information)) return Failure{DecodeError::register_form};
    return decode_memory(information);
}

Decoded decode_invalidation(std::uint32_t information) {
    Decoded memory{decode_memory_operand(information)};
    if (memory.ok()) memory.value().second_register = field(information, 28, 0xF);
    return memory;
}

Result<std::uint64_t, AddressFault> effective_address(const DecodedOperands& operands,
                                                      std::uint64_t displacement,
                                                      const AddressContext& context, MemoryAccess access,
                                                      unsigned bytes) {
    // Bits of the displacement beyond the address size are undefined (section 28.2.1), and so may be those of
    // the registers outside 64-bit mode: the sum is cut once, at the end, which is the same as cutting each
    // part.
    std::uint64_t offset{displacement};
    if (operands.has_base) offset += context.general_registers[operands.base_register & 0xFU];
    if (operands.has_index) {
        offset += context.general_registers[operands.index_register & 0xFU] << (operands.scaling & 3U);
    }
    offset &= address_mask(operands.address_size);

    const SegmentRegister& segment{context.segments[static_cast<unsigned>(operands.segment) % segment_count]};
    const AddressFault fault{operands.segment == Segment::ss ? AddressFault::stack_segment
                                                             : AddressFault::general_protection};

    if (context.mode == OperatingMode::long64) {
        // Only FS and GS have a base in 64-bit mode; limits and types are not checked (Vol. 3A, 6.3.1).
        const bool has_segment_base{operands.segment == Segment::fs || operands.segment == Segment::gs};
        const std::uint64_t linear{has_segment_base ? offset + segment.base : offset};
        const bool canonical{memory::is_canonical(linear, context.linear_address_bits) &&
                             memory::is_canonical(linear + bytes - 1, context.linear_address_bits)};
        if (!canonical) return Failure{fault};
        return linear;
    }

    offset &= 0xFFFFFFFFU;
    if (context.mode == OperatingMode::legacy && !type_permits(segment.access_rights, access))
        return Failure{fault};
    if (!limit_permits(segment, offset, bytes)) return Failure{fault};
    return (segment.base + offset) & 0xFFFFFFFFU;
}

} // namespace shadowtune::nested
