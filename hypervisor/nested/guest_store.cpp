#include "hypervisor/nested/guest_store.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/guest_code.hpp"

namespace shadowtune::nested {

namespace {

constexpr unsigned rcx_number{1}, rsi_number{6}, rdi_number{7};

[[nodiscard]] std::uint64_t mask_of(unsigned bytes) {
    return ~std::uint64_t{0} >> (64 - 8 * bytes);
}

[[nodiscard]] std::uint64_t read_native(const void* place, unsigned bytes) {
    switch (bytes) {
    case 1: return *static_cast<const volatile std::uint8_t*>(place);
    case 2: return *static_cast<const volatile std::uint16_t*>(place);
    case 4: return *static_cast<const volatile std::uint32_t*>(place);
    default: return *static_cast<const volatile std::uint64_t*>(place);
    }
}

[[nodiscard]] std::uint64_t read_register(Vcpu& vcpu, unsigned number) {
    return number == vmx::rsp_number ? vcpu.hardware.read(F::guest_rsp) : vcpu.registers.value[number];
}

// The part of a register that an operand of this size is; a 32-bit result clears the upper half (Vol. 1,
// 3.4.1.1).
void write_register(Vcpu& vcpu, unsigned number, unsigned bytes, unsigned shift, std::uint64_t value) {
    const std::uint64_t mask{bytes == 4 ? ~std::uint64_t{0} : mask_of(bytes) << shift};
    const std::uint64_t old{read_register(vcpu, number)};
    const std::uint64_t merged{(old & ~mask) | ((value & mask_of(bytes)) << shift)};
    if (number == vmx::rsp_number) {
        vcpu.hardware.write(F::guest_rsp, merged);
    } else {
        vcpu.registers.value[number] = merged;
    }
}

[[nodiscard]] unsigned address_bytes(AddressSize size) {
    return 2U << static_cast<unsigned>(size);
}

[[nodiscard]] std::uint64_t source_value(Vcpu& vcpu, const StoreInstruction& instruction) {
    if (instruction.has_immediate) return instruction.immediate;
    const unsigned shift{instruction.high_byte ? 8U : 0U};
    return read_register(vcpu, instruction.source_register) >> shift;
}

// MOVS: DS or an override, at rSI.
[[nodiscard]] bool read_string_source(Vcpu& vcpu, const StoreInstruction& instruction, std::uint64_t& value) {
    const auto segment{static_cast<unsigned>(instruction.source_segment)};
    const auto base{static_cast<vmcs::Encoding>(vmcs::encoding_of(F::guest_es_base) + 2 * segment)};
    const bool long_mode{in_64bit_mode(vcpu)};
    const bool has_base{!long_mode || instruction.source_segment == Segment::fs ||
                        instruction.source_segment == Segment::gs};
    std::uint64_t linear{vcpu.registers.value[rsi_number] & mask_of(address_bytes(instruction.address_size))};
    if (has_base) linear += vcpu.hardware.read(base);
    if (!long_mode) linear &= 0xFFFF'FFFF;
    value = 0;
    return read_guest_data(vcpu, linear, &value, instruction.bytes);
}

void step_register(Vcpu& vcpu, const StoreInstruction& instruction, unsigned number, std::uint64_t step) {
    write_register(vcpu, number, address_bytes(instruction.address_size), 0,
                   vcpu.registers.value[number] + step);
}

// One turn: the registers move on; RIP only after the last one.
void finish_string(Vcpu& vcpu, const StoreInstruction& instruction) {
    const bool down{(vcpu.hardware.read(F::guest_rflags) & cpu::rflags::df) != 0};
    const std::uint64_t step{down ? ~std::uint64_t{0} * instruction.bytes : instruction.bytes};
    step_register(vcpu, instruction, rdi_number, step);
    if (instruction.kind == StoreKind::string_copy) step_register(vcpu, instruction, rsi_number, step);
    if (instruction.repeated) {
        step_register(vcpu, instruction, rcx_number, ~std::uint64_t{0});
        const std::uint64_t mask{mask_of(address_bytes(instruction.address_size))};
        if ((vcpu.registers.value[rcx_number] & mask) != 0) return;
    }
    skip_instruction(vcpu, instruction.length);
}

void finish_arithmetic(Vcpu& vcpu, const StoreInstruction& instruction, const void* place,
                       GuestStore& store) {
    auto& hw{vcpu.hardware};
    const std::uint64_t flags{hw.read(F::guest_rflags)};
    const ArithmeticResult result{compute(instruction.operation, read_native(place, instruction.bytes),
                                          source_value(vcpu, instruction), instruction.bytes,
                                          (flags & cpu::rflags::cf) != 0)};
    store.value = result.value;
    hw.write(F::guest_rflags, (flags & ~status_flags_mask) | result.status_flags);
    skip_instruction(vcpu, instruction.length);
}

} // namespace

StoreOutcome execute_store(Vcpu& vcpu, const void* place, GuestStore& store) {
    const GuestCode code{fetch_guest_code(vcpu)};
    const auto decoded{decode_store({code.bytes, code.count}, code.size)};
    if (!decoded)
        return decoded.error() == StoreError::too_short && code.count < longest_instruction
                   ? StoreOutcome::again
                   : StoreOutcome::not_known;
    const StoreInstruction& instruction{decoded.value()};
    store.bytes = instruction.bytes;
    const std::uint64_t offset{reinterpret_cast<std::uint64_t>(place) & (memory::page_size - 1)};
    if (offset + instruction.bytes > memory::page_size) return StoreOutcome::not_known;
    switch (instruction.kind) {
    case StoreKind::move:
        store.value = source_value(vcpu, instruction);
        skip_instruction(vcpu, instruction.length);
        break;
    case StoreKind::exchange: {
        const std::uint64_t old{read_native(place, instruction.bytes)};
        store.value = source_value(vcpu, instruction);
        write_register(vcpu, instruction.source_register, instruction.bytes, instruction.high_byte ? 8 : 0,
                       old);
        skip_instruction(vcpu, instruction.length);
        break;
    }
    case StoreKind::arithmetic: finish_arithmetic(vcpu, instruction, place, store); break;
    case StoreKind::string_fill:
        store.value = vcpu.registers.rax();
        finish_string(vcpu, instruction);
        break;
    case StoreKind::string_copy:
        if (!read_string_source(vcpu, instruction, store.value)) return StoreOutcome::again;
        finish_string(vcpu, instruction);
        break;
    }
    store.value &= mask_of(instruction.bytes);
    return StoreOutcome::done;
}

} // namespace shadowtune::nested
