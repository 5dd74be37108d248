#include "vmcs/catalogue.hpp"

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

namespace shadowtune::vmcs {
namespace {

// The numbers as the SDM prints them, not as width, type and index compute them.
struct PrintedField {
    const char* symbol;
    Encoding encoding;
    Width width;
};

constexpr PrintedField printed[]{
#define SHADOWTUNE_FIELD(symbol, encoding, name, width, type, index, capability, shadowing)                  \
    {#symbol, encoding, Width::width},
#include "vmcs/fields.def"
#undef SHADOWTUNE_FIELD
};

// What each operand below 2^15 must find: full fields and the high halves of 64-bit fields, nothing else.
[[nodiscard]] std::map<std::uint64_t, FieldIndex> expected_operands() {
    std::map<std::uint64_t, FieldIndex> expected;
    FieldIndex index{0};
    for (const auto& field : printed) {
        expected[field.encoding] = index;
        if (field.width == Width::bits64) expected[field.encoding | 1U] = index;
        ++index;
    }
    return expected;
}

TEST(Catalogue, EachPrintedEncodingFindsItsOwnField) {
    ASSERT_EQ(std::size(printed), 206U);
    for (FieldIndex i{0}; i < field_count; ++i) {
        EXPECT_EQ(find(printed[i].encoding), i) << printed[i].symbol;
        EXPECT_EQ(catalogue[i].encoding, printed[i].encoding);
        EXPECT_EQ(catalogue[i].symbol, printed[i].symbol);
    }
}

TEST(Catalogue, HasSeventyEightHighHalvesThatFindTheirFullField) {
    std::size_t count{0};
    for (FieldIndex i{0}; i < field_count; ++i) {
        const bool wide{printed[i].width == Width::bits64};
        count += wide ? 1U : 0U;
        EXPECT_EQ(catalogue[i].has_high_half(), wide) << printed[i].symbol;
        EXPECT_EQ(find(printed[i].encoding | 1U), wide ? i : no_field) << printed[i].symbol;
    }
    EXPECT_EQ(count, 78U);
    EXPECT_EQ(high_half_count, count);
}

TEST(Catalogue, NothingElseBelowTwoToTheFifteenthIsFound) {
    const auto expected{expected_operands()};
    EXPECT_EQ(expected.size(), 206U + 78U);
    for (std::uint64_t operand{0}; operand < encodings_in_bitmap; ++operand) {
        const auto known{expected.find(operand)};
        ASSERT_EQ(find(operand), known == expected.end() ? no_field : known->second) << std::hex << operand;
    }
}

TEST(Catalogue, OperandsWithReservedBitsFindNothing) {
    for (const auto& [operand, index] : expected_operands()) {
        for (unsigned bit{15}; bit < 64; ++bit) {
            EXPECT_EQ(find(operand | std::uint64_t{1} << bit), no_field)
                << std::hex << operand << " bit " << bit;
        }
        EXPECT_EQ(find(operand | 0x1000U), no_field) << std::hex << operand << " belongs to " << index;
    }
    for (std::uint64_t operand{0x8000}; operand < 0x20000; ++operand)
        ASSERT_EQ(find(operand), no_field);
    EXPECT_EQ(find(~std::uint64_t{0}), no_field);
}

TEST(Catalogue, EncodingsTakeApartAsTheyWerePutTogether) {
    for (const auto& field : catalogue) {
        EXPECT_EQ(encode(width_of(field.encoding), type_of(field.encoding), index_of(field.encoding)),
                  field.encoding);
        EXPECT_EQ(width_of(field.encoding), field.width) << field.symbol;
        EXPECT_EQ(type_of(field.encoding), field.type) << field.symbol;
        EXPECT_FALSE(is_high_half(field.encoding)) << field.symbol;
        EXPECT_EQ(full_field(static_cast<Encoding>(field.encoding | 1U)), field.encoding) << field.symbol;
    }
}

TEST(Catalogue, SymbolsAreUniqueAndFound) {
    std::set<std::string> symbols, names;
    for (FieldIndex i{0}; i < field_count; ++i) {
        EXPECT_TRUE(symbols.insert(std::string{catalogue[i].symbol}).second) << catalogue[i].symbol;
        EXPECT_TRUE(names.insert(std::string{catalogue[i].name}).second) << catalogue[i].name;
        EXPECT_EQ(find_symbol(catalogue[i].symbol), i);
    }
    EXPECT_EQ(find_symbol("guest_ri"), no_field);
    EXPECT_EQ(find_symbol(""), no_field);
}

TEST(Catalogue, ARuleThatForbidsSaysWhy) {
    for (const auto& field : catalogue) {
        const bool free{may_shadow_read(field.shadowing) && may_shadow_write(field.shadowing)};
        EXPECT_EQ(reason(field.shadowing).empty(), free) << field.symbol;
        // What may be written without an exit may be read without one: profiles need W to be a subset of R.
        EXPECT_TRUE(may_shadow_read(field.shadowing) || !may_shadow_write(field.shadowing)) << field.symbol;
    }
    EXPECT_EQ(info(Field::vm_instruction_error).shadowing, Shadowing::never_vmx_instruction);
}

TEST(Catalogue, ValuesHaveTheBitsOfTheirWidth) {
    EXPECT_EQ(value_mask(Width::bits16), 0xFFFFU);
    EXPECT_EQ(value_mask(Width::bits32), 0xFFFF'FFFFU);
    EXPECT_EQ(value_mask(Width::bits64), ~std::uint64_t{0});
    EXPECT_EQ(value_mask(Width::natural), ~std::uint64_t{0});
}

} // namespace
} // namespace shadowtune::vmcs
