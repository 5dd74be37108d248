#include "hypervisor/memory/l1_memory.hpp"
#include "tests/vmm/pages.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace shadowtune::memory {
namespace {

// Whatever the region and whatever the address, L0's memory is behind none but the sink.
TEST(L1Memory, NoAddressLeadsIntoTheHiddenRegion) {
    std::mt19937_64 random{11};
    for (unsigned round{0}; round < 2000; ++round) {
        const std::uint64_t begin{random() % (std::uint64_t{1} << 40) & ~(page_size - 1)};
        const std::uint64_t size{(1 + random() % 0x4000) * page_size};
        const MemoryRange hidden{begin, begin + size};
        // In the VMM the sink is a page of the region itself.
        const std::uint64_t sink{begin + random() % (size / page_size) * page_size};
        const L1Memory memory{L0Memory{hidden, hidden}, sink, four_gib};
        const std::uint64_t addresses[]{begin - 1,
                                        begin,
                                        begin + size - 1,
                                        begin + size,
                                        begin + random() % size,
                                        random(),
                                        random() % (std::uint64_t{1} << 41)};
        for (const std::uint64_t address : addresses) {
            const std::uint64_t host{memory.host_address(address)};
            const bool in_region{host >= hidden.begin && host < hidden.end};
            if (in_region) {
                ASSERT_EQ(host & ~(page_size - 1), sink) << std::hex << address;
            } else {
                ASSERT_EQ(host, address);
            }
            ASSERT_EQ(host % page_size, address % page_size);
            // L0's own access meets the same page, and above the one-to-one map the sink.
            const auto pointer{reinterpret_cast<std::uint64_t>(memory.pointer(address))};
            ASSERT_EQ(pointer, address < four_gib ? host : sink + address % page_size);
        }
    }
}

TEST(L1Memory, LargePagesAreForRangesBesideTheRegion) {
    const MemoryRange hidden{0x4000'0000, 0x4020'0000};
    const L1Memory memory{L0Memory{hidden, hidden}, hidden.begin, four_gib};
    EXPECT_TRUE(memory.is_identity(0x3FE0'0000, 0x20'0000));
    EXPECT_TRUE(memory.is_identity(0x4020'0000, 0x20'0000));
    EXPECT_FALSE(memory.is_identity(0x4000'0000, 0x20'0000));
    EXPECT_FALSE(memory.is_identity(0x3FE0'0000, 0x20'0001));
    EXPECT_FALSE(memory.is_identity(0x401F'F000, 0x1000));
    EXPECT_FALSE(memory.is_identity(0, four_gib));
}

// Eight pages of "physical memory", the third and fourth L0's, the sink elsewhere.
class L1MemoryAccess : public ::testing::Test {
protected:
    static constexpr std::size_t size{8 * page_size}, hidden_begin{2 * page_size}, hidden_end{4 * page_size};

    testing::Pages physical{8, 0xA5};
    testing::Pages sink{1, 0xFF};
    MemoryRange hidden{physical.begin() + hidden_begin, physical.begin() + hidden_end};
    L1Memory memory{L0Memory{hidden, hidden}, sink.begin(), physical.end()};
};

TEST_F(L1MemoryAccess, RandomAccessesMatchAByteWiseModel) {
    std::vector<std::uint8_t> model(size, 0xA5), model_sink(page_size, 0xFF);
    // Two pages more than there are: above the map lies the sink.
    const auto at{[&](std::size_t place) -> std::uint8_t& {
        const bool own{place < size && !(place >= hidden_begin && place < hidden_end)};
        return own ? model[place] : model_sink[place % page_size];
    }};
    std::mt19937_64 random{12};
    for (unsigned round{0}; round < 3000; ++round) {
        const std::size_t length{random() % (round % 8 == 0 ? 3 * page_size : 64)};
        const std::size_t place{random() % (size + 2 * page_size - length)};
        std::vector<std::uint8_t> bytes(length);
        if (random() % 2 == 0) {
            for (std::size_t i{0}; i < length; ++i) {
                bytes[i] = static_cast<std::uint8_t>(random());
                at(place + i) = bytes[i];
            }
            memory.write(physical.begin() + place, bytes.data(), length);
        } else {
            memory.read(physical.begin() + place, bytes.data(), length);
            for (std::size_t i{0}; i < length; ++i)
                ASSERT_EQ(bytes[i], at(place + i)) << place + i;
        }
        ASSERT_EQ(std::memcmp(physical.bytes(), model.data(), size), 0) << "round " << round;
        ASSERT_EQ(std::memcmp(sink.bytes(), model_sink.data(), page_size), 0) << "round " << round;
    }
    // The model never wrote there: L0's pages are as they were.
    for (std::size_t i{hidden_begin}; i < hidden_end; ++i)
        ASSERT_EQ(physical.bytes()[i], 0xA5);
}

TEST_F(L1MemoryAccess, WordsCrossIntoTheSinkByteByByte) {
    const std::uint64_t place{hidden.begin - 3};
    memory.write64(place, 0x8877'6655'4433'2211);
    EXPECT_EQ(memory.read64(place), 0x8877'6655'4433'2211U);
    EXPECT_EQ(physical.bytes()[hidden_begin - 1], 0x33);
    EXPECT_EQ(physical.bytes()[hidden_begin], 0xA5);
    EXPECT_EQ(sink.bytes()[0], 0x44);
    memory.write32(hidden.end - 2, 0xDDCC'BBAA);
    EXPECT_EQ(memory.read32(hidden.end - 2), 0xDDCC'BBAAU);
    EXPECT_EQ(physical.bytes()[hidden_end], 0xCC);
    EXPECT_EQ(physical.bytes()[hidden_end - 1], 0xA5);
}

} // namespace
} // namespace shadowtune::memory
