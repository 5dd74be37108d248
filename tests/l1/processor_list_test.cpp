#include "hypervisor/boot/processor_list.hpp"
#include "tests/l1/machine.hpp"

#include <gtest/gtest.h>

namespace shadowtune::boot {
namespace {

using l1::test::append;
using l1::test::Bytes;
using l1::test::put;

// The firmware's tables in a memory of 16 KiB.
class Firmware {
public:
    Firmware() : m_memory(0x4000) {}

    static void fix_sum(Bytes& bytes, std::size_t at) {
        bytes[at] = 0;
        std::uint8_t sum{0};
        for (const std::uint8_t byte : bytes)
            sum = static_cast<std::uint8_t>(sum + byte);
        bytes[at] = static_cast<std::uint8_t>(-sum);
    }

    void table(std::size_t address, const std::string& signature, const Bytes& body) {
        Bytes table(36);
        std::copy(signature.begin(), signature.end(), table.begin());
        table.insert(table.end(), body.begin(), body.end());
        put(table, 4, static_cast<std::uint32_t>(table.size()));
        fix_sum(table, 9);
        std::copy(table.begin(), table.end(), m_memory.begin() + static_cast<std::ptrdiff_t>(address));
    }

    [[nodiscard]] static AcpiRsdp old_rsdp(std::uint32_t rsdt) {
        Bytes bytes(20);
        put(bytes, 16, rsdt);
        fix_sum(bytes, 8);
        return rsdp_of(bytes);
    }
    [[nodiscard]] static AcpiRsdp new_rsdp(std::uint64_t xsdt) {
        Bytes bytes(36);
        put(bytes, 24, xsdt);
        fix_sum(bytes, 32);
        return rsdp_of(bytes);
    }

    [[nodiscard]] Result<ProcessorList, BootError> list(const AcpiRsdp& old_rsdp, const AcpiRsdp& new_rsdp) {
        return list_processors(old_rsdp, new_rsdp, {&access, this});
    }

    Bytes m_memory;

private:
    [[nodiscard]] static AcpiRsdp rsdp_of(const Bytes& bytes) {
        AcpiRsdp rsdp{};
        rsdp.size = bytes.size();
        std::copy(bytes.begin(), bytes.end(), rsdp.bytes);
        return rsdp;
    }
    static std::span<const std::uint8_t> access(void* context, std::uint64_t address, std::uint64_t size) {
        const auto& memory{static_cast<Firmware*>(context)->m_memory};
        if (address > memory.size() || size > memory.size() - address) return {};
        return {memory.data() + address, size};
    }
};

void add_local_apic(Bytes& body, std::uint8_t id, std::uint32_t flags) {
    append(body, std::uint8_t{0});
    append(body, std::uint8_t{8});
    append(body, std::uint8_t{77}); // the ACPI processor's id, which is no APIC id
    append(body, id);
    append(body, flags);
}

void add_x2apic(Bytes& body, std::uint32_t id, std::uint32_t flags) {
    append(body, std::uint8_t{9});
    append(body, std::uint8_t{16});
    append(body, std::uint16_t{0});
    append(body, id);
    append(body, flags);
    append(body, std::uint32_t{1});
}

[[nodiscard]] Bytes madt_begin() {
    Bytes body;
    append(body, std::uint32_t{0xFEE0'0000});
    append(body, std::uint32_t{1});
    return body;
}

[[nodiscard]] Bytes pointer(std::uint32_t address) {
    Bytes body;
    append(body, std::uint32_t{0x200}); // another table first
    append(body, address);
    return body;
}

class ProcessorListTest : public ::testing::Test {
protected:
    ProcessorListTest() {
        firmware.table(0x100, "RSDT", pointer(0x1000));
        firmware.table(0x200, "FACP", Bytes(100));
    }

    [[nodiscard]] Result<ProcessorList, BootError> list_of(const Bytes& madt) {
        firmware.table(0x1000, "APIC", madt);
        return firmware.list(Firmware::old_rsdp(0x100), {});
    }

    Firmware firmware{};
};

TEST_F(ProcessorListTest, NamesTheEnabledOnesInOrder) {
    Bytes madt{madt_begin()};
    add_local_apic(madt, 0, 1);
    add_local_apic(madt, 4, 1);
    append(madt, std::uint8_t{1}); // an I/O APIC between them
    append(madt, std::uint8_t{12});
    madt.resize(madt.size() + 10);
    add_local_apic(madt, 2, 1);
    add_local_apic(madt, 6, 0);
    add_local_apic(madt, 255, 2); // may be enabled later: not now
    const auto list{list_of(madt)};
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list.value().count, 3U);
    EXPECT_EQ(list.value().apic_ids[0], 0U);
    EXPECT_EQ(list.value().apic_ids[1], 4U);
    EXPECT_EQ(list.value().apic_ids[2], 2U);
    EXPECT_EQ(list.value().not_enabled, 2U);
    EXPECT_EQ(list.value().local_apic, 0xFEE0'0000U);
}

TEST_F(ProcessorListTest, KnowsX2apicIdsAndNamesNoneTwice) {
    Bytes madt{madt_begin()};
    add_local_apic(madt, 3, 1);
    add_x2apic(madt, 3, 1);
    add_x2apic(madt, 300, 1);
    const auto list{list_of(madt)};
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list.value().count, 2U);
    EXPECT_EQ(list.value().apic_ids[1], 300U);
}

TEST_F(ProcessorListTest, CountsWhatIsTooMuch) {
    Bytes madt{madt_begin()};
    for (std::uint32_t id{0}; id < ProcessorList::capacity + 5; ++id)
        add_x2apic(madt, id, 1);
    const auto list{list_of(madt)};
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list.value().count, ProcessorList::capacity);
    EXPECT_EQ(list.value().too_many, 5U);
}

TEST_F(ProcessorListTest, PrefersTheXsdt) {
    Bytes body;
    append(body, std::uint64_t{0x1000});
    firmware.table(0x300, "XSDT", body);
    Bytes madt{madt_begin()};
    add_local_apic(madt, 9, 1);
    firmware.table(0x1000, "APIC", madt);
    const auto list{firmware.list(Firmware::old_rsdp(0), Firmware::new_rsdp(0x300))};
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list.value().apic_ids[0], 9U);
    // Without one that can be read the RSDT serves.
    EXPECT_TRUE(firmware.list(Firmware::old_rsdp(0x100), Firmware::new_rsdp(0x3F00)).ok());
}

TEST_F(ProcessorListTest, StopsAtAStructureThatIsNone) {
    Bytes madt{madt_begin()};
    add_local_apic(madt, 1, 1);
    append(madt, std::uint8_t{0}); // length 0 would never end
    append(madt, std::uint8_t{0});
    add_local_apic(madt, 2, 1);
    const auto list{list_of(madt)};
    ASSERT_TRUE(list.ok());
    EXPECT_EQ(list.value().count, 1U);
}

TEST_F(ProcessorListTest, RefusesWhatCannotBeTrusted) {
    EXPECT_FALSE(firmware.list({}, {}).ok());
    EXPECT_FALSE(firmware.list(Firmware::old_rsdp(0x100), {}).ok()) << "there is no MADT yet";
    Bytes madt{madt_begin()};
    add_local_apic(madt, 1, 1);
    ASSERT_TRUE(list_of(madt).ok());
    ++firmware.m_memory[0x1000 + 50];
    EXPECT_FALSE(firmware.list(Firmware::old_rsdp(0x100), {}).ok()) << "wrong sum";
    --firmware.m_memory[0x1000 + 50];
    AcpiRsdp rsdp{Firmware::old_rsdp(0x100)};
    ++rsdp.bytes[0];
    EXPECT_FALSE(firmware.list(rsdp, {}).ok()) << "wrong sum of the RSDP";
    EXPECT_FALSE(firmware.list(Firmware::old_rsdp(0x4000), {}).ok()) << "behind the end";
    put(firmware.m_memory, 0x1004, std::uint32_t{0xFFFF'FFFF});
    EXPECT_FALSE(firmware.list(Firmware::old_rsdp(0x100), {}).ok()) << "a length that cannot be";
}

} // namespace
} // namespace shadowtune::boot
