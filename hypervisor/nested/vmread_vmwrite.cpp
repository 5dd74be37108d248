// VMREAD and VMWRITE of L1 that exited: SDM Vol. 3C, 31.3 (edition 325462-087). Each is counted once, here,
// when it completes with a field that L1 has; an access that faults on its memory operand is executed again
// and counted then.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_access.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"
#include "hypervisor/shadow/shadowing.hpp"

#include <array>

namespace shadowtune::nested {

namespace {

using vmx::InstructionError;

// The SDM's common checks; false where the instruction has already ended.
[[nodiscard]] bool begin_access(Vcpu& vcpu, FieldAccess& access) {
    if (!require_vmx_operation(vcpu)) return false;
    if (!vcpu.vmcs12.is_current()) {
        vm_fail_invalid(vcpu);
        return false;
    }
    vcpu.walk_entries = 0;
    access = decode_field_access(vcpu);
    if (access.part.field != vmcs::no_field) return true;
    ++vcpu.statistics.unknown_field_accesses;
    vm_fail(vcpu, InstructionError::unsupported_vmcs_component);
    return false;
}

[[gnu::always_inline]] inline void count(Vcpu& vcpu, FieldPart part, link::Access kind) {
    shadow::AccessCounters& counters{*vcpu.counters};
    if (!vcpu.round_trip_is_sampled) return counters.count(part.field, part.high_half, kind, vcpu.reason);
    // What was fetched before anyone asked counts as changed where L1 reads it.
    if (counters.count_sampled(part.field, kind) && kind == link::Access::read &&
        vcpu.vmcs12.has_changed(part.field))
        counters.count_changed(part.field, vcpu.reason);
}

void count(Vcpu& vcpu, const FieldAccess& access, link::Access kind) {
    count(vcpu, access.part, kind);
    if (!access.operands.is_memory) return;
    if (vcpu.reason != vmcs::no_round_trip) {
        ++(kind == link::Access::read ? vcpu.statistics.memory_reads : vcpu.statistics.memory_writes);
        vcpu.statistics.walk_entries += vcpu.walk_entries;
    }
    if (!vcpu.round_trip_is_sampled)
        vcpu.counters->count_in_memory(access.part.field, access.part.high_half, kind, vcpu.reason);
}

[[nodiscard, gnu::always_inline]] inline std::uint64_t fetch_from_vmcs02(Vcpu& vcpu, vmcs::FieldIndex field) {
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    const std::uint64_t value{vcpu.hardware.read(vmcs::catalogue[field].encoding)};
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    vcpu.vmcs12.fetched(field, value);
    return value;
}

// The value of vmcs12's field, wherever it is, and whether it is another than the last one known.
[[nodiscard, gnu::always_inline]] inline std::uint64_t read_field(Vcpu& vcpu, vmcs::FieldIndex field) {
    const std::uint64_t before{vcpu.vmcs12.get(field)};
    if (!vcpu.vmcs12.in_vmcs02().test(field)) return before;
    const std::uint64_t value{fetch_from_vmcs02(vcpu, field)};
    if (value != before) vcpu.counters->count_changed(field, vcpu.reason);
    return value;
}

[[gnu::always_inline]] inline void write_field(Vcpu& vcpu, FieldPart part, std::uint64_t value) {
    if (part.high_half) fetch_field(vcpu, part.field);
    vcpu.vmcs12.write(part.field, with_part(part, vcpu.vmcs12.get(part.field), value));
    shadow::update_field(vcpu, part.field);
}

constexpr std::array looked_at{
    F::vm_exit_instruction_information, F::guest_ia32_efer, F::guest_ss_access_rights,
    F::guest_interruptibility_state,    F::guest_rflags,    F::guest_rip,
    F::vm_exit_instruction_length};
using Seen = std::uint64_t[looked_at.size()];
constexpr std::array left_behind{F::guest_rip, F::guest_rflags};

// `mask`: of an operand, by the mode of the processor.
template <link::Access kind, std::uint64_t mask>
[[nodiscard, gnu::always_inline]] inline bool access_plainly(Vcpu& vcpu, const Seen& seen) {
    constexpr std::uint64_t register_form{1U << 10}, register_mask{0xF}, dpl_bits{3U << 5};
    const auto& [information, efer, rights, blocking, flags, rip, length]{seen};
    const auto destination{static_cast<unsigned>(information >> 3 & register_mask)};
    const auto source{static_cast<unsigned>(information >> 28 & register_mask)};
    if ((information & register_form) == 0 || destination == vmx::rsp_number || source == vmx::rsp_number)
        return false;
    if (((rights & dpl_bits) | blocking | (flags & cpu::rflags::tf) | ((rip + length) & ~mask)) != 0)
        return false;
    const std::uint64_t operand{vcpu.registers.value[source] & mask};
    const vmcs::FieldIndex field{vcpu.machine.offered_encodings.find(operand)};
    if (field == vmcs::no_field || !vcpu.vmcs12.is_current()) return false;
    const FieldPart part{field, (operand & 1U) != 0};
    std::uint64_t& value{vcpu.registers.value[destination]};
    if constexpr (kind == link::Access::read) {
        value = part_of(part, read_field(vcpu, field)) & mask;
    } else {
        if (!may_vmwrite(vcpu, field)) return false;
        write_field(vcpu, part, value & mask);
    }
    count(vcpu, part, kind);
    const std::uint64_t after[]{rip + length, flags & ~cpu::rflags::status};
    vcpu.hardware.write_all<left_behind>(after);
    return true;
}

} // namespace

template <link::Access kind>
bool access_plainly(Vcpu& vcpu) {
    Seen seen;
    vcpu.hardware.read_all<looked_at>(seen);
    // In compatibility mode the instruction would not have exited (31.3).
    const bool long_mode{(seen[1] & cpu::efer::lma) != 0};
    return long_mode ? access_plainly<kind, ~std::uint64_t{0}>(vcpu, seen)
                     : access_plainly<kind, 0xFFFF'FFFF>(vcpu, seen);
}
template bool access_plainly<link::Access::read>(Vcpu&);
template bool access_plainly<link::Access::write>(Vcpu&);

void fetch_fields(Vcpu& vcpu, const vmcs::FieldSet& fields) {
    fields.for_each([&](vmcs::FieldIndex field) {
        vcpu.vmcs12.fetched(field, vcpu.hardware.read(vmcs::catalogue[field].encoding));
    });
}

void fetch_field(Vcpu& vcpu, vmcs::FieldIndex field) {
    if (vcpu.vmcs12.in_vmcs02().test(field)) (void)fetch_from_vmcs02(vcpu, field);
}

bool may_vmwrite(const Vcpu& vcpu, vmcs::FieldIndex field) {
    const bool any_field{(vcpu.machine.offered_msrs[vmx::msr::vmx_misc] & vmx::misc::vmwrite_any_field) != 0};
    return any_field || vmcs::catalogue[field].type != vmcs::Type::read_only_data;
}

void emulate_vmread(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    if (!write_destination(vcpu, access, part_of(access.part, read_field(vcpu, access.part.field)))) return;
    count(vcpu, access, link::Access::read);
    vm_succeed(vcpu);
}

void emulate_vmwrite(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    std::uint64_t value{};
    if (!read_source(vcpu, access, value)) return;
    if (!may_vmwrite(vcpu, access.part.field)) {
        return vm_fail(vcpu, InstructionError::vmwrite_read_only_component);
    }
    write_field(vcpu, access.part, value);
    count(vcpu, access, link::Access::write);
    vm_succeed(vcpu);
}

} // namespace shadowtune::nested
