#include "hypervisor/nested/vmcs12.hpp"

#include "hypervisor/vmx/controls.hpp"

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

[[nodiscard]] std::uint64_t address_of(std::uint64_t region, vmcs::FieldIndex field) {
    return region + offsetof(Region, values) + std::uint64_t{field} * sizeof(std::uint64_t);
}

} // namespace

void Vmcs12::load(const memory::L1Memory& memory, std::uint64_t address, const vmcs::FieldSet& offered) {
    m_address = address;
    m_is_shadow = (memory.read32(address + offsetof(Region, revision)) & vmx::shadow_vmcs_indicator) != 0;
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
    clean();
    mark_dirty(offered);
}

void Vmcs12::restore(std::uint64_t address, const Vmcs12Values& values, const vmcs::FieldSet& in_vmcs02,
                     const vmcs::FieldSet& dirty) {
    m_address = address;
    m_values = values;
    m_in_vmcs02 = in_vmcs02;
    clean();
    mark_dirty(dirty);
}

void Vmcs12::store(const memory::L1Memory& memory) const {
    const std::uint32_t state{launched ? 1U : 0U};
    memory.write(m_address + offsetof(Region, launched), &state, sizeof(state));
    const std::uint32_t version{vmcs::catalogue_version};
    memory.write(m_address + offsetof(Region, catalogue_version), &version, sizeof(version));
    memory.write(m_address + offsetof(Region, values), m_values.values, sizeof(m_values.values));
}

std::uint64_t read_region_field(const memory::L1Memory& memory, std::uint64_t region,
                                vmcs::FieldIndex field) {
    return memory.read64(address_of(region, field)) & vmcs::value_mask(vmcs::catalogue[field].width);
}

void write_region_field(const memory::L1Memory& memory, std::uint64_t region, vmcs::FieldIndex field,
                        std::uint64_t value) {
    memory.write64(address_of(region, field), value);
}

void clear_vmcs12_region(const memory::L1Memory& memory, std::uint64_t address) {
    const std::uint32_t clear{0};
    memory.write(address + offsetof(Region, launched), &clear, sizeof(clear));
}

} // namespace shadowtune::nested
