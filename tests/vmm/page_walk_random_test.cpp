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

// Mostly present, mostly leading to one of the tables; a large page may lie anywhere.
[[nodiscard]] std::uint64_t random_entry(std::mt19937_64& random) {
    std::uint64_t entry{random() & 0xFFF0'0000'0000'0E7FU}; // XD, ignored bits, rights, flags
    entry |= random() % 16 != 0 ? 1U : 0U;
    entry |= random() % 4 != 0 ? 6U : 0U; // permissive often enough to get through
    if (random() % 4 == 0) return (entry & ~std::uint64_t{1}) | (random() & 0x000F'FFFF'FFFF'F000) | 0x81U;
    return entry | random() % table_pages << 12;
}

[[nodiscard]] TableMemory random_tables(std::mt19937_64& random, bool wide) {
    TableMemory tables{tables_size};
    for (std::uint64_t at{0}; at < tables_size; at += wide ? 8 : 4) {
        if (wide) {
            tables.write64(at, random_entry(random));
        } else {
            tables.write32(at, static_cast<std::uint32_t>(random_entry(random)));
        }
    }
    return tables;
}

enum class Mode { bits32, pae, four_level };

[[nodiscard]] PagingState random_state(std::mt19937_64& random, Mode mode) {
    PagingState state{};
    state.cr0 = 0x8000'0001U | (random() & 1U << 16);
    state.cr3 = random() % table_pages << 12 | (random() & 0x18);
    state.cr4 = random() & (1U << 4 | 1U << 21);
    if (mode != Mode::bits32) state.cr4 |= 1U << 5;
    if (mode == Mode::four_level) state.efer = 0x500;
    state.rflags = 2U | (random() & 1U << 18);
    for (auto& pdpte : state.pdpte)
        pdpte = random() % table_pages << 12 | (random() % 8 != 0 ? 1U : 0U);
    return state;
}

struct Tally {
    unsigned translated{0}, absent{0}, denied{0};
};

void compare(Mode mode, std::uint64_t seed, Tally& tally) {
    std::mt19937_64 random{seed};
    TableMemory tables{random_tables(random, mode != Mode::bits32)};
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
        ++(real.present ? tally.translated : (real.error_code & 1U) != 0 ? tally.denied : tally.absent);
        // Flags accumulate: fresh tables now and then.
        if (round % 500 == 499) tables = random_tables(random, mode != Mode::bits32);
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
