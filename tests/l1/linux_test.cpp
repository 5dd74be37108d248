#include "hypervisor/l1/linux.hpp"
#include "hypervisor/l1/linux_setup.hpp"
#include "tests/l1/images.hpp"

namespace shadowtune::l1 {
namespace {

using namespace test;

constexpr std::uint64_t machine_size{0x200'0000};
constexpr memory::MemoryRange l0{0x1e0'0000, 0x200'0000};

std::span<const std::uint8_t> payload_of(const Bytes& image) {
    return std::span{image}.subspan(bzimage_setup_size);
}

TEST(LoadLinux, FillsEverything) {
    std::mt19937 random{6};
    const Bytes kernel{bzimage({}, random)};
    const Bytes initrd{random_bytes(random, 0x12345)};
    Machine machine{machine_size};
    machine.reserve(l0);
    machine.add_rsdp();
    machine.add_module(0x40'0000, kernel, "linux console=ttyS0 quiet");
    machine.add_module(0x50'0000, initrd, "initrd");
    const auto loaded = machine.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().text();
    const L1Entry& entry{loaded.value()};

    EXPECT_EQ(entry.kind, L1Kind::linux_kernel);
    EXPECT_STREQ(entry.name, "6.1.0-test (a@b) #1");
    EXPECT_EQ(entry.eip, 0x100'0000U);
    EXPECT_EQ(entry.ebx | entry.ebp | entry.edi, 0U);
    EXPECT_TRUE(machine.holds(entry.eip, payload_of(kernel)));

    const std::uint64_t page{entry.esi};
    EXPECT_EQ(page % 0x1000, 0U);
    EXPECT_LT(page, 0xa'0000U);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x06), 3U);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x07), 80U);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x0e), 25U);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x0f), 1U);
    EXPECT_EQ(machine.read<std::uint16_t>(page + 0x10), 16U);
    EXPECT_EQ(machine.read<std::uint32_t>(page + 0x202), 0x5372'6448U);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x210), 0xffU);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x211), 0x81U);
    EXPECT_EQ(machine.read<std::uint32_t>(page + 0x214), entry.eip);
    EXPECT_EQ(machine.read<std::uint32_t>(page + 0x268), 0x1234'5678U);
    EXPECT_EQ(machine.read<std::uint8_t>(page + 0x1ef), 0U); // sentinel
    EXPECT_EQ(machine.text_at(machine.read<std::uint32_t>(page + 0x228)), "console=ttyS0 quiet");

    const std::uint64_t initrd_at{machine.read<std::uint32_t>(page + 0x218)};
    EXPECT_EQ(machine.read<std::uint32_t>(page + 0x21c), initrd.size());
    EXPECT_EQ(initrd_at, l0.begin - 0x13000); // right below L0
    EXPECT_TRUE(machine.holds(initrd_at, initrd));

    const std::uint64_t rsdp{machine.read<std::uint64_t>(page + 0x70)};
    EXPECT_TRUE(machine.holds(rsdp, rsdp_bytes()));
    // The map: L0 reserved, the RSDP's page kept.
    bool l0_reserved{false};
    bool rsdp_kept{false};
    const auto entries = machine.read<std::uint8_t>(page + 0x1e8);
    for (std::uint64_t i{0}; i < entries; ++i) {
        const std::uint64_t at{page + 0x2d0 + i * 20};
        const auto range =
            memory::range_of(machine.read<std::uint64_t>(at), machine.read<std::uint64_t>(at + 8));
        const auto type = machine.read<std::uint32_t>(at + 16);
        if (range.overlaps(l0)) {
            EXPECT_EQ(type, 2U);
            l0_reserved = range.contains(l0);
        }
        rsdp_kept |= range == memory::range_of(rsdp, 0x1000) && type == 3;
    }
    EXPECT_TRUE(l0_reserved);
    EXPECT_TRUE(rsdp_kept);

    EXPECT_EQ(machine.read<std::uint64_t>(entry.gdt_base + boot_code_selector), 0x00cf'9b00'0000'ffffU);
    EXPECT_EQ(machine.read<std::uint64_t>(entry.gdt_base + boot_data_selector), 0x00cf'9300'0000'ffffU);
}

TEST(LoadLinux, InitrdStaysBelowItsLimit) {
    std::mt19937 random{7};
    Machine machine{machine_size};
    machine.add_module(0x180'0000, bzimage({.preferred = 0x20'0000, .initrd_max = 0x7f'ffff}, random),
                       "linux");
    machine.add_module(0x1a0'0000, Bytes(0x2001, 7), "initrd");
    const auto loaded = machine.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().text();
    EXPECT_EQ(machine.read<std::uint32_t>(loaded.value().esi + 0x218), 0x7f'd000U);
    EXPECT_EQ(machine.read<std::uint64_t>(loaded.value().esi + 0x70), 0U); // no RSDP known
}

TEST(LoadLinux, RelocatesOrRefuses) {
    std::mt19937 random{8};
    const memory::MemoryRange in_the_way{0x100'0000, 0x100'1000};
    for (const bool relocatable : {true, false}) {
        Machine machine{machine_size};
        machine.reserve(in_the_way);
        const Bytes kernel{bzimage({.relocatable = relocatable}, random)};
        machine.add_module(0x40'0000, kernel, "linux");
        const auto loaded = machine.load();
        ASSERT_EQ(loaded.ok(), relocatable);
        if (relocatable) {
            EXPECT_EQ(loaded.value().eip, 0x120'0000U);
            EXPECT_TRUE(machine.holds(0x120'0000, payload_of(kernel)));
        } else {
            EXPECT_NE(loaded.error().text().find("must lie at 0x1000000"), std::string_view::npos)
                << loaded.error().text();
        }
    }
}

TEST(LoadLinux, OldProtocolTakesRoomForThree) {
    std::mt19937 random{9};
    Machine machine{machine_size};
    machine.add_module(0x40'0000,
                       bzimage({.version = 0x0206, .relocatable = false, .init_size = ~0U}, random), "linux");
    const auto loaded = machine.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().text();
    EXPECT_EQ(loaded.value().eip, 0x10'0000U);
}

TEST(LoadLinux, RefusesInWords) {
    std::mt19937 random{10};
    const auto says = [&](const BzImageFacts& facts, const std::string& text, std::string_view words) {
        Machine machine{machine_size};
        machine.add_module(0x40'0000, bzimage(facts, random), text);
        const auto loaded = machine.load();
        ASSERT_FALSE(loaded.ok()) << words;
        EXPECT_NE(loaded.error().text().find(words), std::string_view::npos) << loaded.error().text();
    };
    says({.version = 0x0205}, "linux", "older than 0x206");
    says({.loadflags = 0}, "linux", "zImage");
    says({.alignment = 3}, "linux", "power of two");
    says({.preferred = 0x1'0000'0000}, "linux", "below 4 GiB");
    says({.init_size = 0x200'0000}, "linux", "no free RAM for the Linux kernel");
    says({.cmdline_size = 4}, "linux 12345", "5 characters, but this kernel takes 4");
}

// Exact heap blocks, so that ASan sees a byte too far.
TEST(LinuxSetup, RefusesEveryPrefixAndSurvivesDamage) {
    std::mt19937 random{11};
    const Bytes whole{bzimage({}, random)};
    ASSERT_TRUE(read_linux_setup(whole).ok());
    for (std::size_t size{0}; size < whole.size(); ++size) {
        Bytes prefix{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
        prefix.shrink_to_fit();
        ASSERT_FALSE(read_linux_setup(prefix).ok()) << size;
    }
    const Bytes head{whole.begin(), whole.begin() + 0x1200};
    for (int round{0}; round < 20'000; ++round) {
        Bytes damaged{head};
        put(damaged, 0x1f4, std::uint32_t{0x10});
        for (int i{0}; i < 3; ++i)
            damaged[0x1f1 + random() % 0x80] = static_cast<std::uint8_t>(random() % 3 == 0 ? 0xff : random());
        const auto setup = read_linux_setup(damaged);
        if (setup.ok()) {
            ASSERT_LE(setup.value().setup_size, damaged.size());
            ASSERT_LE(setup.value().preferred + setup.value().room, memory::four_gib);
        }
    }
}

// Sources anywhere, in memory so tight that places overlap them: what is loaded is right, and L0 is
// untouched.
TEST(LoadLinux, RandomPlacesInTightMemory) {
    std::mt19937 random{12};
    int loaded_count{0};
    for (int round{0}; round < 60; ++round) {
        const std::uint64_t size{0x40'0000};
        Machine machine{size};
        const memory::MemoryRange ours{0x28'0000, 0x2a'0000};
        const Bytes secret{random_bytes(random, ours.size())};
        const bool relocatable{random() % 2 == 0};
        const Bytes kernel{bzimage({.relocatable = relocatable,
                                    .alignment = 0x1'0000,
                                    .preferred = 0x10'0000 + random() % 16 * 0x1'0000,
                                    .init_size = 0x8'0000,
                                    .payload = 0x5'0000},
                                   random)};
        const Bytes initrd{random_bytes(random, 0xc'0000)};
        const auto anywhere = [&](const Bytes& bytes) {
            for (;;) {
                const auto range =
                    memory::range_of(0x10'0000 + random() % (size - 0x10'0000 - bytes.size()), bytes.size());
                if (!range.overlaps(ours)) return range;
            }
        };
        const auto kernel_at = anywhere(kernel);
        auto initrd_at = anywhere(initrd);
        while (initrd_at.overlaps(kernel_at))
            initrd_at = anywhere(initrd);
        machine.reserve(ours);
        std::ranges::copy(secret, machine.at(ours.begin, ours.size()).begin());
        machine.add_module(kernel_at.begin, kernel, "linux a");
        machine.add_module(initrd_at.begin, initrd, "initrd");
        const auto loaded = machine.load();
        ASSERT_TRUE(machine.holds(ours.begin, secret));
        if (!loaded.ok()) continue;
        ++loaded_count;
        ASSERT_TRUE(machine.holds(loaded.value().eip, payload_of(kernel)));
        ASSERT_TRUE(machine.holds(machine.read<std::uint32_t>(loaded.value().esi + 0x218), initrd));
        ASSERT_EQ(machine.text_at(machine.read<std::uint32_t>(loaded.value().esi + 0x228)), "a");
    }
    EXPECT_GT(loaded_count, 40);
}

} // namespace
} // namespace shadowtune::l1
