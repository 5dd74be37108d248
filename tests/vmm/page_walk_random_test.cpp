// The page walk against the model, on tables of random entries.

#include "tests/vmm/page_walk_model.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace shadowtune {
namespace {

using memory::LinearTranslation;
using memory::PagingState;
using testing::TableMemory;

constexpr std::size_t table_pages{16};
constexpr std::size_t tables_size{table_pages * 4096};

enum class Mode { bits32, pae, four_level };

// Mostly present, mostly leading to one of the tables; a large page may lie anywhere. Now and then any bit.
[[nodiscard]] std::uint64_t random_entry(std::mt19937_64& random, Mode mode) {
    std::uint64_t entry{random() & 0xE7F}; // rights, flags, ignored bits
    if (mode == Mode::four_level) entry |= random() & 0x7FF0'0000'0000'0000;
    entry |= random() % 16 != 0 ? 1U : 0U;
    entry |= random() % 4 != 0 ? 6U : 0U; // permissive often enough to get through
    if (random() % 16 == 0) entry |= std::uint64_t{1} << random() % 64;
    if (random() % 4 != 0) return entry | random() % table_pages << 12;
    const std::uint64_t anywhere{random() & 0x000F'FFFF'FFFF'F000};
    // As large pages must lie, 2 MiB or 1 GiB, mostly.
    const std::uint64_t aligned{anywhere & (random() % 2 == 0 ? 0xF'FFE0'1000U : 0xF'C000'1000U)};
    return (entry & ~std::uint64_t{1}) | (random() % 8 == 0 ? anywhere : aligned) | 0x81U;
}

[[nodiscard]] TableMemory random_tables(std::mt19937_64& random, Mode mode) {
    const bool wide{mode != Mode::bits32};
    TableMemory tables{tables_size};
    for (std::uint64_t at{0}; at < tables_size; at += wide ? 8 : 4) {
        if (wide) {
            tables.write64(at, random_entry(random, mode));
        } else {
            tables.write32(at, static_cast<std::uint32_t>(random_entry(random, mode)));
        }
    }
    return tables;
}

[[nodiscard]] PagingState random_state(std::mt19937_64& random, Mode mode) {
    PagingState state{};
    state.cr0 = 0x8000'0001U | (random() & 1U << 16);
    state.cr3 = random() % table_pages << 12 | (random() & 0x18);
    state.cr4 = random() & (1U << 4 | 1U << 21 | 1U << 22 | 1U << 24);
    if (mode != Mode::bits32) state.cr4 |= 1U << 5;
    if (mode == Mode::four_level) state.efer = 0x500;
    if (random() % 8 != 0) state.efer |= 0x800;
    state.rflags = 2U | (random() & 1U << 18);
    for (auto& pdpte : state.pdpte)
        pdpte = random() % table_pages << 12 | (random() % 8 != 0 ? 1U : 0U);
    constexpr unsigned widths[]{36, 39, 40, 46, 52};
    state.physical_address_bits = widths[random() % 5];
    state.has_1gib_pages = random() % 2 == 0;
    // Few keys that deny.
    state.pkru = static_cast<std::uint32_t>(random() & random() & random());
    state.pkrs = static_cast<std::uint32_t>(random() & random() & random());
    return state;
}

struct Tally {
    unsigned translated{0}, absent{0}, denied{0}, reserved{0}, denied_by_key{0};

    void count(const LinearTranslation& real) {
        if (real.present) {
            ++translated;
        } else if ((real.error_code & 1U << 3) != 0) {
            ++reserved;
        } else if ((real.error_code & 1U << 5) != 0) {
            ++denied_by_key;
        } else {
            ++((real.error_code & 1U) != 0 ? denied : absent);
        }
    }
};

void compare(Mode mode, std::uint64_t seed, Tally& tally) {
    std::mt19937_64 random{seed};
    TableMemory tables{random_tables(random, mode)};
    for (unsigned round{0}; round < 4000; ++round) {
        const PagingState state{random_state(random, mode)};
        const std::uint64_t linear{random()};
        const bool write{random() % 2 == 0};
        TableMemory model_tables{tables};
        const LinearTranslation expected{testing::model_translate(model_tables, state, linear, write)};
        const LinearTranslation real{memory::translate(tables, state, linear, write)};
        ASSERT_EQ(real.present, expected.present) << "seed " << seed << " round " << round;
        ASSERT_EQ(real.physical, expected.physical) << "seed " << seed << " round " << round;
        ASSERT_EQ(real.error_code, expected.error_code) << "seed " << seed << " round " << round;
        // Accessed and dirty flags, and that nothing else was touched.
        ASSERT_TRUE(tables == model_tables) << "seed " << seed << " round " << round;
        tally.count(real);
        // Flags accumulate: fresh tables now and then.
        if (round % 500 == 499) tables = random_tables(random, mode);
    }
}

class RandomTables : public ::testing::TestWithParam<Mode> {};

TEST_P(RandomTables, TranslateAsTheModel) {
    Tally tally{};
    for (std::uint64_t seed{1}; seed <= 10; ++seed)
        compare(GetParam(), seed, tally);
    // Each outcome was really compared.
    EXPECT_GT(tally.translated, 1000U);
    EXPECT_GT(tally.absent, 1000U);
    EXPECT_GT(tally.denied, 1000U);
    EXPECT_GT(tally.reserved, 100U);
    EXPECT_EQ(tally.denied_by_key > 1000, GetParam() == Mode::four_level);
}

[[nodiscard]] std::string mode_name(const ::testing::TestParamInfo<Mode>& tested) {
    switch (tested.param) {
    case Mode::bits32: return "Bits32";
    case Mode::pae: return "Pae";
    case Mode::four_level: break;
    }
    return "FourLevel";
}

INSTANTIATE_TEST_SUITE_P(PageWalk, RandomTables, ::testing::Values(Mode::bits32, Mode::pae, Mode::four_level),
                         mode_name);

} // namespace
} // namespace shadowtune
