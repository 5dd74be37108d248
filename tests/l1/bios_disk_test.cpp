#include "hypervisor/l1/bios_disk.hpp"
#include "hypervisor/l1/bios_rom.hpp"
#include "tests/l1/machine.hpp"

namespace shadowtune::l1 {
namespace {

using namespace test;

Bytes boot_sector() {
    std::mt19937 random{3};
    Bytes sector{random_bytes(random, 512)};
    sector[510] = 0x55;
    sector[511] = 0xaa;
    return sector;
}

class BiosDisk : public testing::Test {
protected:
    static constexpr std::uint64_t memory_size{0x100'0000};

    // Loads this sector as `text` says; what the error line says, or "".
    std::string load(const std::string& text, std::uint64_t low_end = 0x9'f000) {
        std::ranges::copy(m_sector, m_machine.at(0x20'0000, m_sector.size()).begin());
        const auto bytes = InformationBuilder{}
                               .module(0x20'0000, 0x20'0200, text)
                               .memory({{{0, low_end}, memory::MemoryType::ram},
                                        {{0x10'0000, memory_size}, memory::MemoryType::ram}})
                               .finish();
        boot::BootInfo info;
        EXPECT_TRUE(boot::parse_multiboot2(bytes, info).ok());
        const auto modules = sort_modules(info, m_machine.physical());
        if (!modules) return std::string{modules.error().text()};
        EXPECT_EQ(modules.value().kind, L1Kind::bios_disk);
        const auto map = boot::memory_map_of(info);
        const auto entry = load_l1({map.value(), m_machine.physical(), info, modules.value()});
        if (!entry) return std::string{entry.error().text()};
        m_entry = entry.value();
        return "";
    }

    Bytes m_sector{boot_sector()};
    Machine m_machine{memory_size};
    L1Entry m_entry;
};

TEST_F(BiosDisk, StartsTheSectorAsABiosDoes) {
    const Bytes before(m_machine.at(0, 0x7c00).begin(), m_machine.at(0, 0x7c00).end());
    ASSERT_EQ(load("disk 0x81"), "");
    EXPECT_EQ(m_entry.mode, StartMode::real);
    EXPECT_EQ(m_entry.kind, L1Kind::bios_disk);
    EXPECT_EQ(m_entry.eip, 0x7c00U);
    EXPECT_EQ(m_entry.edx, 0x81U);
    EXPECT_STREQ(m_entry.name, "boot disk 0x81");
    EXPECT_TRUE(std::ranges::equal(m_machine.at(0x7c00, 512), m_sector));
    // The BIOS's own memory, and all else below, is as it was.
    EXPECT_TRUE(std::ranges::equal(m_machine.at(0, 0x7c00), before));
    ASSERT_EQ(load("disk 128"), "");
    EXPECT_EQ(m_entry.edx, 0x80U);
}

TEST_F(BiosDisk, RefusesInWords) {
    for (const auto* text : {"disk", "disk 0x100", "disk 256", "disk x", "disk 0x", "disk 8g", "disk -1"})
        EXPECT_NE(load(text).find("is no number of a drive; write "), std::string::npos) << text;
    EXPECT_NE(load("disk 0x80", 0x7000).find("the boot sector must lie at"), std::string::npos);
    m_sector[511] = 0;
    EXPECT_NE(load("disk 0x80").find("no boot sector"), std::string::npos);
}

} // namespace
} // namespace shadowtune::l1
