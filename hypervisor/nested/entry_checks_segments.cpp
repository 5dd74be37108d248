#include "hypervisor/nested/entry_checks_common.hpp"

// SDM Vol. 3C, section 27.3.1.2 "Checks on Guest Segment Registers" (edition 325462-087).

namespace shadowtune::nested::detail {

namespace {

using vmcs::Field;
namespace rights = vmx::access_rights;

struct SegmentFields {
    Field selector;
    Field base;
    Field limit;
    Field rights;
};

constexpr SegmentFields es{Field::guest_es_selector, Field::guest_es_base, Field::guest_es_limit,
                           Field::guest_es_access_rights};
constexpr SegmentFields cs{Field::guest_cs_selector, Field::guest_cs_base, Field::guest_cs_limit,
                           Field::guest_cs_access_rights};
constexpr SegmentFields ss{Field::guest_ss_selector, Field::guest_ss_base, Field::guest_ss_limit,
                           Field::guest_ss_access_rights};
constexpr SegmentFields ds{Field::guest_ds_selector, Field::guest_ds_base, Field::guest_ds_limit,
                           Field::guest_ds_access_rights};
constexpr SegmentFields fs{Field::guest_fs_selector, Field::guest_fs_base, Field::guest_fs_limit,
                           Field::guest_fs_access_rights};
constexpr SegmentFields gs{Field::guest_gs_selector, Field::guest_gs_base, Field::guest_gs_limit,
                           Field::guest_gs_access_rights};
constexpr SegmentFields ldtr{Field::guest_ldtr_selector, Field::guest_ldtr_base, Field::guest_ldtr_limit,
                             Field::guest_ldtr_access_rights};
constexpr SegmentFields tr{Field::guest_tr_selector, Field::guest_tr_base, Field::guest_tr_limit,
                           Field::guest_tr_access_rights};

constexpr std::uint64_t selector_ti{4};
constexpr std::uint64_t selector_rpl{3};

[[nodiscard]] std::uint32_t type_of(const Checked& c, const SegmentFields& segment) {
    return c.get32(segment.rights) & rights::type_mask;
}
[[nodiscard]] bool is_usable(const Checked& c, const SegmentFields& segment) {
    return (c.get32(segment.rights) & rights::unusable) == 0;
}
[[nodiscard]] bool is_unrestricted(const Checked& c) {
    return c.secondary(vmx::secondary::unrestricted_guest);
}

// The rules that every register with a segment in it shares: S, P, reserved bits, granularity against limit.
// Bit 16 is not among them: each register has its own rule for it.
[[nodiscard]] Check check_common_rights(const Checked& c, const SegmentFields& segment, bool is_system) {
    const std::uint32_t value{c.get32(segment.rights)};
    const std::uint32_t limit{c.get32(segment.limit)};
    if (((value & rights::not_system) == 0) != is_system) return refuse(segment.rights, "S bit");
    if ((value & rights::present) == 0) return refuse(segment.rights, "not present");
    if ((value & rights::reserved) != 0) return refuse(segment.rights, "a reserved bit is set");
    const bool granular{(value & rights::granularity) != 0};
    if (granular && (limit & 0xFFFU) != 0xFFFU)
        return refuse(segment.rights, "G with a limit not of whole pages");
    if (!granular && (limit >> 20) != 0) return refuse(segment.rights, "no G with a limit above 1 MiB");
    return {};
}

[[nodiscard]] Check check_v8086(const Checked& c, const SegmentFields& segment) {
    if (c.get(segment.base) != (c.get(segment.selector) & 0xFFFFU) << 4) {
        return refuse(segment.base, "not 16 times the selector in virtual-8086 mode");
    }
    if (c.get32(segment.limit) != 0xFFFF) return refuse(segment.limit, "not FFFFH in virtual-8086 mode");
    if (c.get32(segment.rights) != 0xF3) return refuse(segment.rights, "not F3H in virtual-8086 mode");
    return {};
}

[[nodiscard]] Check check_cs(const Checked& c) {
    const std::uint32_t value{c.get32(cs.rights)};
    const unsigned dpl{rights::dpl(value)};
    const unsigned ss_dpl{rights::dpl(c.get32(ss.rights))};
    switch (type_of(c, cs)) {
    case 3: // accessed writable data: real-address mode of an unrestricted guest
        if (!is_unrestricted(c)) return refuse(cs.rights, "not an accessed code segment");
        if (dpl != 0) return refuse(cs.rights, "DPL of a data segment in CS is not 0");
        break;
    case 9:
    case 11:
        if (dpl != ss_dpl) return refuse(cs.rights, "DPL of nonconforming code differs from SS.DPL");
        break;
    case 13:
    case 15:
        if (dpl > ss_dpl) return refuse(cs.rights, "DPL of conforming code is above SS.DPL");
        break;
    default: return refuse(cs.rights, "not an accessed code segment");
    }
    const bool is_64bit{c.entry(vmx::entry::ia32e_mode_guest) && (value & rights::long_mode) != 0};
    if (is_64bit && (value & rights::default_big) != 0) return refuse(cs.rights, "both L and D/B");
    if ((c.get(cs.base) >> 32) != 0) return refuse(cs.base, "bits 63:32 are not 0");
    return check_common_rights(c, cs, false);
}

[[nodiscard]] Check check_ss(const Checked& c) {
    const unsigned dpl{rights::dpl(c.get32(ss.rights))};
    const std::uint64_t rpl{c.get(ss.selector) & selector_rpl};
    // SS.DPL is the CPL: these rules hold for an unusable SS too.
    if (!is_unrestricted(c)) {
        if (rpl != (c.get(cs.selector) & selector_rpl))
            return refuse(ss.selector, "RPL differs from that of CS");
        if (dpl != rpl) return refuse(ss.rights, "DPL differs from the RPL of SS");
    }
    const bool must_be_ring_0{type_of(c, cs) == 3 || (c.get(Field::guest_cr0) & cr0_pe) == 0};
    if (must_be_ring_0 && dpl != 0) return refuse(ss.rights, "DPL is not 0 in real-address mode");
    if (!is_usable(c, ss)) return {};
    const std::uint32_t type{type_of(c, ss)};
    if (type != 3 && type != 7) return refuse(ss.rights, "not an accessed writable data segment");
    if ((c.get(ss.base) >> 32) != 0) return refuse(ss.base, "bits 63:32 are not 0");
    return check_common_rights(c, ss, false);
}

// DS, ES, FS and GS, where usable.
[[nodiscard]] Check check_data(const Checked& c, const SegmentFields& segment) {
    if (!is_usable(c, segment)) return {};
    const std::uint32_t type{type_of(c, segment)};
    if ((type & 1U) == 0) return refuse(segment.rights, "not accessed");
    if ((type & 8U) != 0 && (type & 2U) == 0) return refuse(segment.rights, "execute-only code");
    const bool checks_privilege{!is_unrestricted(c) && type <= 11};
    if (checks_privilege && rights::dpl(c.get32(segment.rights)) < (c.get(segment.selector) & selector_rpl)) {
        return refuse(segment.rights, "DPL is below the selector's RPL");
    }
    return check_common_rights(c, segment, false);
}

[[nodiscard]] Check check_tr(const Checked& c) {
    if ((c.get(tr.selector) & selector_ti) != 0) return refuse(tr.selector, "TI is set");
    if (!c.is_canonical(c.get(tr.base))) return refuse(tr.base, "not canonical");
    const std::uint32_t type{type_of(c, tr)};
    const bool busy_16_ok{!c.entry(vmx::entry::ia32e_mode_guest)};
    if (type != 11 && !(type == 3 && busy_16_ok)) return refuse(tr.rights, "not a busy TSS");
    if (!is_usable(c, tr)) return refuse(tr.rights, "unusable");
    return check_common_rights(c, tr, true);
}

[[nodiscard]] Check check_ldtr(const Checked& c) {
    if (!is_usable(c, ldtr)) return {};
    if ((c.get(ldtr.selector) & selector_ti) != 0) return refuse(ldtr.selector, "TI is set");
    if (!c.is_canonical(c.get(ldtr.base))) return refuse(ldtr.base, "not canonical");
    if (type_of(c, ldtr) != 2) return refuse(ldtr.rights, "not an LDT");
    return check_common_rights(c, ldtr, true);
}

} // namespace

Check check_guest_segments(const Checked& c) {
    if (const Check result{check_tr(c)}; !result.ok()) return result;
    if (const Check result{check_ldtr(c)}; !result.ok()) return result;
    if (c.is_v8086()) {
        for (const SegmentFields* segment : {&cs, &ss, &ds, &es, &fs, &gs}) {
            if (const Check result{check_v8086(c, *segment)}; !result.ok()) return result;
        }
        return {};
    }
    if (const Check result{check_cs(c)}; !result.ok()) return result;
    if (const Check result{check_ss(c)}; !result.ok()) return result;
    for (const SegmentFields* segment : {&ds, &es, &fs, &gs}) {
        if (const Check result{check_data(c, *segment)}; !result.ok()) return result;
    }
    // FS and GS keep 64-bit bases even where unusable; DS and ES do not.
    for (const SegmentFields* segment : {&ds, &es}) {
        const bool high_bits{(c.get(segment->base) >> 32) != 0};
        if (is_usable(c, *segment) && high_bits) return refuse(segment->base, "bits 63:32 are not 0");
    }
    for (const SegmentFields* segment : {&fs, &gs}) {
        if (!c.is_canonical(c.get(segment->base))) return refuse(segment->base, "not canonical");
    }
    return {};
}

} // namespace shadowtune::nested::detail
