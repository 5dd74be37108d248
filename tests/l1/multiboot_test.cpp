#include "hypervisor/l1/multiboot.hpp"
#include "hypervisor/l1/multiboot_image.hpp"
#include "tests/l1/images.hpp"

#include <map>

namespace shadowtune::l1 {
namespace {

using namespace test;

constexpr std::uint64_t machine_size{0x200'0000};
constexpr memory::MemoryRange l0{0x1e0'0000, 0x200'0000};

// Tag type to the address of its body; modules in order.
std::multimap<std::uint32_t, std::uint64_t> tags_of(Machine& machine, std::uint64_t info) {
    std::multimap<std::uint32_t, std::uint64_t> tags;
    const std::uint64_t end{info + machine.read<std::uint32_t>(info)};
    for (std::uint64_t at{info + 8}; at < end;) {
        tags.emplace(machine.read<std::uint32_t>(at), at + 8);
        at += (machine.read<std::uint32_t>(at + 4) + 7) / 8 * 8;
    }
    return tags;
}

class LoadMultibootElf : public testing::TestWithParam<bool> {};

TEST_P(LoadMultibootElf, Version1Elf) {
    const bool wide{GetParam()};
    std::mt19937 random{13};
    const Bytes code{random_bytes(random, 0x1234)};
    const Bytes data{random_bytes(random, 0x345)};
    const Bytes module{random_bytes(random, 0x2001)};
    // Linked high, entered by the virtual address, as a 64-bit kernel is.
    const std::uint64_t high{wide ? 0xffff'ffff'8000'0000 : 0xc000'0000};
    const Bytes image{
        elf(wide, high + 0x40'0010, multiboot1_header(0x7),
            {{0x40'0000, high + 0x40'0000, code, 0x1234}, {0x50'0000, high + 0x50'0000, data, 0x8000}})};
    Machine machine{machine_size};
    machine.reserve(l0);
    std::ranges::fill(machine.at(0x50'0000, 0x8000), std::uint8_t{0xcc});
    machine.add_module(0x30'0000, image, "multiboot kernel a=b");
    machine.add_module(0x60'0123, module, "module one two");
    const auto loaded = machine.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().text();
    const L1Entry& entry{loaded.value()};

    EXPECT_EQ(entry.kind, L1Kind::multiboot1);
    EXPECT_STREQ(entry.name, "kernel");
    EXPECT_EQ(entry.eip, 0x40'0010U);
    EXPECT_EQ(entry.eax, multiboot1_boot_magic);
    EXPECT_TRUE(machine.holds(0x40'0000, code));
    EXPECT_TRUE(machine.holds(0x50'0000, data));
    EXPECT_TRUE(machine.holds(0x50'0000 + data.size(), Bytes(0x8000 - data.size(), 0)));

    const std::uint64_t info{entry.ebx};
    const auto word = [&](std::uint64_t offset) { return machine.read<std::uint32_t>(info + offset); };
    EXPECT_EQ(word(0), 0x124dU);
    EXPECT_EQ(word(4), 0x9fc00U / 1024);
    EXPECT_EQ(word(8), (l0.begin - 0x10'0000) / 1024);
    EXPECT_EQ(machine.text_at(word(16)), "kernel a=b");
    EXPECT_EQ(machine.text_at(word(64)), "shadowtune"); // no loader has given its name
    EXPECT_EQ(machine.read<std::uint64_t>(info + 88), 0xb'8000U);
    EXPECT_EQ(machine.read<std::uint8_t>(info + 109), 2U);
    ASSERT_EQ(word(20), 1U);
    const std::uint64_t mods{word(24)};
    const std::uint64_t begin{machine.read<std::uint32_t>(mods)};
    EXPECT_EQ(begin % 0x1000, 0U);
    EXPECT_GE(begin, 0x50'8000U);
    EXPECT_EQ(machine.read<std::uint32_t>(mods + 4), begin + module.size());
    EXPECT_EQ(machine.text_at(machine.read<std::uint32_t>(mods + 8)), "one two");
    EXPECT_TRUE(machine.holds(begin, module));

    std::vector<memory::MemoryRegion> regions;
    for (std::uint64_t at{word(48)}; at < word(48) + word(44); at += machine.read<std::uint32_t>(at) + 4)
        regions.push_back(
            {memory::range_of(machine.read<std::uint64_t>(at + 4), machine.read<std::uint64_t>(at + 12)),
             memory::memory_type_of(machine.read<std::uint32_t>(at + 20))});
    EXPECT_TRUE(std::ranges::equal(regions, machine.map().regions()));
}

TEST_P(LoadMultibootElf, Version2Elf) {
    const bool wide{GetParam()};
    std::mt19937 random{14};
    const Bytes code{random_bytes(random, 0x1234)};
    const Bytes module{random_bytes(random, 0x800)};
    const Bytes image{
        elf(wide, 0x40'0010,
            multiboot2_header({{1, false, {4, 6, 15}}, {4, false, {3}}, {6, false, {}}, {99, true, {1}}}),
            {{0x40'0000, 0x40'0000, code, 0x2000}})};
    Machine machine{machine_size};
    machine.reserve(l0);
    machine.name_loader("GRUB 2.06");
    machine.add_rsdp();
    machine.add_module(0x30'0000, image, "multiboot words");
    machine.add_module(0x70'0000, module, "module m");
    const auto loaded = machine.load();
    ASSERT_TRUE(loaded.ok()) << loaded.error().text();
    const L1Entry& entry{loaded.value()};
    EXPECT_EQ(entry.kind, L1Kind::multiboot2);
    EXPECT_EQ(entry.eax, multiboot2_boot_magic);
    EXPECT_EQ(entry.eip, 0x40'0010U);
    EXPECT_TRUE(machine.holds(0x40'0000, code));
    EXPECT_EQ(entry.ebx % 8, 0U);

    auto tags = tags_of(machine, entry.ebx);
    ASSERT_EQ(tags.count(0), 1U);
    EXPECT_EQ(machine.text_at(tags.find(1)->second), "words");
    EXPECT_EQ(machine.text_at(tags.find(2)->second), "GRUB 2.06");
    const std::uint64_t mod{tags.find(3)->second};
    EXPECT_TRUE(machine.holds(machine.read<std::uint32_t>(mod), module));
    EXPECT_EQ(machine.text_at(mod + 8), "m");
    EXPECT_EQ(machine.read<std::uint32_t>(tags.find(4)->second + 4), (l0.begin - 0x10'0000) / 1024);
    EXPECT_EQ(machine.read<std::uint64_t>(tags.find(8)->second), 0xb'8000U);
    EXPECT_TRUE(machine.holds(tags.find(15)->second, rsdp_bytes()));
    EXPECT_EQ(tags.count(21), 0U);

    // What L1 reads is what our own reader takes.
    const auto size = machine.read<std::uint32_t>(entry.ebx);
    boot::BootInfo info;
    ASSERT_TRUE(boot::parse_multiboot2(machine.at(entry.ebx, size), info).ok());
    EXPECT_TRUE(std::ranges::equal(info.memory(), machine.map().regions()));
}

INSTANTIATE_TEST_SUITE_P(Elf32And64, LoadMultibootElf, testing::Bool());

TEST(LoadMultiboot, AddressFields) {
    std::mt19937 random{15};
    const Bytes code{random_bytes(random, 0x1000)};
    const auto build = [&](const Bytes& header) {
        Bytes image(0x100, 0x55);
        image.insert(image.end(), header.begin(), header.end());
        image.insert(image.end(), code.begin(), code.end());
        return image;
    };
    // header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr: loading starts 0x80 before the header.
    const std::vector<std::uint32_t> addresses{0x40'0080, 0x40'0000, 0, 0x40'4000, 0x40'00b0};
    const Bytes version1{build(multiboot1_header(0x1'0000, addresses))};
    const Bytes version2{build(multiboot2_header(
        {{2, false, {addresses.begin(), addresses.begin() + 4}}, {3, false, {addresses[4]}}}))};
    for (const Bytes& image : {version1, version2}) {
        Machine machine{machine_size};
        std::ranges::fill(machine.at(0x40'0000, 0x5000), std::uint8_t{0xcc});
        machine.add_module(0x30'0000, image, "multiboot");
        const auto loaded = machine.load();
        ASSERT_TRUE(loaded.ok()) << loaded.error().text();
        EXPECT_EQ(loaded.value().eip, 0x40'00b0U);
        const auto file = std::span{image}.subspan(0x80);
        EXPECT_TRUE(machine.holds(0x40'0000, file));
        EXPECT_TRUE(machine.holds(0x40'0000 + file.size(), Bytes(0x4000 - file.size(), 0)));
        EXPECT_EQ(machine.at(0x40'4000, 1)[0], 0xcc);
    }
}

TEST(LoadMultiboot, RelocatesWithinTheWindow) {
    std::mt19937 random{16};
    const Bytes code{random_bytes(random, 0x3000)};
    for (const std::uint32_t preference : {1U, 2U}) {
        const Bytes image{elf(false, 0x20'0004,
                              multiboot2_header({{10, true, {0x40'0000, 0xff'ffff, 0x20'0000, preference}}}),
                              {{0x20'0000, 0x20'0000, code, 0x10'0000}})};
        Machine machine{machine_size};
        machine.add_module(0x30'0000, image, "multiboot");
        const auto loaded = machine.load();
        ASSERT_TRUE(loaded.ok()) << loaded.error().text();
        const std::uint64_t base{preference == 1 ? 0x40'0000U : 0xe0'0000U};
        EXPECT_EQ(loaded.value().eip, base + 4);
        EXPECT_TRUE(machine.holds(base, code));
        auto tags = tags_of(machine, loaded.value().ebx);
        ASSERT_EQ(tags.count(21), 1U);
        EXPECT_EQ(machine.read<std::uint32_t>(tags.find(21)->second), base);
    }
}

TEST(LoadMultiboot, RefusesInWords) {
    const auto says = [](const Bytes& image, std::string_view words) {
        Machine machine{machine_size};
        machine.reserve(l0);
        machine.add_module(0x30'0000, image, "multiboot");
        const auto loaded = machine.load();
        ASSERT_FALSE(loaded.ok()) << words;
        EXPECT_NE(loaded.error().text().find(words), std::string_view::npos) << loaded.error().text();
        EXPECT_LT(loaded.error().text().size(), boot::BootError::capacity);
    };
    const std::vector<ElfSegment> good{{0x40'0000, 0x40'0000, Bytes(16, 1), 16}};
    says(elf(false, 0x40'0000, multiboot1_header(0x8), good), "only 0x7 are known");
    says(elf(false, 0x50'0000, multiboot1_header(0), good), "entry address");
    says(elf(false, l0.begin, multiboot1_header(0), {{l0.begin, l0.begin, Bytes(16, 1), 16}}),
         "must lie at 0x1e00000");
    says(elf(false, 0, multiboot1_header(0), {}), "nothing in it");
    says(elf(true, 0, multiboot1_header(0), {{0x1'0000'0000, 0, Bytes(16, 1), 16}}), "above 4 GiB");
    says(elf(false, 0, multiboot1_header(0), {good[0], good[0]}), "two segments overlap");
    says(elf(false, 0x40'0000, multiboot1_header(0), {{0x40'0000, 0x40'0000, Bytes(17, 1), 16}}),
         "more bytes in");
    says(multiboot1_header(0), "neither address fields");
    says(elf(false, 0x40'0000, multiboot2_header({{5, false, {1024, 768, 32}}}), good),
         "graphics framebuffer");
    says(elf(false, 0x40'0000, multiboot2_header({{4, false, {1}}}), good), "console");
    says(elf(false, 0x40'0000, multiboot2_header({{1, false, {9}}}), good), "information tag 9");
    says(elf(false, 0x40'0000, multiboot2_header({{1, false, {14}}}), good), "information tag 14");
    says(elf(false, 0x40'0000, multiboot2_header({{77, false, {}}}), good), "header tag 77");
    says(elf(false, 0x40'0000, multiboot2_header({{2, false, {0, 0, 0, 0}}}), good), "without an entry");
}

// Every prefix and much damage, in exact heap blocks, so that ASan sees a byte too far.
TEST(MultibootImage, PrefixesAndDamage) {
    std::mt19937 random{17};
    const auto read = [](const Bytes& file) -> bool {
        for (const bool newer : {false, true}) {
            const auto header = newer ? read_multiboot2_header(file, true) : read_multiboot1_header(file);
            if (!header.ok()) continue;
            const auto image = read_multiboot_image(file, header.value());
            if (!image.ok()) continue;
            for (const Segment& segment : image.value().view()) {
                EXPECT_TRUE(segment.file_size == 0 || segment.offset + segment.file_size <= file.size());
                EXPECT_LE(segment.range().end, memory::four_gib);
            }
            return true;
        }
        return false;
    };
    const std::vector<ElfSegment> segments{{0x40'0000, 0x40'0000, Bytes(64, 1), 64},
                                           {0x41'0000, 0x41'0000, Bytes(32, 1), 64}};
    const std::vector<Bytes> images{
        elf(false, 0x40'0000, multiboot1_header(0), segments),
        elf(true, 0x40'0000, multiboot1_header(0), segments),
        elf(false, 0x40'0000, multiboot2_header({{1, false, {4}}, {10, true, {0, ~0U, 8, 0}}}), segments),
        multiboot2_header({{2, false, {0x40'0000, ~0U, 0x40'0038, 0}}, {3, false, {0x40'0000}}}),
        multiboot1_header(0x1'0000, {0x40'0000, 0x40'0000, 0x40'0020, 0, 0x40'0000})};
    for (const Bytes& whole : images) {
        ASSERT_TRUE(read(whole));
        for (std::size_t size{0}; size < whole.size(); ++size) {
            Bytes prefix{whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)};
            prefix.shrink_to_fit();
            ASSERT_FALSE(read(prefix)) << size;
        }
        for (int round{0}; round < 10'000; ++round) {
            Bytes damaged{whole};
            for (auto n = 1 + random() % 3; n > 0; --n)
                damaged[random() % damaged.size()] =
                    static_cast<std::uint8_t>(random() % 3 == 0 ? 0xff : random());
            (void)read(damaged);
        }
    }
}

// The image's file lies across the places of its own segments, which makes circles of copies.
TEST(LoadMultiboot, RandomOverlapsWithItself) {
    std::mt19937 random{18};
    for (int round{0}; round < 300; ++round) {
        const Bytes first{random_bytes(random, 0x8000)};
        const Bytes second{random_bytes(random, 0x8000)};
        const Bytes module{random_bytes(random, 0x4000)};
        const Bytes image{
            elf(false, 0x20'0000, multiboot1_header(0),
                {{0x20'8000, 0x20'8000, first, 0x8000}, {0x20'0000, 0x20'0000, second, 0x8000}})};
        Machine machine{0x40'0000};
        machine.add_module(0x1f'0000 + random() % 0x2'0000, image, "multiboot");
        machine.add_module(0x22'2000, module, "module");
        const auto loaded = machine.load();
        ASSERT_TRUE(loaded.ok()) << loaded.error().text();
        ASSERT_TRUE(machine.holds(0x20'8000, first));
        ASSERT_TRUE(machine.holds(0x20'0000, second));
        const std::uint64_t mods{machine.read<std::uint32_t>(loaded.value().ebx + 24)};
        ASSERT_TRUE(machine.holds(machine.read<std::uint32_t>(mods), module));
    }
}

} // namespace
} // namespace shadowtune::l1
