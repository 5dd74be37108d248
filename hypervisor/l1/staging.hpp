#pragma once

// One loading of an L1: first all places are chosen, then everything is moved at once, then small tables are
// written.

#include "hypervisor/l1/copy_plan.hpp"
#include "hypervisor/l1/load.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace shadowtune::l1 {

// Where small tables for L1 go: above the BIOS data area and the 64 KiB that some BIOSes trample on, below
// the VGA.
inline constexpr memory::MemoryRange low_memory{0x1'0000, 0xa'0000};

class Staging {
public:
    explicit Staging(const L1Request& request);

    // Claims exactly this range of RAM for `what`.
    [[nodiscard]] Result<void, boot::BootError> claim(std::string_view what, memory::MemoryRange range);

    // Claims free RAM for `what`: if possible where nothing is that has yet to be moved, else where only
    // `own` (the module that shall go there) is, else over any module; move() then finds an order.
    [[nodiscard]] Result<memory::MemoryRange, boot::BootError>
    find(std::string_view what, const memory::RoomDemand& demand, memory::MemoryRange own = {});

    // The same for a table that is written after move(): in low memory, or anywhere below 4 GiB if that is
    // full.
    [[nodiscard]] Result<memory::MemoryRange, boot::BootError> find_low(std::string_view what,
                                                                        std::uint64_t size);

    // True where the range is RAM that nobody claimed.
    [[nodiscard]] bool is_free(memory::MemoryRange range) const;

    // Both within claimed ranges.
    [[nodiscard]] Result<void, boot::BootError> copy(const Copy& copy);
    [[nodiscard]] Result<void, boot::BootError> zero(memory::MemoryRange range);

    // Does all copies, then all zeroing. Writes nothing where anything is wrong.
    [[nodiscard]] Result<void, boot::BootError> move();

    // After move(): the bytes of a claimed range.
    [[nodiscard]] Result<std::span<std::uint8_t>, boot::BootError> open(memory::MemoryRange range) const;

    // After move(): writes the boot GDT and a small stack into `page` (one page from find_low()) and enters
    // both.
    [[nodiscard]] Result<void, boot::BootError> write_gdt(memory::MemoryRange page, L1Entry& entry) const;

private:
    static constexpr std::size_t max_claims{96};

    [[nodiscard]] Result<void, boot::BootError> remember(memory::MemoryRange range);
    [[nodiscard]] memory::MemoryRange scratch() const;

    const L1Request& m_request;
    memory::MemoryRange m_sources[boot::max_modules]{};
    std::size_t m_source_count{0};
    memory::MemoryRange m_claims[max_claims]{};
    std::size_t m_claim_count{0};
    Copy m_copies[max_copies]{};
    std::size_t m_copy_count{0};
    memory::MemoryRange m_zeroes[max_copies]{};
    std::size_t m_zero_count{0};
};

// Copies `text`, cut to capacity, unprintable bytes replaced.
void set_name(L1Entry& entry, std::string_view text);

} // namespace shadowtune::l1
