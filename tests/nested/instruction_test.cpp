#include "hypervisor/nested/instruction.hpp"

#include <gtest/gtest.h>
#include <random>

namespace {

using namespace shadowtune::nested;

// Builds instruction information from the SDM's table, apart from the decoder's own shifts.
struct Information {
    unsigned scaling{0};
    unsigned reg1{0};
    unsigned address_size{2};
    bool is_register{false};
    unsigned segment{3};
    unsigned index{0};
    bool no_index{true};
    unsigned base{0};
    bool no_base{true};
    unsigned reg2{0};

    [[nodiscard]] std::uint32_t word() const {
        return static_cast<std::uint32_t>(scaling + reg1 * 0x8U + address_size * 0x80U +
                                          (is_register ? 0x400U : 0U) + segment * 0x8000U + index * 0x40000U +
                                          (no_index ? 0x400000U : 0U) + base * 0x800000U +
                                          (no_base ? 0x8000000U : 0U) + reg2 * 0x10000000U);
    }
};

constexpr SegmentRegister flat_data{0, 0xFFFFFFFF, 0xC093};

AddressContext context_of(OperatingMode mode) {
    AddressContext context{};
    context.mode = mode;
    for (auto& segment : context.segments)
        segment = flat_data;
    return context;
}

SegmentRegister& segment_of(AddressContext& context, Segment segment) {
    return context.segments[static_cast<unsigned>(segment)];
}

TEST(Decode, RegisterFormOfVmreadNamesBothRegisters) {
    for (unsigned reg1{0}; reg1 < 16; ++reg1) {
        for (unsigned reg2{0}; reg2 < 16; ++reg2) {
            Information information{};
            information.is_register = true;
            information.reg1 = reg1;
            information.reg2 = reg2;
            // Undefined in register form, so whatever stands there must not matter.
            information.segment = 7;
            information.address_size = 7;
            const Decoded decoded{decode_vmread_vmwrite(information.word())};
            ASSERT_TRUE(decoded.ok());
            EXPECT_FALSE(decoded.value().is_memory);
            EXPECT_EQ(decoded.value().operand_register, reg1);
            EXPECT_EQ(decoded.value().second_register, reg2);
        }
    }
}

TEST(Decode, EveryMemoryFormComesBackFieldByField) {
    for (unsigned i{0}; i < 3U * 6 * 4 * 16 * 16 * 4; ++i) {
        unsigned rest{i};
        const auto take{[&rest](unsigned count) {
            const unsigned value{rest % count};
            rest /= count;
            return value;
        }};
        Information information{};
        information.address_size = take(3);
        information.segment = take(6);
        information.scaling = take(4);
        information.index = take(16);
        information.base = take(16);
        information.no_index = take(2) != 0;
        information.no_base = take(2) != 0;
        information.reg2 = information.base ^ 5U;
        const Decoded decoded{decode_vmread_vmwrite(information.word())};
        ASSERT_TRUE(decoded.ok());
        const DecodedOperands& operands{decoded.value()};
        ASSERT_TRUE(operands.is_memory);
        ASSERT_EQ(static_cast<unsigned>(operands.address_size), information.address_size);
        ASSERT_EQ(static_cast<unsigned>(operands.segment), information.segment);
        ASSERT_EQ(operands.has_index, !information.no_index);
        ASSERT_EQ(operands.has_base, !information.no_base);
        ASSERT_EQ(operands.second_register, information.reg2);
        if (operands.has_index) {
            ASSERT_EQ(operands.index_register, information.index);
            ASSERT_EQ(operands.scaling, information.scaling);
        }
        if (operands.has_base) {
            ASSERT_EQ(operands.base_register, information.base);
        }
        ASSERT_EQ(decode_invalidation(information.word()).value().second_register, information.reg2);
        ASSERT_EQ(decode_memory_operand(information.word()).value().has_base, operands.has_base);
    }
}

TEST(Decode, WhatNoProcessorGivesIsAnError) {
    Information information{};
    information.address_size = 3;
    EXPECT_EQ(decode_vmread_vmwrite(information.word()).error(), DecodeError::address_size);
    information = {};
    information.segment = 6;
    EXPECT_EQ(decode_memory_operand(information.word()).error(), DecodeError::segment);
    information = {};
    information.is_register = true;
    EXPECT_EQ(decode_memory_operand(information.word()).error(), DecodeError::register_form);
    EXPECT_EQ(decode_invalidation(information.word()).error(), DecodeError::register_form);
    for (const DecodeError error :
         {DecodeError::address_size, DecodeError::register_form, DecodeError::segment}) {
        EXPECT_FALSE(describe(error).empty());
    }
}

// base + (index << scaling) + displacement, cut to the address size, against 128-bit arithmetic.
TEST(EffectiveAddress, SumIsCutToTheAddressSize) {
    std::mt19937_64 random{1};
    for (unsigned i{0}; i < 20000; ++i) {
        AddressContext context{context_of(OperatingMode::long64)};
        for (auto& value : context.general_registers)
            value = random() >> (random() % 60);
        DecodedOperands operands{};
        operands.is_memory = true;
        operands.has_base = (random() & 1U) != 0;
        operands.has_index = (random() & 1U) != 0;
        operands.base_register = random() & 15U;
        operands.index_register = random() & 15U;
        operands.scaling = random() & 3U;
        operands.address_size = static_cast<AddressSize>(random() % 3);
        operands.segment = static_cast<Segment>(random() % 6);
        segment_of(context, Segment::fs).base = random() >> 20;
        segment_of(context, Segment::gs).base = random() >> 20;
        segment_of(context, Segment::es).base = random();
        const std::uint64_t displacement{random() >> (random() % 60)};

        __extension__ using Wide = unsigned __int128;
        Wide sum{displacement};
        if (operands.has_base) sum += context.general_registers[operands.base_register];
        if (operands.has_index) {
            const Wide factor{static_cast<Wide>(1U << operands.scaling)};
            sum += context.general_registers[operands.index_register] * factor;
        }
        const unsigned width{16U << static_cast<unsigned>(operands.address_size)};
        auto linear{static_cast<std::uint64_t>(sum % (static_cast<Wide>(1) << width))};
        if (operands.segment == Segment::fs) linear += segment_of(context, Segment::fs).base;
        if (operands.segment == Segment::gs) linear += segment_of(context, Segment::gs).base;

        const auto result{effective_address(operands, displacement, context, MemoryAccess::read, 8)};
        const auto top{static_cast<std::int64_t>(linear) >> 47};
        const auto last_top{static_cast<std::int64_t>(linear + 7) >> 47};
        const bool canonical{(top == 0 || top == -1) && (last_top == 0 || last_top == -1)};
        ASSERT_EQ(result.ok(), canonical) << std::hex << linear;
        if (result.ok()) {
            ASSERT_EQ(result.value(), linear);
        } else {
            ASSERT_EQ(result.error(), operands.segment == Segment::ss ? AddressFault::stack_segment
                                                                      : AddressFault::general_protection);
        }
    }
}

struct AddressCase {
    const char* name;
    OperatingMode mode;
    Segment segment;
    SegmentRegister state;
    std::uint64_t offset;
    MemoryAccess access;
    unsigned bytes;
    AddressFault fault; // none: `linear` is expected
    std::uint64_t linear;
};

constexpr auto gp{AddressFault::general_protection};
constexpr auto ss_fault{AddressFault::stack_segment};
constexpr auto none{AddressFault::none};
constexpr auto read{MemoryAccess::read};
constexpr auto write{MemoryAccess::write};
constexpr auto legacy{OperatingMode::legacy};
constexpr auto long64{OperatingMode::long64};
constexpr auto real{OperatingMode::real};

// Access rights: C093H writable data, C091H read-only data, C097H expand-down, C09BH readable code, C099H
// execute-only.
constexpr AddressCase address_cases[]{
    {"flat", legacy, Segment::ds, flat_data, 0x1000, read, 8, none, 0x1000},
    {"base added", legacy, Segment::ds, {0x10000, 0xFFFF, 0x93}, 0x20, read, 4, none, 0x10020},
    {"base wraps at 4 GiB", legacy, Segment::ds, {0xFFFFF000, 0xFFFF, 0x93}, 0x1010, read, 4, none, 0x10},
    {"last byte at the limit", legacy, Segment::ds, {0, 0x1007, 0x93}, 0x1000, read, 8, none, 0x1000},
    {"last byte past the limit", legacy, Segment::ds, {0, 0x1006, 0x93}, 0x1000, read, 8, gp, 0},
    {"past the limit of SS", legacy, Segment::ss, {0, 0x1006, 0x93}, 0x1000, read, 8, ss_fault, 0},
    {"crosses 4 GiB", legacy, Segment::ds, flat_data, 0xFFFFFFFC, read, 8, gp, 0},
    {"ends at 4 GiB", legacy, Segment::ds, flat_data, 0xFFFFFFF8, read, 8, none, 0xFFFFFFF8},
    {"unusable", legacy, Segment::es, {0, 0xFFFFFFFF, 0x1C093}, 0, read, 4, gp, 0},
    {"unusable SS", legacy, Segment::ss, {0, 0xFFFFFFFF, 0x1C093}, 0, read, 4, ss_fault, 0},
    {"read of read-only data", legacy, Segment::ds, {0, 0xFFFFFFFF, 0xC091}, 0, read, 4, none, 0},
    {"write of read-only data", legacy, Segment::ds, {0, 0xFFFFFFFF, 0xC091}, 0, write, 4, gp, 0},
    {"write of writable data", legacy, Segment::ds, flat_data, 8, write, 4, none, 8},
    {"read of readable code", legacy, Segment::cs, {0, 0xFFFFFFFF, 0xC09B}, 4, read, 4, none, 4},
    {"write of readable code", legacy, Segment::cs, {0, 0xFFFFFFFF, 0xC09B}, 4, write, 4, gp, 0},
    {"read of execute-only code", legacy, Segment::cs, {0, 0xFFFFFFFF, 0xC099}, 4, read, 4, gp, 0},
    {"expand-down above the limit", legacy, Segment::ss, {0, 0xFFF, 0xC097}, 0x1000, read, 4, none, 0x1000},
    {"expand-down at the limit", legacy, Segment::ss, {0, 0xFFF, 0xC097}, 0xFFF, read, 4, ss_fault, 0},
    {"expand-down 16 bits at the top", legacy, Segment::ds, {0, 0xFFF, 0x97}, 0xFFFC, read, 4, none, 0xFFFC},
    {"expand-down 16 bits past it", legacy, Segment::ds, {0, 0xFFF, 0x97}, 0xFFFD, read, 4, gp, 0},
    {"real mode writes through CS",
     real,
     Segment::cs,
     {0xF0000, 0xFFFF, 0x9B},
     0x10,
     write,
     4,
     none,
     0xF0010},
    {"real mode limit", real, Segment::ds, {0, 0xFFFF, 0x93}, 0xFFFD, read, 4, gp, 0},
    {"64-bit ignores limit and type",
     long64,
     Segment::ds,
     {0x5000, 0, 0x10099},
     0x9000,
     write,
     8,
     none,
     0x9000},
    {"64-bit adds the base of FS", long64, Segment::fs, {0x5000, 0, 0}, 0x9000, read, 8, none, 0xE000},
    {"64-bit adds the base of GS", long64, Segment::gs, {0x5000, 0, 0}, 0x9000, read, 8, none, 0xE000},
    {"last canonical operand", long64, Segment::ds, {}, 0x7FFFFFFFFFF8, read, 8, none, 0x7FFFFFFFFFF8},
    {"crosses into the hole", long64, Segment::ds, {}, 0x7FFFFFFFFFF9, read, 8, gp, 0},
    {"in the hole", long64, Segment::ds, {}, 0x800000000000, read, 8, gp, 0},
    {"in the hole through SS", long64, Segment::ss, {}, 0x800000000000, read, 8, ss_fault, 0},
    {"first upper canonical", long64, Segment::ds, {}, 0xFFFF800000000000, read, 8, none, 0xFFFF800000000000},
};

TEST(EffectiveAddress, SegmentRules) {
    for (const AddressCase& test : address_cases) {
        SCOPED_TRACE(test.name);
        AddressContext context{context_of(test.mode)};
        segment_of(context, test.segment) = test.state;
        DecodedOperands operands{};
        operands.is_memory = true;
        operands.segment = test.segment;
        const auto result{effective_address(operands, test.offset, context, test.access, test.bytes)};
        EXPECT_EQ(result.error(), test.fault);
        EXPECT_EQ(result.ok(), test.fault == AddressFault::none);
        if (result.ok()) {
            EXPECT_EQ(result.value(), test.linear);
        }
    }
}

TEST(EffectiveAddress, FiveLevelPagingWidensTheCanonicalRange) {
    AddressContext context{context_of(OperatingMode::long64)};
    const DecodedOperands operands{};
    EXPECT_FALSE(effective_address(operands, 0x800000000000, context, MemoryAccess::read, 8).ok());
    context.linear_address_bits = 57;
    EXPECT_TRUE(effective_address(operands, 0x800000000000, context, MemoryAccess::read, 8).ok());
    EXPECT_FALSE(effective_address(operands, 0x100000000000000, context, MemoryAccess::read, 8).ok());
}

TEST(EffectiveAddress, OperandSizeFollowsTheMode) {
    EXPECT_EQ(vmread_operand_bytes(OperatingMode::long64), 8U);
    EXPECT_EQ(vmread_operand_bytes(OperatingMode::legacy), 4U);
}

} // namespace
