#include "tests/vmcs/sets.hpp"
#include "vmcs/bitmap_check.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace shadowtune::vmcs {
namespace {

// A pair of pages as a file would hold them: bytes that anybody may have changed.
class Pages : public ::testing::Test {
protected:
    Pages() {
        m_target.vmwrite_any_field = true;
        take(everything_allowed(m_target));
    }

    void take(const ShadowSets& sets) {
        BitmapPage page{};
        page.assign(sets.read);
        m_read.assign(page.data(), page.data() + BitmapPage::size);
        page.assign(sets.write);
        m_write.assign(page.data(), page.data() + BitmapPage::size);
    }
    static void pass(std::vector<std::uint8_t>& page, std::uint32_t encoding) {
        page[encoding / 8] = static_cast<std::uint8_t>(page[encoding / 8] & ~(1U << (encoding % 8)));
    }
    static void trap(std::vector<std::uint8_t>& page, std::uint32_t encoding) {
        page[encoding / 8] = static_cast<std::uint8_t>(page[encoding / 8] | (1U << (encoding % 8)));
    }
    [[nodiscard]] Result<ShadowSets, ProfileError> checked() const {
        return validate_pages(BitmapBytes{m_read}, BitmapBytes{m_write}, m_target);
    }
    void expect_broken(ProfileRule rule, FieldIndex field, Encoding encoding) const {
        const auto result{checked()};
        ASSERT_FALSE(result.ok()) << describe(rule);
        EXPECT_EQ(result.error().rule, rule) << describe(result.error().rule);
        EXPECT_EQ(result.error().field, field);
        EXPECT_EQ(result.error().encoding, encoding);
    }

    ProfileTarget m_target{testing::all_fields(), true};
    std::vector<std::uint8_t> m_read;
    std::vector<std::uint8_t> m_write;
};

TEST_F(Pages, WhatTheVmmBuildsComesBack) {
    const ShadowSets most{everything_allowed(m_target)};
    std::mt19937_64 random{7};
    for (unsigned round{0}; round < 100; ++round) {
        const FieldSet read{most.read & testing::random_fields(random, 1 + round % 5)};
        const ShadowSets sets{read, read & most.write & testing::random_fields(random, 2)};
        take(sets);
        const auto back{checked()};
        ASSERT_TRUE(back.ok()) << describe(back.error().rule);
        ASSERT_EQ(back.value(), sets);
    }
}

TEST_F(Pages, EveryHighHalfIsAsItsField) {
    for (FieldIndex i{0}; i < field_count; ++i) {
        const FieldInfo& field{catalogue[i]};
        if (!field.has_high_half()) continue;
        for (const bool high : {false, true}) {
            trap(m_read, field.encoding | (high ? 1U : 0U));
            expect_broken(ProfileRule::high_half_differs, i, field.encoding);
            pass(m_read, field.encoding | (high ? 1U : 0U));
        }
    }
    EXPECT_TRUE(checked().ok());
}

TEST_F(Pages, EveryEncodingWithoutAFieldTraps) {
    for (std::uint32_t encoding{0}; encoding < encodings_in_bitmap; ++encoding) {
        if (find(encoding) != no_field) continue;
        auto& page{encoding % 2 == 0 ? m_read : m_write};
        pass(page, encoding);
        expect_broken(ProfileRule::unknown_encoding_passed, no_field, static_cast<Encoding>(encoding));
        trap(page, encoding);
    }
    EXPECT_TRUE(checked().ok());
}

TEST_F(Pages, TheRulesOfSetsHoldForPagesToo) {
    const auto index{[](Field field) { return index_of(field); }};
    pass(m_read, encoding_of(Field::vm_instruction_error));
    expect_broken(ProfileRule::never_shadowed, index(Field::vm_instruction_error),
                  encoding_of(Field::vm_instruction_error));
    trap(m_read, encoding_of(Field::vm_instruction_error));

    trap(m_read, encoding_of(Field::guest_rip));
    expect_broken(ProfileRule::write_without_read, index(Field::guest_rip), encoding_of(Field::guest_rip));
    pass(m_read, encoding_of(Field::guest_rip));

    m_target.offered.clear(Field::guest_cr3);
    expect_broken(ProfileRule::field_not_offered, index(Field::guest_cr3), encoding_of(Field::guest_cr3));
    m_target.offered.set(Field::guest_cr3);

    m_target.vmwrite_any_field = false;
    const auto result{checked()};
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().rule, ProfileRule::read_only_data_written);
}

} // namespace
} // namespace shadowtune::vmcs
