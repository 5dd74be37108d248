#include "hypervisor/shadow/shadow_vmcs.hpp"

#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::shadow {

void ShadowVmcs::create(vmx::Hardware& hardware, std::uint64_t region, std::uint32_t revision) {
    m_region = region;
    __builtin_memset(memory::at_physical<void>(region), 0, memory::page_size);
    *memory::at_physical<std::uint32_t>(region) = revision | vmx::shadow_vmcs_indicator;
    hardware.clear(region);
    m_exists = true;
    m_active = false;
    m_holds.reset();
}

void ShadowVmcs::destroy(vmx::Hardware& hardware) {
    if (!m_exists) return;
    hardware.clear(m_region);
    m_exists = false;
    m_active = false;
}

void ShadowVmcs::fill(vmx::Hardware& hardware, const vmcs::FieldSet& fields, const nested::Vmcs12& vmcs12) {
    fields.for_each([&](vmcs::FieldIndex field) {
        const std::uint64_t value{vmcs12.get(field)};
        if (m_holds.test(field) && m_value[field] == value) return;
        hardware.make_current(m_region);
        m_active = true;
        hardware.write(vmcs::catalogue[field].encoding, value);
        ++m_sync_writes;
        m_holds.set(field);
        m_value[field] = value;
    });
    settle(hardware);
}

void ShadowVmcs::collect(vmx::Hardware& hardware, const vmcs::FieldSet& fields, nested::Vmcs12& vmcs12) {
    if (fields.empty()) return;
    hardware.make_current(m_region);
    m_active = true;
    fields.for_each([&](vmcs::FieldIndex field) {
        const std::uint64_t value{hardware.read(vmcs::catalogue[field].encoding)};
        ++m_sync_reads;
        m_holds.set(field);
        m_value[field] = value;
        if (value != vmcs12.get(field)) vmcs12.write(field, value);
    });
}

void ShadowVmcs::settle(vmx::Hardware& hardware) {
    if (!m_active) return;
    hardware.clear(m_region);
    m_active = false;
}

} // namespace shadowtune::shadow
