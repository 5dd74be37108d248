#pragma once

// The shadow VMCS of one vCPU: what L1's untrapped VMREAD and VMWRITE work on. It exists from VMXON to
// VMXOFF.
//
// By the SDM a VMCS's data lie in its region only after VMCLEAR (Vol. 3C, 25.11.1), and the region that a
// VMCS link pointer names is used by the processor from memory; so every change made here ends with VMCLEAR
// before L1 runs. SDM Vol. 3C, 25.10 "VMCS Types: Ordinary and Shadow" (edition 325462-087).
//
// `Hardware` is vmx::Hardware, or a model of it in tests.

#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/nested/vmcs12.hpp"
#include "hypervisor/shadow/sync_list.hpp"
#include "hypervisor/vmx/controls.hpp"
#include "vmcs/field_set.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::shadow {

class ShadowVmcs {
public:
    // `region`: 4 KiB of L0's, kept for this vCPU from start. VMXON begins its life.
    template <typename Hardware>
    void create(Hardware& hardware, std::uint64_t region, std::uint32_t revision) {
        m_region = region;
        __builtin_memset(memory::at_physical<void>(region), 0, memory::page_size);
        *memory::at_physical<std::uint32_t>(region) = revision | vmx::shadow_vmcs_indicator;
        hardware.clear(region);
        m_exists = true;
        m_active = false;
        m_holds.reset();
    }
    template <typename Hardware>
    void destroy(Hardware& hardware) {
        if (!m_exists) return;
        hardware.clear(m_region);
        m_exists = false;
        m_active = false;
    }

    [[nodiscard]] std::uint64_t region() const { return m_region; }
    [[nodiscard]] bool exists() const { return m_exists; }

    // vmcs12 to shadow: writes the fields whose value the shadow does not hold yet. Leaves no VMCS current.
    template <typename Hardware>
    void fill(Hardware& hardware, const vmcs::FieldSet& fields, const nested::Vmcs12& vmcs12) {
        fields.for_each([&](vmcs::FieldIndex field) {
            const std::uint64_t value{vmcs12.get(field)};
            if (m_holds.test(field) && m_value[field] == value) return;
            m_holds.set(field);
            m_value[field] = value;
            write(hardware, vmcs::catalogue[field].encoding, value);
        });
        settle(hardware);
    }

    // The same in one pass for the common exit of L2: `list`, which all lies in vmcs02, goes from there to
    // vmcs12 and to the shadow, which holds some value of each. vmcs02 must be current. vmcs12's in_vmcs02()
    // is the caller's.
    template <typename Hardware>
    [[gnu::always_inline]] void deliver(Hardware& hardware, const SyncList& list, nested::Vmcs12& vmcs12) {
        deliver(hardware, list, vmcs12, [](const auto&) {});
    }
    // And `others`, which are in vmcs12.
    template <typename Hardware>
    [[gnu::noinline]] void deliver_with(Hardware& hardware, const SyncList& list,
                                        const vmcs::FieldSet& others, nested::Vmcs12& vmcs12) {
        deliver(hardware, list, vmcs12, [&](const auto& compare) {
            others.for_each([&](vmcs::FieldIndex field) {
                compare({vmcs::catalogue[field].encoding, field}, vmcs12.get(field));
            });
        });
    }

    // Shadow to vmcs12: reads the fields that L1 may have written and marks those that changed. Leaves the
    // shadow VMCS current and active; fill(), deliver() or settle() must come before L1 runs again.
    template <typename Hardware>
    void collect(Hardware& hardware, const SyncList& list, nested::Vmcs12& vmcs12) {
        if (list.fields().empty()) return;
        hardware.make_current(m_region);
        m_active = true;
        m_sync_reads += list.fields().size();
        hardware.read_all(list.fields(), [&](const SyncField& field, std::uint64_t value) {
            m_value[field.index] = value;
            if (value != vmcs12.get(field.index)) vmcs12.write(field.index, value);
        });
    }

    // VMCLEARs after a collect() that neither fill() nor deliver() follows.
    template <typename Hardware>
    void settle(Hardware& hardware) {
        if (!m_active) return;
        hardware.clear(m_region);
        m_active = false;
    }

    // VMREADs and VMWRITEs of the two copies.
    [[nodiscard]] std::uint64_t sync_reads() const { return m_sync_reads; }
    [[nodiscard]] std::uint64_t sync_writes() const { return m_sync_writes; }
    void restore_counts(std::uint64_t reads, std::uint64_t writes) {
        m_sync_reads = reads;
        m_sync_writes = writes;
    }

private:
    // `compare_others(compare)`: compare(field, value) for those that are not of the list.
    template <typename Hardware, typename CompareOthers>
    [[gnu::always_inline]] void deliver(Hardware& hardware, const SyncList& list, nested::Vmcs12& vmcs12,
                                        CompareOthers compare_others) {
        SyncField changed[vmcs::field_count];
        std::size_t count{0};
        const auto compare{[&](const SyncField& field, std::uint64_t value) {
            if (m_value[field.index] != value) changed[count++] = field;
        }};
        hardware.read_all(list.fields(), [&](const SyncField& field, std::uint64_t value) {
            vmcs12.store(field.index, value);
            compare(field, value);
        });
        compare_others(compare);
        for (std::size_t i{0}; i < count; ++i) {
            const std::uint64_t value{vmcs12.get(changed[i].index)};
            m_value[changed[i].index] = value;
            write(hardware, changed[i].encoding, value);
        }
        settle(hardware);
    }

    template <typename Hardware>
    void write(Hardware& hardware, vmcs::Encoding encoding, std::uint64_t value) {
        hardware.make_current(m_region);
        m_active = true;
        hardware.write(encoding, value);
        ++m_sync_writes;
    }

    std::uint64_t m_region{0};
    bool m_exists{false};
    bool m_active{false};
    vmcs::FieldSet m_holds{}; // fields whose value in the shadow is m_value
    std::uint64_t m_value[vmcs::field_count]{};
    std::uint64_t m_sync_reads{0};
    std::uint64_t m_sync_writes{0};
};

} // namespace shadowtune::shadow
