#pragma once

// A thin decoder: the instructions with which software writes to a memory-mapped register, from their bytes.
// What it knows: MOV, STOS, MOVS, XCHG and the arithmetic that writes its memory operand (ADD, OR, ADC, SBB,
// AND, SUB, XOR), with all their prefixes and addressing forms. The address itself comes from the VM exit, so
// the addressing form only counts for the length. SDM Vol. 2A, chapter 2, and Vol. 2B to 2D for each
// instruction (edition 325462-087).

#include "hypervisor/nested/instruction.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace shadowtune::nested {

// The default operand and address sizes of the code segment.
enum class CodeSize : std::uint8_t { bits16, bits32, bits64 };

inline constexpr std::size_t longest_instruction{15};

enum class StoreKind : std::uint8_t {
    move,        // MOV: the source is written
    exchange,    // XCHG: the register gets what was there
    arithmetic,  // memory operand = memory operand (operation) source
    string_fill, // STOS: AL, AX, EAX or RAX to [rDI]
    string_copy, // MOVS: from [rSI] to [rDI]
};

// By their number in opcodes and in ModRM.reg of the group 80H to 83H; 7 is CMP, which writes nothing.
enum class Arithmetic : std::uint8_t { add = 0, or_ = 1, adc = 2, sbb = 3, and_ = 4, sub = 5, xor_ = 6 };

struct StoreInstruction {
    StoreKind kind{StoreKind::move};
    Arithmetic operation{Arithmetic::add};
    std::uint8_t bytes{4};  // of the operand: 1, 2, 4 or 8
    std::uint8_t length{0}; // of the instruction
    bool has_immediate{false};
    std::uint64_t immediate{0};      // sign-extended to 64 bits
    std::uint8_t source_register{0}; // without an immediate; numbers as in DecodedOperands
    bool high_byte{false};           // AH, CH, DH, BH: bits 15:8 of source_register 0 to 3
    // Strings only.
    bool repeated{false};
    AddressSize address_size{AddressSize::bits64};
    Segment source_segment{Segment::ds};
};

enum class StoreError : std::uint8_t {
    none,
    too_short, // the bytes end before the instruction does
    unknown,   // another instruction, or none
};

// `code` begins with the instruction and may be longer than it.
[[nodiscard]] Result<StoreInstruction, StoreError> decode_store(std::span<const std::uint8_t> code,
                                                                CodeSize size);

// What ADD to XOR write, and the six status flags in their places in RFLAGS. `bytes`: 1, 2, 4 or 8; operands
// beyond it do not count.
struct ArithmeticResult {
    std::uint64_t value{0};
    std::uint64_t status_flags{0};
};
inline constexpr std::uint64_t status_flags_mask{0x8D5}; // OF, SF, ZF, AF, PF, CF
[[nodiscard]] ArithmeticResult compute(Arithmetic operation, std::uint64_t destination, std::uint64_t source,
                                       unsigned bytes, bool carry);

} // namespace shadowtune::nested
