#include "hypervisor/l1/module.hpp"
#include "tests/l1/images.hpp"

namespace shadowtune::l1 {
namespace {

using namespace test;

struct Given {
    const Bytes* bytes;
    std::string text;
};

class SortModules : public testing::Test {
protected:
    // Sorts these modules; what the error line says, or "".
    std::string sort(const std::vector<Given>& given) {
        Machine machine{0x100'0000};
        InformationBuilder builder;
        std::uint32_t address{0x20'0000};
        for (const auto& [bytes, text] : given) {
            std::ranges::copy(*bytes, machine.at(address, bytes->size()).begin());
            builder.module(address, address + static_cast<std::uint32_t>(bytes->size()), text);
            address += 0x10'0000;
        }
        const auto bytes = builder.memory({{{0, 0x100'0000}, memory::MemoryType::ram}}).finish();
        m_info = std::make_unique<boot::BootInfo>();
        EXPECT_TRUE(boot::parse_multiboot2(bytes, *m_info).ok());
        const auto sorted = sort_modules(*m_info, machine.physical());
        if (!sorted) return std::string{sorted.error().text()};
        m_modules = sorted.value();
        return "";
    }

    std::mt19937 m_random{5};
    Bytes m_linux{bzimage({}, m_random)};
    Bytes m_multiboot1{elf(false, 0, multiboot1_header(0), {})};
    Bytes m_multiboot2{elf(false, 0, multiboot2_header({}), {})};
    Bytes m_data{1, 2, 3};
    Bytes m_empty;
    std::unique_ptr<boot::BootInfo> m_info;
    BootModules m_modules;
};

TEST_F(SortModules, Linux) {
    ASSERT_EQ(sort({{&m_data, "profile"}, {&m_linux, " linux  a=b c"}, {&m_data, "initrd"}}), "");
    EXPECT_EQ(m_modules.kind, L1Kind::linux_kernel);
    EXPECT_EQ(m_modules.kernel.range.begin, 0x30'0000U);
    EXPECT_EQ(m_modules.kernel.text, "a=b c");
    EXPECT_TRUE(m_modules.has_initrd);
    EXPECT_EQ(m_modules.initrd.range.begin, 0x40'0000U);
    EXPECT_EQ(m_modules.profile_images().size(), 1U);
}

TEST_F(SortModules, Multiboot) {
    ASSERT_EQ(sort({{&m_multiboot1, "multiboot a b"}, {&m_data, "module x y"}, {&m_data, "module"}}), "");
    EXPECT_EQ(m_modules.kind, L1Kind::multiboot1);
    ASSERT_EQ(m_modules.l1_modules().size(), 2U);
    EXPECT_EQ(m_modules.l1_modules()[0].text, "x y");
    EXPECT_EQ(m_modules.l1_modules()[1].text, "");
    ASSERT_EQ(sort({{&m_multiboot2, "multiboot"}}), "");
    EXPECT_EQ(m_modules.kind, L1Kind::multiboot2);
}

TEST_F(SortModules, Multiboot1OfBoth) {
    Bytes both{m_multiboot2};
    const Bytes header{multiboot1_header(0)};
    both.resize(std::max<std::size_t>(both.size(), 0x1000) + header.size());
    std::ranges::copy(header, both.end() - static_cast<std::ptrdiff_t>(header.size()));
    ASSERT_EQ(sort({{&both, "multiboot"}}), "");
    EXPECT_EQ(m_modules.kind, L1Kind::multiboot2);
    ASSERT_EQ(sort({{&both, "multiboot1 a"}}), "");
    EXPECT_EQ(m_modules.kind, L1Kind::multiboot1);
    EXPECT_EQ(m_modules.kernel.text, "a");
}

TEST_F(SortModules, RefusesInWords) {
    const auto says = [&](const std::vector<Given>& given, std::string_view words) {
        const std::string line{sort(given)};
        EXPECT_NE(line.find(words), std::string::npos) << "'" << line << "'";
        EXPECT_NE(line.find("; "), std::string::npos) << line; // the mend
        EXPECT_LT(line.size(), boot::BootError::capacity) << line;
    };
    says({}, "no L1");
    says({{&m_data, "profile"}}, "no L1");
    says({{&m_linux, "linux"}, {&m_multiboot1, "multiboot"}}, "second L1");
    says({{&m_linux, "linux"}, {&m_data, "initramfs"}}, "unknown role 'initramfs'");
    says({{&m_linux, "linux"}, {&m_data, ""}}, "no role");
    says({{&m_linux, "multiboot"}}, "a Linux bzImage in the role multiboot");
    says({{&m_multiboot2, "linux"}}, "a multiboot image in the role linux");
    says({{&m_data, "linux"}}, "not a Linux bzImage");
    says({{&m_data, "multiboot"}}, "no multiboot header");
    says({{&m_multiboot2, "multiboot1"}}, "no multiboot 1 header");
    says({{&m_linux, "linux"}, {&m_data, "initrd"}, {&m_data, "initrd"}}, "second initrd");
    says({{&m_multiboot1, "multiboot"}, {&m_data, "initrd"}}, "but the L1 is a multiboot image");
    says({{&m_linux, "linux"}, {&m_data, "module"}}, "but the L1 is Linux");
    says({{&m_linux, "linux"}, {&m_empty, "initrd"}}, "the file is empty");
}

} // namespace
} // namespace shadowtune::l1
