#include "hypervisor/nested/ept02.hpp"
#include "tests/vmm/pages.hpp"

#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

namespace shadowtune::nested {
namespace {

constexpr std::uint64_t two_mib{std::uint64_t{1} << 21};

// Takes note of what INVEPT was asked for.
struct Invalidations {
    void invalidate(vmx::InvalidateEpt, std::uint64_t eptp) { dropped.insert(eptp); }
    std::set<std::uint64_t> dropped{};
};

class Ept02Test : public ::testing::Test {
protected:
    using Tables = BasicEpt02<Invalidations>;

    void start(std::size_t pages) {
        pool = std::make_unique<testing::Pages>(pages);
        tables->start(pool->begin(), pages);
    }
    // L1's EPT maps `guest_physical` to `address`, both of 4 KiB.
    [[nodiscard]] bool map(std::uint64_t eptp12, std::uint64_t guest_physical, std::uint64_t address) {
        EptWalk walk{};
        walk.outcome = EptOutcome::ok;
        walk.address = address;
        walk.page_shift = 12;
        walk.readable = walk.writable = walk.executable = walk.dirty = true;
        walk.memory_type = 6;
        return tables->map(hardware, l1, eptp12, guest_physical, walk);
    }
    // What the processor finds: SDM Vol. 3C, 29.3.2.
    [[nodiscard]] std::optional<std::uint64_t> walk(std::uint64_t eptp02,
                                                    std::uint64_t guest_physical) const {
        constexpr std::uint64_t address_bits{0x000F'FFFF'FFFF'F000}, present{7};
        std::uint64_t table{eptp02 & address_bits};
        for (unsigned shift{39};; shift -= 9) {
            EXPECT_GE(table, pool->begin());
            EXPECT_LT(table, pool->end());
            const std::uint64_t entry{
                memory::at_physical<std::uint64_t>(table)[guest_physical >> shift & 511]};
            if ((entry & present) == 0) return std::nullopt;
            if (shift == 12) return entry & address_bits;
            table = entry & address_bits;
        }
    }

    static constexpr memory::MemoryRange hidden{0x1000'0000, 0x1020'0000};
    memory::L1Memory l1{memory::L0Memory{hidden, hidden}, hidden.begin, std::uint64_t{1} << 32};
    std::unique_ptr<testing::Pages> pool{};
    std::unique_ptr<Tables> tables{std::make_unique<Tables>()};
    Invalidations hardware{};
};

[[nodiscard]] std::uint64_t eptp_number(std::uint64_t i) {
    constexpr std::uint64_t write_back_four_levels{0x1E};
    return (i + 1) << 12 | write_back_four_levels;
}

TEST_F(Ept02Test, ManyEptpsKeepTheirTables) {
    constexpr std::uint64_t count{1000};
    start(4 * count);
    std::map<std::uint64_t, std::uint64_t> pointers{};
    for (std::uint64_t i{0}; i < count; ++i) {
        pointers[i] = tables->pointer_for(hardware, eptp_number(i));
        ASSERT_TRUE(map(eptp_number(i), two_mib, i << 12));
    }
    for (std::uint64_t i{0}; i < count; ++i) {
        ASSERT_EQ(tables->pointer_for(hardware, eptp_number(i)), pointers[i]);
        ASSERT_EQ(walk(pointers[i], two_mib), i << 12);
    }
    EXPECT_EQ(tables->drops(), 0U);
    EXPECT_TRUE(hardware.dropped.empty());
}

TEST_F(Ept02Test, TheOneUsedLongestAgoIsGivenUpForItsPages) {
    start(12); // three EPTPs of four pages each
    for (std::uint64_t i{0}; i < 3; ++i)
        ASSERT_TRUE(map(eptp_number(i), 0, i << 12));
    const std::uint64_t first{tables->pointer_for(hardware, eptp_number(0))};
    const std::uint64_t second{tables->pointer_for(hardware, eptp_number(1))};
    ASSERT_EQ(tables->pointer_for(hardware, eptp_number(0)), first); // so that the third is the oldest
    const std::uint64_t third_root{eptp_number(2)};
    ASSERT_TRUE(map(eptp_number(3), 0, 0x9000));
    EXPECT_EQ(tables->drops(), 1U);
    EXPECT_EQ(hardware.dropped.size(), 1U);
    EXPECT_EQ(tables->pointer_for(hardware, eptp_number(0)), first);
    EXPECT_EQ(tables->pointer_for(hardware, eptp_number(1)), second);
    EXPECT_EQ(walk(first, 0), 0U);
    EXPECT_EQ(walk(tables->pointer_for(hardware, third_root), 0), std::nullopt);
}

TEST_F(Ept02Test, OneThatTakesAllPagesIsBegunAnew) {
    start(8);
    std::uint64_t mapped{0};
    while (map(eptp_number(0), mapped * two_mib, mapped << 12))
        ASSERT_LT(++mapped, 8U);
    EXPECT_EQ(mapped, 5U); // a table each, and three above them
    EXPECT_EQ(tables->drops(), 1U);
    EXPECT_EQ(walk(tables->pointer_for(hardware, eptp_number(0)), 0), std::nullopt);
    EXPECT_TRUE(map(eptp_number(0), 0, 0x5000));
}

TEST_F(Ept02Test, InveptGoesByTheAddressAlone) {
    constexpr std::uint64_t accessed_dirty{0x40};
    start(12);
    ASSERT_TRUE(map(eptp_number(0), 0, 0x1000));
    ASSERT_TRUE(map(eptp_number(0) | accessed_dirty, 0, 0x1000));
    ASSERT_TRUE(map(eptp_number(1), 0, 0x2000));
    tables->forget(hardware, eptp_number(0));
    EXPECT_EQ(tables->drops(), 2U);
    EXPECT_EQ(walk(tables->pointer_for(hardware, eptp_number(1)), 0), 0x2000U);
}

// Random work beside a model that only remembers: what the processor finds is what was mapped since the
// tables were dropped last, and nothing that was forgotten.
class RandomEpt02 : public Ept02Test, public ::testing::WithParamInterface<unsigned> {};

TEST_P(RandomEpt02, FindsWhatWasMapped) {
    std::mt19937_64 random{GetParam()};
    const std::uint64_t eptps{2 + random() % 40};
    start(8 + random() % 150);
    std::map<std::uint64_t, std::pair<std::uint64_t, std::map<std::uint64_t, std::uint64_t>>> model{};
    const auto forget_dropped{[&] {
        std::erase_if(model,
                      [&](const auto& known) { return hardware.dropped.contains(known.second.first); });
    }};
    for (unsigned step{0}; step < 20'000; ++step) {
        const std::uint64_t eptp12{eptp_number(random() % eptps)};
        hardware.dropped.clear();
        const std::uint64_t kind{random() % 100};
        if (kind == 0) {
            tables->forget_all(hardware);
        } else if (kind < 3) {
            tables->forget(hardware, eptp12);
        } else if (kind < 50) {
            const std::uint64_t page{random() % 4 * two_mib + random() % 3 * 0x1000};
            const std::uint64_t address{random() % 1000 << 12};
            const bool done{map(eptp12, page, address)};
            forget_dropped();
            if (!done) continue;
            auto& [pointer, pages]{model[eptp12]};
            pointer = tables->pointer_for(hardware, eptp12);
            pages[page] = address;
            continue;
        }
        forget_dropped();
        const auto known{model.find(eptp12)};
        if (known == model.end()) continue;
        ASSERT_EQ(tables->pointer_for(hardware, eptp12), known->second.first);
        for (const auto& [page, address] : known->second.second)
            ASSERT_EQ(walk(known->second.first, page), address);
    }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomEpt02, ::testing::Range(0U, 20U));

} // namespace
} // namespace shadowtune::nested
