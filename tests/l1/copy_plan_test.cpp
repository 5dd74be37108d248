#include "hypervisor/l1/copy_plan.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <vector>

namespace shadowtune::l1 {
namespace {

constexpr std::uint64_t arena{256};

using Arena = std::vector<std::uint16_t>; // a cell is a "byte" with its own number, so that mistakes show

Arena run(std::span<const Copy> steps, Arena cells) {
    for (const Copy& step : steps)
        std::memmove(cells.data() + step.destination, cells.data() + step.source,
                     step.size * sizeof(cells[0]));
    return cells;
}

Arena numbered(std::uint64_t size) {
    Arena cells(size);
    std::iota(cells.begin(), cells.end(), std::uint16_t{0});
    return cells;
}

bool arrived(std::span<const Copy> copies, const Arena& cells) {
    return std::ranges::all_of(copies, [&](const Copy& copy) {
        for (std::uint64_t i{0}; i < copy.size; ++i)
            if (cells[copy.destination + i] != copy.source + i) return false;
        return true;
    });
}

// Random sources and disjoint random destinations; half of the rounds have room for a detour.
TEST(CopyPlan, RandomOverlapsArriveOrAreRefused) {
    std::mt19937 random{4};
    int planned{0};
    int refused{0};
    for (int round{0}; round < 20'000; ++round) {
        std::vector<Copy> copies;
        std::uint64_t position{0};
        while (copies.size() < 8) {
            position += random() % 12;
            const std::uint64_t size{1 + random() % 40};
            if (position + size > arena) break;
            copies.push_back({random() % (arena - size + 1), position, size});
            position += size;
        }
        std::ranges::shuffle(copies, random);
        const bool with_scratch{round % 2 == 0};
        const memory::MemoryRange scratch{arena, with_scratch ? arena * 3 : arena};
        const auto plan = plan_copies(copies, scratch);
        if (with_scratch) {
            ASSERT_TRUE(plan.ok()) << plan.error().text();
        }
        if (!plan.ok()) {
            ++refused;
            // Refused only rightly: no order of the copies works (tried where that is quick).
            if (copies.size() > 5) continue;
            std::vector<std::size_t> order(copies.size());
            std::iota(order.begin(), order.end(), std::size_t{0});
            do {
                std::vector<Copy> steps;
                for (const auto index : order)
                    steps.push_back(copies[index]);
                ASSERT_FALSE(arrived(copies, run(steps, numbered(arena))));
            } while (std::next_permutation(order.begin(), order.end()));
            continue;
        }
        ++planned;
        ASSERT_TRUE(arrived(copies, run(plan.value().view(), numbered(arena * 3))));
    }
    EXPECT_GT(planned, 1000);
    EXPECT_GT(refused, 100);
}

TEST(CopyPlan, SwapGoesByScratch) {
    const std::array<Copy, 2> swap{Copy{0, 16, 16}, Copy{16, 0, 16}};
    EXPECT_FALSE(plan_copies(swap, {}).ok());
    EXPECT_FALSE(plan_copies(swap, {100, 115}).ok());
    EXPECT_FALSE(plan_copies(swap, {8, 64}).ok()); // not free
    const auto plan = plan_copies(swap, {100, 116});
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan.value().count, 3U);
    EXPECT_TRUE(arrived(swap, run(plan.value().view(), numbered(128))));
}

TEST(CopyPlan, RefusesOverlappingDestinationsAndTooMany) {
    const std::array<Copy, 2> twice{Copy{0, 100, 10}, Copy{20, 109, 10}};
    EXPECT_FALSE(plan_copies(twice, {}).ok());
    std::vector<Copy> many;
    for (std::uint64_t i{0}; i <= max_copies; ++i)
        many.push_back({i, 1000 + i, 1});
    EXPECT_FALSE(plan_copies(many, {}).ok());
    many.pop_back();
    EXPECT_TRUE(plan_copies(many, {}).ok());
}

TEST(CopyPlan, StayingInPlaceIsNoStep) {
    const std::array<Copy, 2> copies{Copy{32, 32, 8}, Copy{0, 64, 0}};
    EXPECT_EQ(plan_copies(copies, {}).value().count, 0U);
}

} // namespace
} // namespace shadowtune::l1
