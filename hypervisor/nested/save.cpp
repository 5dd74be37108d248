#include "hypervisor/nested/save.hpp"

#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/standstill.hpp"
#include "hypervisor/nested/unswitched_state.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/shadow/shadowing.hpp"
#include "hypervisor/version.hpp"

namespace shadowtune::nested {

// Whoever gives these a new member decides here what becomes of it in a saved state: it is written below and
// read in nested/restore.cpp, with a new version of its record (link/saved_state.hpp), or it is made anew,
// and docs/save-restore.md says so.
static_assert(sizeof(Vcpu) == 7360, "a new member of Vcpu: save and restore it");

namespace {

using link::RestoreFault;
using link::SavedRecord;
using link::SavedStateWriter;

[[nodiscard]] link::SavedMachine machine_record(const Machine& machine) {
    link::SavedMachine record{};
    record.catalogue_version = vmcs::catalogue_version;
    record.cpu_signature = cpu::cpuid(1).eax;
    record.map_crc = crc_of(machine.map);
    record.boot_id = machine.boot_id;
    record.tsc = cpu::rdtsc();
    record.hidden_begin = machine.l1.hidden().begin;
    record.hidden_end = machine.l1.hidden().end;
    record.memory_bytes = machine.l1_memory_bytes;
    for (std::size_t i{0}; i < vmcs::capability_msr_count; ++i)
        record.offered_msrs[i] = machine.offered_msrs.values[i];
    machine.offered_fields.store(record.offered_fields);
    const std::size_t length{version.size() < sizeof(record.vmm_version) ? version.size()
                                                                         : sizeof(record.vmm_version) - 1};
    __builtin_memcpy(record.vmm_version, version.data(), length);
    record.l1_kind = static_cast<std::uint8_t>(machine.l1_kind);
    __builtin_memcpy(record.l1_name, machine.l1_name, sizeof(record.l1_name));
    return record;
}

[[nodiscard]] link::SavedRegisters registers_record(const Vcpu& vcpu) {
    link::SavedRegisters record{};
    for (unsigned i{0}; i < 16; ++i)
        record.general[i] = i == vmx::rsp_number ? 0 : vcpu.registers.value[i];
    read_unswitched_registers(record);
    record.nmi_pending = cpu::is_nmi_pending() ? 1 : 0;
    record.waits_for_startup = vcpu.waits_for_startup ? 1 : 0;
    return record;
}

[[nodiscard]] link::SavedVmx vmx_record(Vcpu& vcpu) {
    link::SavedVmx record{};
    record.feature_control = vcpu.feature_control;
    record.vmxon_pointer = vcpu.vmxon_pointer;
    record.current_vmcs = vcpu.vmcs12.address();
    record.in_vmx_operation = vcpu.in_vmx_operation ? 1 : 0;
    record.runs_l2 = vcpu.runs_l2 ? 1 : 0;
    record.launched = vcpu.vmcs12.is_current() && vcpu.vmcs12.launched ? 1 : 0;
    record.is_shadow = vcpu.vmcs12.is_current() && vcpu.vmcs12.is_shadow() ? 1 : 0;
    record.reason = vcpu.reason;
    if (vcpu.reason != vmcs::no_round_trip) record.exit_age = cpu::rdtsc() - vcpu.l2_exit_tsc;
    if (!vcpu.runs_l2) return record;
    if (vcpu.timer.is_active()) record.timer_left = vcpu.timer.left(cpu::rdtsc());
    vcpu.vmcs12.dirty().store(record.dirty);
    vcpu.vmcs12.in_vmcs02().store(record.in_vmcs02);
    return record;
}

[[nodiscard]] link::SavedStatistics statistics_record(const Vcpu& vcpu) {
    const Statistics& s{vcpu.statistics};
    const vmx::ExecutedCounts& executed{vcpu.hardware.counts()};
    link::SavedStatistics record{};
    record.vm_exits = s.vm_exits;
    record.l2_exits_kept = s.l2_exits_kept;
    record.round_trips = s.round_trips;
    record.round_trip_ticks = s.round_trip_ticks;
    record.l0_ticks = s.l0_ticks;
    record.unknown_field_accesses = s.unknown_field_accesses;
    record.memory_reads = s.memory_reads;
    record.memory_writes = s.memory_writes;
    record.walk_entries = s.walk_entries;
    record.reloads = s.reloads;
    record.last_reload_ticks = s.last_reload_ticks;
    record.sync_reads = vcpu.shadow.sync_reads();
    record.sync_writes = vcpu.shadow.sync_writes();
    record.vmread_executed = executed.vmread;
    record.vmwrite_executed = executed.vmwrite;
    record.vmptrld_executed = executed.vmptrld;
    record.vmclear_executed = executed.vmclear;
    record.lost_counts = vcpu.counters->lost();
    __builtin_memcpy(record.round_trips_by_reason, s.round_trips_by_reason, sizeof(s.round_trips_by_reason));
    return record;
}

// Of the VMCS that is current in the processor.
void write_hardware_fields(SavedStateWriter& writer, vmx::Hardware& hw, const vmcs::FieldSet& fields) {
    fields.for_each([&](vmcs::FieldIndex field) {
        const vmcs::Encoding encoding{vmcs::catalogue[field].encoding};
        writer.append(link::SavedField{encoding, hw.read(encoding)});
    });
}

// Who is restored before L2's first entry goes on with the counters' cells, in their order; what was hidden
// before stays hidden.
void write_recognition(SavedStateWriter& writer, const Machine& machine) {
    using State = link::RecognitionState;
    const shadow::Recognition& recognition{machine.recognition};
    State state{recognition.state()};
    if (state == State::awaited && machine.generations.has_shadowed()) state = State::hidden;
    link::SavedRecognition record{};
    record.state = static_cast<std::uint8_t>(state);
    if (state == State::seen) record.outcome = recognition.outcome();
    writer.write(SavedRecord::recognition, link::whole_machine, record);
    if (state != State::seen) return;
    std::uint8_t packed[link::max_fingerprint];
    writer.append_bytes(std::span{packed}.first(link::pack(recognition.fingerprint(), packed)));
}

void write_records(SavedStateWriter& writer, Vcpu& vcpu, std::span<const std::uint8_t> extended_state) {
    auto& hw{vcpu.hardware};
    const Machine& machine{vcpu.machine};
    const auto number{static_cast<std::uint16_t>(vcpu.number)};
    // Before the VMREADs below: they are not L1's doing.
    const link::SavedStatistics statistics{statistics_record(vcpu)};
    writer.write(SavedRecord::registers, number, registers_record(vcpu));
    writer.begin(SavedRecord::msrs, number);
    write_unswitched_msrs(writer);
    writer.begin(SavedRecord::extended_state, number);
    writer.append_bytes(extended_state);
    writer.write(SavedRecord::vmx, number, vmx_record(vcpu));
    hw.make_current(vcpu.vmcs01.region);
    writer.begin(SavedRecord::vmcs01, number);
    write_hardware_fields(writer, hw, saved_vmcs01_fields & machine.physical_fields);
    if (vcpu.vmcs12.is_current()) {
        writer.begin(SavedRecord::vmcs12, number);
        machine.offered_fields.for_each([&](vmcs::FieldIndex field) {
            writer.append(link::SavedField{vmcs::catalogue[field].encoding, vcpu.vmcs12.get(field)});
        });
    }
    if (vcpu.runs_l2) {
        hw.make_current(vcpu.vmcs02.region);
        writer.begin(SavedRecord::vmcs02, number);
        write_hardware_fields(writer, hw, saved_vmcs02_fields & machine.physical_fields);
    }
    writer.write(SavedRecord::statistics, number, statistics);
    writer.begin(SavedRecord::counters, number);
    for (const link::CounterRecord& cell : vcpu.counters->cells())
        writer.append(cell);
}

// While L1 runs vmcs12 alone has all values, as at a VMPTRLD: what L1 wrote to the shadow VMCS, and what L2's
// last exit left in vmcs02. While L2 runs both stay where they are.
void gather_vmcs12(Vcpu& vcpu) {
    if (vcpu.runs_l2 || !vcpu.vmcs12.is_current()) return;
    shadow::collect_writes(vcpu);
    vcpu.hardware.make_current(vcpu.vmcs02.region);
    fetch_fields(vcpu, vcpu.vmcs12.in_vmcs02());
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

// On the vCPU's own processor.
[[nodiscard]] RestoreCheck write_vcpu(SavedStateWriter& writer, Vcpu& vcpu) {
    // vmcs02 has not run in L2's wait-for-SIPI state.
    if (vcpu.runs_l2 && vcpu.waits_for_startup) {
        return Failure{RestoreRefusal{RestoreFault::vcpus_not_at_rest, 0}};
    }
    const std::span<const std::uint8_t> extended_state{read_extended_state()};
    if (extended_state.empty()) return Failure{RestoreRefusal{RestoreFault::bad_extended_state, 0}};
    gather_vmcs12(vcpu);
    shadow::close_sample(vcpu);
    write_records(writer, vcpu, extended_state);
    vcpu.hardware.make_current(current_vmcs(vcpu).region);
    return {};
}

} // namespace

Result<std::size_t, RestoreRefusal> save(Vcpu& vcpu, std::span<std::uint8_t> to) {
    const Machine& machine{vcpu.machine};
    if (!call_others(vcpu)) return Failure{RestoreRefusal{RestoreFault::vcpus_not_at_rest, 0}};
    if (!machine.a20.is_at_rest()) return Failure{RestoreRefusal{RestoreFault::a20_gate_in_use, 0}};
    SavedStateWriter writer{to, static_cast<std::uint16_t>(machine.vcpu_count)};
    writer.write(SavedRecord::machine, link::whole_machine, machine_record(machine));
    writer.write(SavedRecord::bitmaps, link::whole_machine, machine.generations.save());
    write_recognition(writer, machine);
    const RestoreCheck written{on_every_vcpu(vcpu, [&](Vcpu& each) { return write_vcpu(writer, each); })};
    if (!written) return Failure{written.error()};
    const std::size_t size{writer.finish()};
    if (size == 0) return Failure{RestoreRefusal{RestoreFault::too_large, 0}};
    const RestoreCheck fits{
        on_every_vcpu(vcpu, [&](Vcpu& each) { return check_restorable(each, to.first(size)); })};
    if (!fits) return Failure{fits.error()};
    return size;
}

} // namespace shadowtune::nested
