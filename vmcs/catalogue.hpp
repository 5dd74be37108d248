#pragma once

// The one list of VMCS fields. VMM, link, database, tuner, tools and GUI take names, numbers and rules from
// here.

#include "vmcs/field.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shadowtune::vmcs {

// The control or processor feature without which a field does not exist (SDM Vol. 3D, Appendix B, footnotes).
enum class Capability : std::uint8_t {
    always,
    apic_timer_virtualization,
    bndcfgs,
    cet,
    encls_exiting,
    enclv_exiting,
    ept,
    ept_violation_ve,
    eptp_switching,
    fred,
    hlat,
    instruction_timeout,
    io_bitmaps,
    ipi_virtualization,
    lbr,
    load_efer,
    load_pat,
    load_perf_global_ctrl,
    msr_bitmaps,
    msrlist,
    page_modification_logging,
    pasid_translation,
    pause_loop_exiting,
    pconfig,
    pkrs,
    posted_interrupts,
    preemption_timer,
    processor_trace,
    seam,
    secondary_controls,
    secondary_vm_exit_controls,
    spec_ctrl_virtualization,
    sub_page_permissions,
    tertiary_controls,
    tpr_shadow,
    tsc_scaling,
    user_interrupts,
    virtual_interrupt_delivery,
    virtualize_apic_accesses,
    vm_functions,
    vmcs_shadowing,
    vpid,
    xsaves,
};

// What a profile may do with a field. Reads that may be shadowed need no reason; the others carry theirs in
// the name.
enum class Shadowing : std::uint8_t {
    // Reads and writes may be shadowed.
    read_write,
    // L0 keeps state behind the value (a merged bitmap, a composed table, a mapped VPID): it must see each
    // write.
    read_only_l0_state,
    // Whether VMWRITE keeps the reserved bits of access rights (SDM Vol. 3C, Table 25-2) is the processor's
    // own
    // affair; L0 keeps them until the entry checks them, so that a shadowed write might read back otherwise.
    read_only_reserved_bits,
    // L0 itself changes the field whenever it emulates a VMX instruction: a shadow copy would be stale at
    // once.
    never_vmx_instruction,
};

[[nodiscard]] constexpr bool may_shadow_read(Shadowing rule) {
    return rule != Shadowing::never_vmx_instruction;
}
[[nodiscard]] constexpr bool may_shadow_write(Shadowing rule) {
    return rule == Shadowing::read_write;
}

// Why a rule forbids something; empty for read_write. For error lines and reports.
[[nodiscard]] std::string_view constexpr reason(Shadowing rule) {
    switch (rule) {
    case Shadowing::read_write: return {};
    case Shadowing::read_only_l0_state: return "L0 keeps state behind the value and must see each write";
    case Shadowing::read_only_reserved_bits:
        return "reserved bits of access rights must be masked at each write";
    case Shadowing::never_vmx_instruction: return "L0 changes it while it emulates VMX instructions";
    }
    return {};
}

struct FieldInfo {
    Encoding encoding; // of the full field
    Width width;
    Type type;
    Capability capability;
    Shadowing shadowing;
    std::string_view symbol; // the SDM's name in snake case; unique, stable, for command lines and files
    std::string_view name;   // the SDM's name, for people

    [[nodiscard]] constexpr bool has_high_half() const { return width == Width::bits64; }
};

// Symbolic encodings: Field::guest_rip is 0x681E.
enum class Field : Encoding {
#define SHADOWTUNE_FIELD(symbol, encoding, name, width, type, index, capability, shadowing)                  \
    symbol = encode(Width::width, Type::type, index),
#include "vmcs/fields.def"
#undef SHADOWTUNE_FIELD
};

inline constexpr std::array catalogue{
#define SHADOWTUNE_FIELD(symbol, encoding, name, width, type, index, capability, shadowing)                  \
    FieldInfo{encode(Width::width, Type::type, index),                                                       \
              Width::width,                                                                                  \
              Type::type,                                                                                    \
              Capability::capability,                                                                        \
              Shadowing::shadowing,                                                                          \
              #symbol,                                                                                       \
              name},
#include "vmcs/fields.def"
#undef SHADOWTUNE_FIELD
};

#define SHADOWTUNE_FIELD(symbol, encoding, name, width, type, index, capability, shadowing)                  \
    static_assert(encode(Width::width, Type::type, index) == (encoding),                                     \
                  #symbol " has another encoding in the SDM");
#include "vmcs/fields.def"
#undef SHADOWTUNE_FIELD

inline constexpr std::size_t field_count{catalogue.size()};

// A field's place in the catalogue, 0 to field_count - 1, in ascending order of encoding. Stable for one
// catalogue_version: files and frames carry the version beside the indices.
using FieldIndex = std::uint16_t;
inline constexpr FieldIndex no_field{0xFFFF};

namespace detail {

// width (2 bits), type (2 bits) and the index's low 6 bits; no known index is larger than 63.
[[nodiscard]] constexpr std::size_t slot(Encoding encoding) {
    return (static_cast<std::size_t>(width_of(encoding)) << 8) |
           (static_cast<std::size_t>(type_of(encoding)) << 6) | (index_of(encoding) & 63U);
}

[[nodiscard]] constexpr auto build_lookup() {
    std::array<FieldIndex, 1024> table{};
    for (auto& entry : table)
        entry = no_field;
    for (std::size_t i{0}; i < field_count; ++i)
        table[slot(catalogue[i].encoding)] = static_cast<FieldIndex>(i);
    return table;
}

inline constexpr auto lookup{build_lookup()};

[[nodiscard]] constexpr bool is_strictly_ascending() {
    for (std::size_t i{1}; i < field_count; ++i) {
        if (catalogue[i - 1].encoding >= catalogue[i].encoding) return false;
    }
    return true;
}

[[nodiscard]] constexpr std::size_t count_high_halves() {
    std::size_t count{0};
    for (const auto& field : catalogue)
        count += field.has_high_half() ? 1U : 0U;
    return count;
}

// FNV-1a over encodings and rules: two builds with the same version agree on every index and every rule.
[[nodiscard]] constexpr std::uint32_t hash_catalogue() {
    std::uint32_t hash{2166136261U};
    for (const auto& field : catalogue) {
        for (const unsigned byte : {field.encoding & 0xFFU, static_cast<unsigned>(field.encoding >> 8),
                                    static_cast<unsigned>(field.shadowing)}) {
            hash = (hash ^ byte) * 16777619U;
        }
    }
    return hash;
}

} // namespace detail

static_assert(detail::is_strictly_ascending());
inline constexpr std::size_t high_half_count{detail::count_high_halves()};
static_assert(field_count == 206 && high_half_count == 78);
inline constexpr std::uint32_t catalogue_version{detail::hash_catalogue()};

// The field that an operand of VMREAD or VMWRITE names: `operand` is the whole register value. A high half of
// a 64-bit field finds its full field; a high half of any other field, reserved bits and unknown indices find
// nothing.
[[nodiscard]] constexpr FieldIndex find(std::uint64_t operand) {
    if (operand >= encodings_in_bitmap || (operand & 0x1000U) != 0) return no_field;
    const auto encoding{static_cast<Encoding>(operand)};
    if (index_of(encoding) > 63) return no_field;
    const FieldIndex index{detail::lookup[detail::slot(encoding)]};
    if (index == no_field) return no_field;
    if (is_high_half(encoding) && !catalogue[index].has_high_half()) return no_field;
    return index;
}

// A field of the catalogue needs none of find()'s questions.
[[nodiscard]] constexpr FieldIndex index_of(Field field) {
    return detail::lookup[detail::slot(static_cast<Encoding>(field))];
}
[[nodiscard]] constexpr const FieldInfo& info(Field field) {
    return catalogue[index_of(field)];
}
[[nodiscard]] constexpr Encoding encoding_of(Field field) {
    return static_cast<Encoding>(field);
}

// The field of this symbol ("guest_rip"), or no_field.
[[nodiscard]] constexpr FieldIndex find_symbol(std::string_view symbol) {
    for (std::size_t i{0}; i < field_count; ++i) {
        if (catalogue[i].symbol == symbol) return static_cast<FieldIndex>(i);
    }
    return no_field;
}

static_assert(find(0x681E) == index_of(Field::guest_rip) && find(0x681F) == no_field);
static_assert(find(0x2401) == index_of(Field::guest_physical_address));

} // namespace shadowtune::vmcs
