#pragma once

// The operands of a VMX instruction that exited, from the VM-exit instruction information and the exit
// qualification. SDM Vol. 3C, section 28.2.5 "Information for VM Exits Due to Instruction Execution" (edition
// 325462-087).

#include "vmcs/result.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::nested {

enum class AddressSize : std::uint8_t { bits16 = 0, bits32 = 1, bits64 = 2 };
enum class Segment : std::uint8_t { es = 0, cs = 1, ss = 2, ds = 3, fs = 4, gs = 5 };
inline constexpr unsigned segment_count{6};
inline constexpr unsigned general_register_count{16};

// Register numbers are the SDM's: 0 = RAX, 1 = RCX, 2 = RDX, 3 = RBX, 4 = RSP, 5 = RBP, 6 = RSI, 7 = RDI, 8 =
// R8 ...
struct DecodedOperands {
    bool is_memory{false};            // else the operand is `operand_register`
    std::uint8_t operand_register{0}; // VMREAD, VMWRITE in register form: Reg1
    std::uint8_t second_register{
        0};                  // VMREAD, VMWRITE: the field's encoding; INVEPT, INVVPID, INVPCID: the type
    std::uint8_t scaling{0}; // left shift of the index: 0 to 3
    bool has_base{false};
    bool has_index{false};
    std::uint8_t base_register{0};
    std::uint8_t index_register{0};
    AddressSize address_size{AddressSize::bits64};
    Segment segment{Segment::ds};
};

// Instruction information that no processor gives: L0 stops that L1 with a dump rather than guess.
enum class DecodeError : std::uint8_t { none, register_form, address_size, segment };
[[nodiscard]] std::string_view describe(DecodeError error);

using Decoded = Result<DecodedOperands, DecodeError>;

// VMREAD and VMWRITE (register or memory form).
[[nodiscard]] Decoded decode_vmread_vmwrite(std::uint32_t information);
// VMCLEAR, VMPTRLD, VMPTRST, VMXON, XRSTORS, XSAVES: one memory operand.
[[nodiscard]] Decoded decode_memory_operand(std::uint32_t information);
// INVEPT, INVVPID, INVPCID: a memory operand and the type's register.
[[nodiscard]] Decoded decode_invalidation(std::uint32_t information);

// The mode of the processor that executed the instruction. `real` is real-address and virtual-8086 mode
// (segment types are not checked there); `legacy` is protected mode and compatibility mode.
enum class OperatingMode : std::uint8_t { real, legacy, long64 };

// A segment register in VMCS form (access rights as in Table 25-2).
struct SegmentRegister {
    std::uint64_t base{0};
    std::uint32_t limit{0};
    std::uint32_t access_rights{0};
};

struct AddressContext {
    std::uint64_t general_registers[general_register_count]{}; // RSP included
    SegmentRegister segments[segment_count]{};                 // by Segment
    OperatingMode mode{OperatingMode::long64};
    unsigned linear_address_bits{48}; // 48, or 57 with CR4.LA57
};

enum class MemoryAccess : std::uint8_t { read, write };

// The exception that the access raises instead; both have error code 0.
enum class AddressFault : std::uint8_t { none = 0, stack_segment = 12, general_protection = 13 };

// The linear address of the memory operand of `bytes` bytes, after the segment checks of the instruction's
// own page: #SS(0) through SS, #GP(0) through any other segment. `displacement` is the exit qualification.
[[nodiscard]] Result<std::uint64_t, AddressFault> effective_address(const DecodedOperands& operands,
                                                                    std::uint64_t displacement,
                                                                    const AddressContext& context,
                                                                    MemoryAccess access, unsigned bytes);

// Bytes of the operand of VMREAD and VMWRITE: 8 in 64-bit mode, else 4 (prefixes do not change it).
[[nodiscard]] constexpr unsigned vmread_operand_bytes(OperatingMode mode) {
    return mode == OperatingMode::long64 ? 8 : 4;
}

// Bytes of the memory operand: VMCLEAR, VMPTRLD, VMPTRST, VMXON; INVEPT, INVVPID, INVPCID.
inline constexpr unsigned vmcs_pointer_bytes{8};
inline constexpr unsigned invalidation_descriptor_bytes{16};

} // namespace shadowtune::nested
