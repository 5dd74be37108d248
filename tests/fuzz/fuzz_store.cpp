// Drives the decoder of stores with whatever bytes lie at the guest's RIP. Input: the code size (1 byte),
// then the bytes.

#include "hypervisor/nested/store_instruction.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

using namespace shadowtune::nested;

void require(bool holds) {
    if (!holds) std::abort();
}

void check(const StoreInstruction& instruction, std::span<const std::uint8_t> code) {
    require(instruction.length > 0 && instruction.length <= longest_instruction);
    require(instruction.length <= code.size());
    require(instruction.bytes == 1 || instruction.bytes == 2 || instruction.bytes == 4 ||
            instruction.bytes == 8);
    require(instruction.source_register < general_register_count);
    require(!instruction.high_byte || (instruction.bytes == 1 && instruction.source_register < 4));
    require(static_cast<unsigned>(instruction.source_segment) < segment_count);
    require(static_cast<unsigned>(instruction.operation) < 7);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto code_size{static_cast<CodeSize>(data[0] % 3)};
    const std::span<const std::uint8_t> code{data + 1, size - 1};
    const auto decoded{decode_store(code, code_size)};
    if (!decoded.ok()) {
        require(decoded.error() != StoreError::none);
        // More bytes cannot mend what is unknown, nor take away what is known.
        return 0;
    }
    const StoreInstruction& instruction{decoded.value()};
    check(instruction, code);
    // The instruction's own bytes are all that counts, and each of them does.
    const auto again{decode_store(code.first(instruction.length), code_size)};
    require(again.ok() && again.value().length == instruction.length &&
            again.value().immediate == instruction.immediate && again.value().kind == instruction.kind);
    const auto cut{decode_store(code.first(instruction.length - 1U), code_size)};
    require(!cut.ok() && cut.error() == StoreError::too_short);
    const ArithmeticResult result{
        compute(instruction.operation, instruction.immediate, size, instruction.bytes, (size & 1U) != 0)};
    require((result.status_flags & ~status_flags_mask) == 0);
    require(instruction.bytes == 8 || result.value >> (8 * instruction.bytes) == 0);
    return 0;
}
