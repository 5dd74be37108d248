#include "hypervisor/boot/multiboot2.hpp"
#include "tests/l1/machine.hpp"

namespace shadowtune::boot {
namespace {

using l1::test::Bytes;
using l1::test::InformationBuilder;
using l1::test::put;
using memory::MemoryType;

Bytes whole_information() {
    return InformationBuilder{}
        .text(1, "vmm words")
        .text(2, "a loader")
        .module(0x20'0000, 0x20'1234, "linux console=ttyS0")
        .module(0x30'0000, 0x30'0000, "")
        .memory({{{0, 0x9'0000}, MemoryType::ram}, {{0x10'0000, 0x800'0000}, MemoryType::ram}})
        .tag(15, l1::test::rsdp_bytes())
        .tag(0x77, {1, 2, 3})
        .finish();
}

TEST(Multiboot2, ReadsEverything) {
    BootInfo info;
    const auto done = parse_multiboot2(whole_information(), info);
    ASSERT_TRUE(done.ok()) << done.error().text();
    EXPECT_EQ(info.command_line(), "vmm words");
    EXPECT_EQ(info.loader_name(), "a loader");
    ASSERT_EQ(info.modules().size(), 2U);
    EXPECT_EQ(info.modules()[0].range, (memory::MemoryRange{0x20'0000, 0x20'1234}));
    EXPECT_EQ(info.modules()[0].text, "linux console=ttyS0");
    EXPECT_EQ(info.modules()[1].text, "");
    ASSERT_EQ(info.memory().size(), 2U);
    EXPECT_EQ(info.memory()[1], (memory::MemoryRegion{{0x10'0000, 0x800'0000}, MemoryType::ram}));
    EXPECT_EQ(info.old_rsdp().size, 0U);
    EXPECT_TRUE(std::ranges::equal(info.new_rsdp().view(), l1::test::rsdp_bytes()));
    EXPECT_EQ(memory_map_of(info).value().top_of_ram(), 0x800'0000U);
}

TEST(Multiboot2, RefusesEveryPrefix) {
    const Bytes whole{whole_information()};
    for (std::size_t size{0}; size < whole.size(); ++size) {
        Bytes prefix{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
        prefix.shrink_to_fit();
        BootInfo info;
        ASSERT_FALSE(parse_multiboot2(prefix, info).ok()) << size;
        // Also where the size field fits, so that the cut shows only in the tags.
        if (size < 4) continue;
        put(prefix, 0, static_cast<std::uint32_t>(size));
        BootInfo again;
        ASSERT_FALSE(parse_multiboot2(prefix, again).ok()) << size;
    }
}

TEST(Multiboot2, SurvivesRandomDamage) {
    const Bytes whole{whole_information()};
    std::mt19937 random{3};
    for (int round{0}; round < 20'000; ++round) {
        Bytes damaged{whole};
        for (auto n = 1 + random() % 4; n > 0; --n)
            damaged[random() % damaged.size()] =
                static_cast<std::uint8_t>(random() % 3 == 0 ? 0xff : random());
        BootInfo info;
        if (!parse_multiboot2(damaged, info).ok()) continue;
        for (const auto& module : info.modules())
            ASSERT_LE(module.range.begin, module.range.end);
        ASSERT_TRUE(memory_map_of(info).ok());
    }
}

TEST(Multiboot2, NamesWhatIsTooMuch) {
    InformationBuilder many;
    for (std::uint32_t i{0}; i < 17; ++i)
        many.module(i, i + 1, "module");
    BootInfo info;
    const auto modules = parse_multiboot2(many.finish(), info);
    ASSERT_FALSE(modules.ok());
    EXPECT_NE(modules.error().text().find("more than 16"), std::string_view::npos) << modules.error().text();

    std::vector<memory::MemoryRegion> regions(129, {{0, 0x1000}, MemoryType::ram});
    BootInfo other;
    EXPECT_FALSE(parse_multiboot2(InformationBuilder{}.memory(regions).finish(), other).ok());
    BootInfo third;
    EXPECT_FALSE(
        parse_multiboot2(InformationBuilder{}.text(1, std::string(0x4000, 'x')).finish(), third).ok());
    BootInfo without_memory;
    EXPECT_FALSE(parse_multiboot2(InformationBuilder{}.text(1, "x").finish(), without_memory).ok());
}

TEST(BootError, IsOneLineOfFixedLength) {
    const auto error = BootError::of("a\nb ", Hex{0x1f}, " ", std::uint64_t{10});
    EXPECT_EQ(error.text(), "a?b 0x1f 10");
    EXPECT_EQ(BootError::of(std::string_view{std::string(400, 'x')}).text().size(), BootError::capacity);
}

} // namespace
} // namespace shadowtune::boot
