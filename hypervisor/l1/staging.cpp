#include "hypervisor/l1/staging.hpp"

#include "hypervisor/boot/bytes.hpp"

#include <algorithm>

namespace shadowtune::l1 {

using boot::BootError;
using boot::Hex;
using memory::MemoryRange;

Staging::Staging(const L1Request& request) : m_request{request} {
    const auto remember_source = [&](const Image& image) {
        if (m_source_count < boot::max_modules) m_sources[m_source_count++] = image.range;
    };
    remember_source(request.modules.kernel);
    if (request.modules.has_initrd) remember_source(request.modules.initrd);
    for (const Image& image : request.modules.l1_modules())
        remember_source(image);
}

Result<void, BootError> Staging::remember(MemoryRange range) {
    if (m_claim_count == max_claims)
        return Failure{BootError::of("L1 image: more than ", max_claims,
                                     " parts to place; use fewer modules or segments")};
    m_claims[m_claim_count++] = range;
    return {};
}

bool Staging::is_free(MemoryRange range) const {
    return m_request.map.is_ram(range) &&
           std::ranges::none_of(std::span{m_claims, m_claim_count},
                                [&](const MemoryRange& claim) { return claim.overlaps(range); });
}

Result<void, BootError> Staging::claim(std::string_view what, MemoryRange range) {
    if (!is_free(range))
        return Failure{
            BootError::of("L1: ", what, " must lie at ", Hex{range.begin}, "-", Hex{range.end},
                          ", which is not all free RAM; relink the L1, or give the machine more memory")};
    return remember(range);
}

Result<MemoryRange, BootError> Staging::find(std::string_view what, const memory::RoomDemand& demand,
                                             MemoryRange own) {
    MemoryRange obstacles[max_claims + boot::max_modules];
    std::ranges::copy(std::span{m_claims, m_claim_count}, obstacles);

    enum class Overlap : std::uint8_t { nothing, own_source, anything };
    for (const Overlap overlap : {Overlap::nothing, Overlap::own_source, Overlap::anything}) {
        std::size_t count{m_claim_count};
        for (const MemoryRange& source : std::span{m_sources, m_source_count})
            if (overlap == Overlap::nothing || (overlap == Overlap::own_source && source != own))
                obstacles[count++] = source;
        const auto place = memory::find_room(m_request.map, {obstacles, count}, demand);
        if (!place) continue;
        if (const auto done = remember(place.value()); !done) return Failure{done.error()};
        return place.value();
    }
    return Failure{BootError::of("L1: no free RAM for ", what, ", ", demand.size, " bytes in ",
                                 Hex{demand.window.begin}, "-", Hex{demand.window.end},
                                 "; give the machine more memory, or L1 smaller images")};
}

Result<MemoryRange, BootError> Staging::find_low(std::string_view what, std::uint64_t size) {
    if (auto place = find(what, {size, memory::page_size, low_memory, false})) return place;
    return find(what, {size, memory::page_size, {low_memory.begin, memory::four_gib}, false});
}

Result<void, BootError> Staging::copy(const Copy& copy) {
    if (m_copy_count == max_copies)
        return Failure{BootError::of("L1 image: more than ", max_copies,
                                     " parts to move; use fewer modules or segments")};
    m_copies[m_copy_count++] = copy;
    return {};
}

Result<void, BootError> Staging::zero(MemoryRange range) {
    if (range.empty()) return {};
    if (m_zero_count == max_copies)
        return Failure{
            BootError::of("L1 image: more than ", max_copies, " parts to clear; use fewer segments")};
    m_zeroes[m_zero_count++] = range;
    return {};
}

// Free RAM clear of every source and claim, as large as could ever be needed if there is so much, else half
// and so on.
MemoryRange Staging::scratch() const {
    MemoryRange obstacles[max_claims + boot::max_modules];
    auto end = std::ranges::copy(std::span{m_claims, m_claim_count}, obstacles).out;
    end = std::ranges::copy(std::span{m_sources, m_source_count}, end).out;
    std::uint64_t size{0};
    for (const Copy& copy : std::span{m_copies, m_copy_count})
        size += copy.size;
    for (; size >= memory::page_size; size /= 2) {
        const auto place =
            memory::find_room(m_request.map, {obstacles, end},
                              {size, memory::page_size, {low_memory.end, memory::four_gib}, true});
        if (place) return place.value();
    }
    return {};
}

Result<void, BootError> Staging::move() {
    const auto plan = plan_copies({m_copies, m_copy_count}, scratch());
    if (!plan) return Failure{plan.error()};
    // First look at everything, then touch anything.
    for (const Copy& step : plan.value().view())
        for (const MemoryRange& range : {step.source_range(), step.destination_range()})
            if (const auto opened = open(range); !opened) return Failure{opened.error()};
    for (const MemoryRange& claim : std::span{m_claims, m_claim_count})
        if (const auto opened = open(claim); !opened) return Failure{opened.error()};

    for (const Copy& step : plan.value().view()) {
        const auto source = open(step.source_range());
        const auto destination = open(step.destination_range());
        __builtin_memmove(destination.value().data(), source.value().data(), step.size);
    }
    // Only now: what is cleared may have been a source.
    for (const MemoryRange& range : std::span{m_zeroes, m_zero_count}) {
        const auto bytes = open(range);
        __builtin_memset(bytes.value().data(), 0, bytes.value().size());
    }
    return {};
}

Result<std::span<std::uint8_t>, BootError> Staging::open(MemoryRange range) const {
    const auto bytes = m_request.memory.range(range.begin, range.size());
    if (range.empty() || bytes.size() != range.size())
        return Failure{BootError::of("L1: the memory at ", Hex{range.begin}, "-", Hex{range.end},
                                     " cannot be reached; check the firmware's memory map")};
    return bytes;
}

Result<void, BootError> Staging::write_gdt(MemoryRange page, L1Entry& entry) const {
    const auto bytes = open(page);
    if (!bytes) return Failure{bytes.error()};
    // Segment descriptors, SDM volume 3A, section 3.4.5 (325462-087, March 2025): base 0, limit 4 GiB,
    // present, ring 0.
    boot::ByteWriter writer{bytes.value()};
    writer.u64(0);
    writer.u64(0);
    writer.u64(0x00cf'9b00'0000'ffff); // code, execute/read, accessed
    writer.u64(0x00cf'9300'0000'ffff); // data, read/write, accessed
    entry.gdt_base = static_cast<std::uint32_t>(page.begin);
    entry.esp = static_cast<std::uint32_t>(page.end);
    return {};
}

void set_name(L1Entry& entry, std::string_view text) {
    std::size_t length{0};
    for (const char c : text.substr(0, L1Entry::name_capacity))
        entry.name[length++] = c < ' ' || c > '~' ? '?' : c;
    entry.name[length] = 0;
}

} // namespace shadowtune::l1
