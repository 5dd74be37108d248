#include "hypervisor/boot/processor_list.hpp"
#include "lab/xen/acpi_tables.hpp"
#include "lab/xen/words.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <span>
#include <string>

namespace shadowtune::xen {
namespace {

constexpr std::uint64_t address{0x9'F000};

[[nodiscard]] std::span<const std::uint8_t> at_address(void* context, std::uint64_t at, std::uint64_t size) {
    const auto& tables{*static_cast<const AcpiTables*>(context)};
    if (at < address || at + size > address + sizeof(tables.bytes)) return {};
    return {tables.bytes + (at - address), size};
}

template <typename Number>
[[nodiscard]] Number number_in(std::span<const std::uint8_t> bytes, std::size_t offset) {
    Number number{};
    std::memcpy(&number, bytes.subspan(offset, sizeof(number)).data(), sizeof(number));
    return number;
}

class AcpiTablesTest : public testing::Test {
protected:
    // By the table's own length.
    [[nodiscard]] std::span<const std::uint8_t> table(std::uint64_t at) {
        return at_address(&m_tables, at, number_in<std::uint32_t>(at_address(&m_tables, at, 36), 4));
    }
    [[nodiscard]] static unsigned sum_of(std::span<const std::uint8_t> bytes) {
        return std::accumulate(bytes.begin(), bytes.end(), 0U) & 0xFF;
    }

    AcpiTables m_tables{make_acpi_tables(address)};
};

TEST_F(AcpiTablesTest, TheVmmsOwnReaderFindsTheOneProcessor) {
    boot::AcpiRsdp root{};
    root.size = 36;
    std::copy_n(m_tables.bytes, root.size, root.bytes);
    EXPECT_EQ(sum_of({root.bytes, 20}), 0U) << "the checksum of a root pointer's first version";
    const auto list{boot::list_processors({}, root, {&at_address, &m_tables})};
    ASSERT_TRUE(static_cast<bool>(list));
    const boot::ProcessorList& processors{list.value()};
    EXPECT_EQ(processors.count, 1U);
    EXPECT_EQ(processors.apic_ids[0], 0U);
    EXPECT_EQ(processors.local_apic, 0xFEE0'0000U);
}

TEST_F(AcpiTablesTest, TheFixedTableSaysThatThereIsNoLegacyHardware) {
    const std::span<const std::uint8_t> root{m_tables.bytes, 36};
    const auto pointers{table(number_in<std::uint64_t>(root, 24))};
    const auto fixed{table(number_in<std::uint64_t>(pointers, 36))};
    ASSERT_EQ(std::string(fixed.begin(), fixed.begin() + 4), "FACP");
    EXPECT_EQ(sum_of(fixed), 0U);
    EXPECT_EQ(number_in<std::uint32_t>(fixed, 112) >> 20 & 1, 1U) << "HW_REDUCED_ACPI";
    const auto code{table(number_in<std::uint64_t>(fixed, 140))};
    EXPECT_EQ(number_in<std::uint32_t>(fixed, 40), number_in<std::uint64_t>(fixed, 140));
    ASSERT_EQ(std::string(code.begin(), code.begin() + 4), "DSDT");
    EXPECT_EQ(sum_of(code), 0U);
}

TEST(XenWords, NumbersAreReadFromACommandLine) {
    constexpr std::string_view line{"wait=1 memory=112 -- console=hvc0 rounds=7"};
    EXPECT_EQ(number_of(line, "memory=", 5), 112U);
    EXPECT_EQ(number_of(line, "rounds=", 5), 7U);
    EXPECT_EQ(number_of(line, "trips=", 5), 5U);
    EXPECT_EQ(number_of(line, "console=", 5), 5U) << "a word that is no number";
    EXPECT_EQ(number_of("", "trips=", 5), 5U);
    EXPECT_EQ(after(line, " -- "), "console=hvc0 rounds=7");
    EXPECT_TRUE(after("wait=1", " -- ").empty());
}

} // namespace
} // namespace shadowtune::xen
