// VMREAD and VMWRITE of L1 that exited: SDM Vol. 3C, 31.3 (edition 325462-087). Each is counted once, here,
// when it completes with a field that L1 has; an access that faults on its memory operand is executed again
// and counted then.

#include "hypervisor/nested/field_access.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"
#include "hypervisor/shadow/shadowing.hpp"

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
    if (access.field != vmcs::no_field && vcpu.machine.offered_fields.test(access.field)) return true;
    ++vcpu.statistics.unknown_field_accesses;
    vm_fail(vcpu, InstructionError::unsupported_vmcs_component);
    return false;
}

void count(Vcpu& vcpu, const FieldAccess& access, link::Access kind) {
    const bool in_memory{access.operands.is_memory};
    if (in_memory && vcpu.reason != vmcs::no_round_trip) {
        ++(kind == link::Access::read ? vcpu.statistics.memory_reads : vcpu.statistics.memory_writes);
        vcpu.statistics.walk_entries += vcpu.walk_entries;
    }
    if (vcpu.round_trip_is_sampled) return vcpu.counters->count_sampled(access.field, kind);
    vcpu.counters->count(access.field, access.high_half, kind, vcpu.reason);
    if (in_memory) vcpu.counters->count_in_memory(access.field, access.high_half, kind, vcpu.reason);
}

} // namespace

void fetch_fields(Vcpu& vcpu, const vmcs::FieldSet& fields) {
    fields.for_each([&](vmcs::FieldIndex field) {
        vcpu.vmcs12.fetched(field, vcpu.hardware.read(vmcs::catalogue[field].encoding));
    });
}

void fetch_field(Vcpu& vcpu, vmcs::FieldIndex field) {
    if (!vcpu.vmcs12.in_vmcs02().test(field)) return;
    vmcs::FieldSet one{};
    one.set(field);
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    fetch_fields(vcpu, one);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

bool may_vmwrite(const Vcpu& vcpu, vmcs::FieldIndex field) {
    const bool any_field{(vcpu.machine.offered_msrs[vmx::msr::vmx_misc] & vmx::misc::vmwrite_any_field) != 0};
    return any_field || vmcs::catalogue[field].type != vmcs::Type::read_only_data;
}

void emulate_vmread(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    const std::uint64_t before{vcpu.vmcs12.get(access.field)};
    fetch_field(vcpu, access.field);
    if (vcpu.vmcs12.get(access.field) != before) vcpu.counters->count_changed(access.field, vcpu.reason);
    if (!write_destination(vcpu, access, part_of(access, vcpu.vmcs12.get(access.field)))) return;
    count(vcpu, access, link::Access::read);
    vm_succeed(vcpu);
}

void emulate_vmwrite(Vcpu& vcpu) {
    FieldAccess access{};
    if (!begin_access(vcpu, access)) return;
    std::uint64_t value{};
    if (!read_source(vcpu, access, value)) return;
    if (!may_vmwrite(vcpu, access.field)) {
        return vm_fail(vcpu, InstructionError::vmwrite_read_only_component);
    }
    if (access.high_half) fetch_field(vcpu, access.field);
    vcpu.vmcs12.write(access.field, with_part(access, vcpu.vmcs12.get(access.field), value));
    shadow::update_field(vcpu, access.field);
    count(vcpu, access, link::Access::write);
    vm_succeed(vcpu);
}

} // namespace shadowtune::nested
