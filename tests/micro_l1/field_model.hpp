#pragma once

// What every field of the current VMCS must hold, by the SDM: what L1 wrote, or what the last L2 exit left.

#include "tests/micro_l1/field_rules.hpp"
#include "tests/micro_l1/vmcs_access.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::micro_l1 {

class FieldModel {
public:
    // Finds the fields that the current VMCS has and takes their values over, as set_up_vmcs() left them.
    void discover(const Controls& controls);

    [[nodiscard]] std::size_t size() const { return m_count; }
    [[nodiscard]] bool has(vmcs::Field field) const { return find(field) != nullptr; }

    // VMREAD of the i-th field (or its high half), compared with what is known; what is unknown becomes
    // known.
    void read(std::size_t i, bool high);
    // VMWRITE of a valid random value, with rubbish above the field's width, which VMWRITE must ignore.
    void write(std::size_t i, bool high, Prng& random);
    void read(vmcs::Field field);
    void write(vmcs::Field field, std::uint64_t value);
    // Reads every field.
    void check_all();

    [[nodiscard]] bool has_high_half(std::size_t i) const;
    [[nodiscard]] bool writable(std::size_t i) const { return m_entries[i].writable; }
    [[nodiscard]] std::uint64_t value(vmcs::Field field) const;

    // A VM exit: forgets what is undefined now. Then expect() what this exit defines.
    void after_exit();
    void expect(vmcs::Field field, std::uint64_t value, std::uint64_t known);

    void report(const char* what, std::uint64_t wanted, std::uint64_t got);

    void set_trip(std::uint64_t trip) { m_trip = trip; }
    [[nodiscard]] std::uint64_t errors() const { return m_errors; }
    // FNV-1a over all values that the SDM defines, as they were read: the same script gives the same on every
    // processor with the same fields.
    [[nodiscard]] std::uint64_t hash() const { return m_hash; }

private:
    struct Entry {
        vmcs::Field field;
        std::uint64_t value;
        std::uint64_t known; // bits of value that are certain
        std::uint64_t fixed;
        bool written_last; // by L1, and not by an exit: tells a lost write from a stale read
        bool writable;
    };

    [[nodiscard]] const Entry* find(vmcs::Field field) const;
    [[nodiscard]] Entry* find(vmcs::Field field) {
        return const_cast<Entry*>(static_cast<const FieldModel*>(this)->find(field));
    }
    void read_entry(Entry& entry, bool high);
    void write_entry(Entry& entry, bool high, std::uint64_t value, std::uint64_t rubbish);
    void mismatch(const Entry& entry, bool high, std::uint64_t wanted, std::uint64_t got);

    Controls m_controls;
    Entry m_entries[vmcs::field_count];
    std::uint16_t m_place[vmcs::field_count]; // by FieldIndex: place in m_entries + 1, or 0
    std::size_t m_count;
    std::uint64_t m_trip;
    std::uint64_t m_errors;
    std::uint64_t m_hash;
};

} // namespace shadowtune::micro_l1
