#include "hypervisor/nested/vmcs12.hpp"

#include <cstddef>

namespace shadowtune::nested {

namespace {

// What lies in L1's memory. The first 8 bytes are the SDM's (Vol. 3C, Table 25-1), the rest is ours.
struct Region {
    std::uint32_t revision;
    std::uint32_t abort_indicator;
    std::uint32_t launched;
    std::uint32_t catalogue_version;
    std::uint64_t values[vmcs::field_count];
};
static_assert(sizeof(Region) <= 4096);

} // namespace

void Vmcs12::load(const memory::L1Memory& memory, std::uint64_t address, const vmcs::FieldSet& offered) {
    m_address = address;
    std::uint32_t was_launched{};
    memory.read(address + offsetof(Region, launched), &was_launched, sizeof(was_launched));
    launched = was_launched == 1;
    memory.read(address + offsetof(Region, values), m_values.values, sizeof(m_values.values));
    // L1 may have left anything there; a field holds no more bits than its width, and one not offered holds
    // none.
    for (std::size_t i{0}; i < vmcs::field_count; ++i) {
        const bool is_offered{offered.test(static_cast<vmcs::FieldIndex>(i))};
        m_values.values[i] = is_offered ? m_values.values[i] & vmcs::value_mask(vmcs::catalogue[i].width) : 0;
    }
    m_in_vmcs02.reset();
    m_dirty = offered;
}

void Vmcs12::store(const memory::L1Memory& memory) const {
    const std::uint32_t state{launched ? 1U : 0U};
    memory.write(m_address + offsetof(Region, launched), &state, sizeof(state));
    const std::uint32_t version{vmcs::catalogue_version};
    memory.write(m_address + offsetof(Region, catalogue_version), &version, sizeof(version));
    memory.write(m_address + offsetof(Region, values), m_values.values, sizeof(m_values.values));
}

void clear_vmcs12_region(const memory::L1Memory& memory, std::uint64_t address) {
    const std::uint32_t clear{0};
    memory.write(address + offsetof(Region, launched), &clear, sizeof(clear));
}

} // namespace shadowtune::nested
