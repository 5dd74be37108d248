#include "hypervisor/nested/store_instruction.hpp"

#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace shadowtune::nested {
namespace {

using Bytes = std::vector<std::uint8_t>;

[[nodiscard]] StoreInstruction decoded(Bytes code, CodeSize size) {
    const auto result{decode_store(code, size)};
    EXPECT_TRUE(result.ok());
    if (!result.ok()) return {};
    EXPECT_EQ(result.value().length, code.size());
    // What follows in memory changes nothing, and what is missing is noticed.
    const std::size_t whole{code.size()};
    code.resize(longest_instruction, 0xCC);
    const auto longer{decode_store(code, size)};
    EXPECT_TRUE(longer.ok() && longer.value().length == whole);
    for (std::size_t shorter{0}; shorter < whole; ++shorter) {
        const auto cut{decode_store({code.data(), shorter}, size)};
        EXPECT_FALSE(cut.ok()) << shorter;
        EXPECT_TRUE(cut.ok() || cut.error() == StoreError::too_short) << shorter;
    }
    return result.value();
}

void expect_unknown(const Bytes& code, CodeSize size) {
    const auto result{decode_store(code, size)};
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error(), StoreError::unknown);
}

TEST(StoreInstruction, MovFromRegister) {
    // mov %esi, 0x300(%rax): what Linux's native_apic_mem_write becomes.
    auto i{decoded({0x89, 0xB0, 0x00, 0x03, 0x00, 0x00}, CodeSize::bits64)};
    EXPECT_EQ(i.kind, StoreKind::move);
    EXPECT_EQ(i.bytes, 4);
    EXPECT_FALSE(i.has_immediate);
    EXPECT_EQ(i.source_register, 6);

    // mov %edi, 0xffffffffff5fc300: no base, SIB.
    i = decoded({0x89, 0x3C, 0x25, 0x00, 0xC3, 0x5F, 0xFF}, CodeSize::bits64);
    EXPECT_EQ(i.source_register, 7);
    // mov %r9, (%r12,%rax,8)
    i = decoded({0x4D, 0x89, 0x0C, 0xC4}, CodeSize::bits64);
    EXPECT_EQ(i.source_register, 9);
    EXPECT_EQ(i.bytes, 8);
    // mov %eax, 8(%rip)
    i = decoded({0x89, 0x05, 0x08, 0x00, 0x00, 0x00}, CodeSize::bits64);
    EXPECT_EQ(i.source_register, 0);
    // mov %dh, (%eax), and with REX: mov %sil, (%rax)
    i = decoded({0x88, 0x30}, CodeSize::bits32);
    EXPECT_TRUE(i.high_byte);
    EXPECT_EQ(i.source_register, 2);
    EXPECT_EQ(i.bytes, 1);
    i = decoded({0x40, 0x88, 0x30}, CodeSize::bits64);
    EXPECT_FALSE(i.high_byte);
    EXPECT_EQ(i.source_register, 6);
    // 16-bit code: mov %ax, 0x300(%bx); with 66H and 67H: mov %ecx, 0x300(%ebx)
    i = decoded({0x89, 0x87, 0x00, 0x03}, CodeSize::bits16);
    EXPECT_EQ(i.bytes, 2);
    i = decoded({0x67, 0x66, 0x89, 0x8B, 0x00, 0x03, 0x00, 0x00}, CodeSize::bits16);
    EXPECT_EQ(i.bytes, 4);
    EXPECT_EQ(i.source_register, 1);
    // mov %ax, (0x300): 16-bit absolute
    i = decoded({0x89, 0x06, 0x00, 0x03}, CodeSize::bits16);
    EXPECT_EQ(i.bytes, 2);
}

TEST(StoreInstruction, MovOfAnImmediate) {
    // movl $0xc500, 0x300(%rbx)
    auto i{decoded({0xC7, 0x83, 0x00, 0x03, 0x00, 0x00, 0x00, 0xC5, 0x00, 0x00}, CodeSize::bits64)};
    EXPECT_TRUE(i.has_immediate);
    EXPECT_EQ(i.immediate, 0xC500U);
    EXPECT_EQ(i.bytes, 4);
    // movl $0, 0xfee000b0: an EOI of 32-bit code
    i = decoded({0xC7, 0x05, 0xB0, 0x00, 0xE0, 0xFE, 0x00, 0x00, 0x00, 0x00}, CodeSize::bits32);
    EXPECT_EQ(i.immediate, 0U);
    // movq $-1, (%rax): 32 bits, sign-extended
    i = decoded({0x48, 0xC7, 0x00, 0xFF, 0xFF, 0xFF, 0xFF}, CodeSize::bits64);
    EXPECT_EQ(i.immediate, ~std::uint64_t{0});
    EXPECT_EQ(i.bytes, 8);
    // movb $5, (%eax); movw $5, (%eax)
    EXPECT_EQ(decoded({0xC6, 0x00, 0x05}, CodeSize::bits32).bytes, 1);
    EXPECT_EQ(decoded({0x66, 0xC7, 0x00, 0x05, 0x00}, CodeSize::bits32).bytes, 2);
}

TEST(StoreInstruction, MovToAnAbsoluteAddress) {
    // mov %eax, 0xfee00300, with addresses of 4, 8 and 2 bytes
    EXPECT_EQ(decoded({0xA3, 0x00, 0x03, 0xE0, 0xFE}, CodeSize::bits32).source_register, 0);
    EXPECT_EQ(decoded({0xA3, 0, 3, 0xE0, 0xFE, 0, 0, 0, 0}, CodeSize::bits64).bytes, 4);
    EXPECT_EQ(decoded({0x67, 0xA3, 0, 3, 0xE0, 0xFE}, CodeSize::bits64).bytes, 4);
    EXPECT_EQ(decoded({0xA2, 0x00, 0x03}, CodeSize::bits16).bytes, 1);
}

TEST(StoreInstruction, ArithmeticAndExchange) {
    // orl $0x100, 0xf0(%rax) and the same with a byte immediate, sign-extended
    auto i{decoded({0x81, 0x88, 0xF0, 0, 0, 0, 0x00, 0x01, 0, 0}, CodeSize::bits64)};
    EXPECT_EQ(i.kind, StoreKind::arithmetic);
    EXPECT_EQ(i.operation, Arithmetic::or_);
    EXPECT_EQ(i.immediate, 0x100U);
    i = decoded({0x83, 0x60, 0x10, 0xFE}, CodeSize::bits64);
    EXPECT_EQ(i.operation, Arithmetic::and_);
    EXPECT_EQ(i.immediate, ~std::uint64_t{1});
    // lock xor %ecx, (%rax)
    i = decoded({0xF0, 0x31, 0x08}, CodeSize::bits64);
    EXPECT_EQ(i.operation, Arithmetic::xor_);
    EXPECT_EQ(i.source_register, 1);
    // xchg %r10d, 0x300(%rax)
    i = decoded({0x44, 0x87, 0x90, 0x00, 0x03, 0, 0}, CodeSize::bits64);
    EXPECT_EQ(i.kind, StoreKind::exchange);
    EXPECT_EQ(i.source_register, 10);
    for (unsigned operation{0}; operation < 7; ++operation) {
        const auto opcode{static_cast<std::uint8_t>(operation * 8 + 1)};
        EXPECT_EQ(decoded({opcode, 0x08}, CodeSize::bits32).operation, static_cast<Arithmetic>(operation));
    }
}

TEST(StoreInstruction, Strings) {
    auto i{decoded({0xF3, 0xAB}, CodeSize::bits64)};
    EXPECT_EQ(i.kind, StoreKind::string_fill);
    EXPECT_TRUE(i.repeated);
    EXPECT_EQ(i.bytes, 4);
    EXPECT_EQ(i.address_size, AddressSize::bits64);
    i = decoded({0x64, 0x67, 0x48, 0xA5}, CodeSize::bits64);
    EXPECT_EQ(i.kind, StoreKind::string_copy);
    EXPECT_EQ(i.bytes, 8);
    EXPECT_EQ(i.address_size, AddressSize::bits32);
    EXPECT_EQ(i.source_segment, Segment::fs);
    EXPECT_FALSE(i.repeated);
    // 64-bit mode knows no ES override.
    EXPECT_EQ(decoded({0x26, 0xA4}, CodeSize::bits64).source_segment, Segment::ds);
    EXPECT_EQ(decoded({0x26, 0xA4}, CodeSize::bits32).source_segment, Segment::es);
    EXPECT_EQ(decoded({0xAB}, CodeSize::bits16).bytes, 2);
}

// A REX prefix that another prefix follows is as if it were not there (SDM Vol. 2A, 2.2.1).
TEST(StoreInstruction, RexCountsOnlyInFrontOfTheOpcode) {
    EXPECT_EQ(decoded({0x48, 0x66, 0x89, 0x00}, CodeSize::bits64).bytes, 2);
    EXPECT_EQ(decoded({0x66, 0x48, 0x89, 0x00}, CodeSize::bits64).bytes, 8);
}

TEST(StoreInstruction, OthersAreUnknown) {
    expect_unknown({0x89, 0xC0}, CodeSize::bits64);             // mov %eax, %eax: no memory
    expect_unknown({0x8B, 0x00}, CodeSize::bits64);             // mov (%rax), %eax: a load
    expect_unknown({0x39, 0x00}, CodeSize::bits64);             // cmp
    expect_unknown({0x83, 0x38, 0x00}, CodeSize::bits64);       // cmp $0, (%rax)
    expect_unknown({0xC7, 0x08, 0, 0, 0, 0}, CodeSize::bits64); // C7 /1
    expect_unknown({0x0F, 0x29, 0x00}, CodeSize::bits64);       // movaps
    expect_unknown({0xFF, 0x30}, CodeSize::bits64);             // push (%rax)
    expect_unknown({0x48, 0x90}, CodeSize::bits32);             // dec %eax; no REX here
    const Bytes prefixes(20, 0x66);
    const auto endless{decode_store(prefixes, CodeSize::bits64)};
    ASSERT_FALSE(endless.ok());
    EXPECT_EQ(endless.error(), StoreError::too_short);
}

// The processor that runs this test is the judge.
template <typename Operand>
[[nodiscard]] ArithmeticResult on_this_processor(Arithmetic operation, Operand a, Operand b, bool carry) {
    std::uint64_t flags{0};
    std::uint8_t set{static_cast<std::uint8_t>(carry ? 1 : 0)};
#define SHADOWTUNE_RUN(name)                                                                                 \
    asm volatile("add $0xff, %b2\n\t" name " %3, %0\n\tpushfq\n\tpop %1"                                     \
                 : "+&r"(a), "=&r"(flags), "+&q"(set)                                                        \
                 : "r"(b)                                                                                    \
                 : "cc")
    switch (operation) {
    case Arithmetic::add: SHADOWTUNE_RUN("add"); break;
    case Arithmetic::or_: SHADOWTUNE_RUN("or"); break;
    case Arithmetic::adc: SHADOWTUNE_RUN("adc"); break;
    case Arithmetic::sbb: SHADOWTUNE_RUN("sbb"); break;
    case Arithmetic::and_: SHADOWTUNE_RUN("and"); break;
    case Arithmetic::sub: SHADOWTUNE_RUN("sub"); break;
    case Arithmetic::xor_: SHADOWTUNE_RUN("xor"); break;
    }
#undef SHADOWTUNE_RUN
    return {a, flags & status_flags_mask};
}

template <typename Operand>
void compare_with_this_processor() {
    std::mt19937_64 random{sizeof(Operand)};
    const Operand edges[]{0,
                          1,
                          static_cast<Operand>(~Operand{0}),
                          static_cast<Operand>(Operand{1} << (8 * sizeof(Operand) - 1)),
                          static_cast<Operand>(~Operand{0} >> 1),
                          0x0F,
                          0x10};
    const auto pick{[&] {
        const std::uint64_t n{random()};
        return n % 3 == 0 ? edges[n / 3 % std::size(edges)] : static_cast<Operand>(random());
    }};
    for (unsigned i{0}; i < 20'000; ++i) {
        const auto operation{static_cast<Arithmetic>(random() % 7)};
        const Operand a{pick()}, b{pick()};
        const bool carry{random() % 2 == 0};
        const ArithmeticResult expected{on_this_processor(operation, a, b, carry)};
        const ArithmeticResult got{compute(operation, a, b, sizeof(Operand), carry)};
        ASSERT_EQ(got.value, expected.value) << static_cast<int>(operation);
        // AF is undefined after the logical ones.
        constexpr std::uint64_t af{1U << 4};
        const bool logical{operation == Arithmetic::or_ || operation == Arithmetic::and_ ||
                           operation == Arithmetic::xor_};
        const std::uint64_t defined{status_flags_mask & ~(logical ? af : 0)};
        ASSERT_EQ(got.status_flags & defined, expected.status_flags & defined)
            << static_cast<int>(operation) << " " << std::uint64_t{a} << " " << std::uint64_t{b};
    }
}

TEST(StoreInstruction, ArithmeticIsTheProcessors) {
    compare_with_this_processor<std::uint8_t>();
    compare_with_this_processor<std::uint16_t>();
    compare_with_this_processor<std::uint32_t>();
    compare_with_this_processor<std::uint64_t>();
}

} // namespace
} // namespace shadowtune::nested
