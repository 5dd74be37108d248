#pragma once

// L1's current VMCS. Its region lies in L1's memory in our own format; while it is current, L0 works on this
// copy, as a processor would: what L1 does to the region meanwhile has no effect (SDM Vol. 3C, 25.11.1
// "Software Use of Virtual- Machine Control Structures", edition 325462-087), and a value that was checked
// cannot change before it is used.
//
// A value is in one of two places: here, or still in vmcs02 where the processor left it at L2's last exit.
// Fields that L1 does not look at are never moved.

#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/nested/dirty_groups.hpp"
#include "hypervisor/nested/vmcs12_values.hpp"
#include "vmcs/field_set.hpp"

#include <cstdint>

namespace shadowtune::nested {

inline constexpr std::uint64_t no_vmcs12{~std::uint64_t{0}};

class Vmcs12 {
public:
    [[nodiscard]] std::uint64_t address() const { return m_address; }
    [[nodiscard]] bool is_current() const { return m_address != no_vmcs12; }
    void forget() { m_address = no_vmcs12; }

    // VMPTRLD: takes the region's contents over. Every field counts as changed.
    void load(const memory::L1Memory& memory, std::uint64_t address, const vmcs::FieldSet& offered);
    // A saved one: as it was, here and in vmcs02.
    void restore(std::uint64_t address, const Vmcs12Values& values, const vmcs::FieldSet& in_vmcs02,
                 const vmcs::FieldSet& dirty);
    void restore_is_shadow(bool is_shadow) { m_is_shadow = is_shadow; }
    // VMCLEAR, VMXOFF or another VMPTRLD: writes them back. Nothing may be in vmcs02 any more.
    void store(const memory::L1Memory& memory) const;

    [[nodiscard]] std::uint64_t get(vmcs::Field field) const { return m_values.get(field); }
    [[nodiscard]] std::uint32_t get32(vmcs::Field field) const { return m_values.get32(field); }
    [[nodiscard]] std::uint64_t get(vmcs::FieldIndex field) const { return m_values.values[field]; }
    [[nodiscard]] const Vmcs12Values& values() const { return m_values; }

    // L1 wrote: vmcs02 must follow at the next VM entry, if the value is another.
    void write(vmcs::FieldIndex field, std::uint64_t value) {
        if (m_values.values[field] == value && !m_in_vmcs02.test(field)) return;
        m_values.values[field] = value;
        m_in_vmcs02.clear(field);
        m_dirty.set(field);
        m_dirty_groups = static_cast<DirtyGroups>(m_dirty_groups | dirty_groups_of[field]);
    }

    // A VM exit, or a VMX instruction, left this value: vmcs02 has it already or does not care.
    void leave(vmcs::Field field, std::uint64_t value) {
        fetched(vmcs::index_of(field), value);
        note_moved(vmcs::index_of(field));
    }

    // The value was fetched from vmcs02.
    void fetched(vmcs::FieldIndex field, std::uint64_t value) {
        m_values.values[field] = value;
        m_in_vmcs02.clear(field);
    }

    [[nodiscard]] const vmcs::FieldSet& in_vmcs02() const { return m_in_vmcs02; }
    void left_in_vmcs02(const vmcs::FieldSet& fields) { m_in_vmcs02 |= fields; }

    // Fields that have another value since the shadow VMCS was made to follow: by leave(), or L1 wrote them
    // while it stood aside. What is fetched is not in R, whose fields each exit brings, or the shadow VMCS
    // stands aside.
    [[nodiscard]] bool has_moved() const { return m_has_moved; }
    [[nodiscard]] const vmcs::FieldSet& moved() const { return m_moved; }
    void note_moved(vmcs::FieldIndex field) {
        m_moved.set(field);
        m_has_moved = true;
    }
    void forget_moved() {
        m_moved.reset();
        m_has_moved = false;
    }
    // A value fetched from vmcs02 that the shadow VMCS is given as well, at an exit that leaves just `fields`
    // in vmcs02.
    void store(vmcs::FieldIndex field, std::uint64_t value) { m_values.values[field] = value; }
    void only_left_in_vmcs02(const vmcs::FieldSet& fields) { m_in_vmcs02 = fields; }

    // Of what was fetched before L1 asks for it, the fields that have another value than before; until the
    // next exit.
    void note_changed(const vmcs::FieldSet& fields) { m_changed = fields; }
    [[nodiscard]] bool has_changed(vmcs::FieldIndex field) const { return m_changed.test(field); }

    [[nodiscard]] const vmcs::FieldSet& dirty() const { return m_dirty; }
    // What an entry has to do for the fields in dirty().
    [[nodiscard]] DirtyGroups dirty_groups() const { return m_dirty_groups; }
    void mark_dirty(const vmcs::FieldSet& fields) {
        m_dirty |= fields;
        fields.for_each([&](vmcs::FieldIndex field) {
            m_dirty_groups = static_cast<DirtyGroups>(m_dirty_groups | dirty_groups_of[field]);
        });
    }
    void clean() {
        m_dirty.reset();
        m_dirty_groups = 0;
    }

    bool launched{false}; // the VMCS's launch state (SDM Vol. 3C, 25.11.3)

    // The shadow-VMCS indicator, as it was at VMPTRLD (25.10): such a VMCS cannot be entered.
    [[nodiscard]] bool is_shadow() const { return m_is_shadow; }

private:
    std::uint64_t m_address{no_vmcs12};
    bool m_is_shadow{false};
    Vmcs12Values m_values{};
    vmcs::FieldSet m_in_vmcs02{};
    vmcs::FieldSet m_dirty{};
    vmcs::FieldSet m_moved{};
    vmcs::FieldSet m_changed{};
    DirtyGroups m_dirty_groups{0};
    bool m_has_moved{false};
};

// One field of a VMCS that is not current, in its region.
[[nodiscard]] std::uint64_t read_region_field(const memory::L1Memory& memory, std::uint64_t region,
                                              vmcs::FieldIndex field);
void write_region_field(const memory::L1Memory& memory, std::uint64_t region, vmcs::FieldIndex field,
                        std::uint64_t value);

// Sets the launch state of a region that is not current to "clear" (VMCLEAR).
void clear_vmcs12_region(const memory::L1Memory& memory, std::uint64_t address);

} // namespace shadowtune::nested
