#pragma once

// The shadow VMCS of one vCPU: what L1's untrapped VMREAD and VMWRITE work on. It exists from VMXON to
// VMXOFF.
//
// By the SDM a VMCS's data lie in its region only after VMCLEAR (Vol. 3C, 25.11.1), and the region that a
// VMCS link pointer names is used by the processor from memory; so every change made here ends with VMCLEAR
// before L1 runs. SDM Vol. 3C, 25.10 "VMCS Types: Ordinary and Shadow" (edition 325462-087).

#include "hypervisor/nested/vmcs12.hpp"
#include "hypervisor/vmx/hardware.hpp"
#include "vmcs/field_set.hpp"

#include <cstdint>

namespace shadowtune::shadow {

class ShadowVmcs {
public:
    // `region`: 4 KiB of L0's, kept for this vCPU from start. VMXON begins its life.
    void create(vmx::Hardware& hardware, std::uint64_t region, std::uint32_t revision);
    void destroy(vmx::Hardware& hardware);

    [[nodiscard]] std::uint64_t region() const { return m_region; }
    [[nodiscard]] bool exists() const { return m_exists; }

    // vmcs12 to shadow: writes the fields whose value the shadow does not hold yet. Leaves no VMCS current.
    void fill(vmx::Hardware& hardware, const vmcs::FieldSet& fields, const nested::Vmcs12& vmcs12);

    // Shadow to vmcs12: reads the fields that L1 may have written and marks those that changed. Leaves the
    // shadow VMCS current and active; fill() or settle() must come before L1 runs again.
    void collect(vmx::Hardware& hardware, const vmcs::FieldSet& fields, nested::Vmcs12& vmcs12);

    // VMCLEARs after a collect() that no fill() follows.
    void settle(vmx::Hardware& hardware);

    // VMREADs and VMWRITEs of the two copies.
    [[nodiscard]] std::uint64_t sync_reads() const { return m_sync_reads; }
    [[nodiscard]] std::uint64_t sync_writes() const { return m_sync_writes; }
    void restore_counts(std::uint64_t reads, std::uint64_t writes) {
        m_sync_reads = reads;
        m_sync_writes = writes;
    }

private:
    std::uint64_t m_region{0};
    bool m_exists{false};
    bool m_active{false};
    vmcs::FieldSet m_holds{}; // fields whose value in the shadow is m_value
    std::uint64_t m_value[vmcs::field_count]{};
    std::uint64_t m_sync_reads{0};
    std::uint64_t m_sync_writes{0};
};

} // namespace shadowtune::shadow
