#include "hypervisor/cpu/descriptors.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/control_registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/save.hpp"
#include "hypervisor/nested/standstill.hpp"
#include "hypervisor/nested/unswitched_state.hpp"
#include "hypervisor/shadow/shadowing.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

using link::RestoreFault;
using link::SavedField;
using link::SavedList;
using link::SavedVcpu;

[[nodiscard]] Failure<RestoreRefusal> refuse(RestoreFault fault, std::uint32_t about) {
    return Failure{RestoreRefusal{fault, static_cast<std::uint16_t>(about)}};
}

// vmcs01 as L0 has made it.
[[nodiscard]] Vmcs12Values read_vmcs01(Vcpu& vcpu) {
    Vmcs12Values values{};
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    vcpu.machine.physical_fields.for_each([&](vmcs::FieldIndex field) {
        values.values[field] = vcpu.hardware.read(vmcs::catalogue[field].encoding);
    });
    return values;
}

// What L1's own entry was checked against, as it is now.
[[nodiscard]] EntryContext context_of(const SavedVcpu& saved, const Machine& machine) {
    Vmcs12Values l1{}, l2{};
    apply(saved.vmcs01, l1);
    apply(saved.vmcs12, l2);
    EntryContext context{};
    context.in_ia32e_mode = (l1.get(F::guest_ia32_efer) & cpu::efer::lma) != 0;
    context.current_vmcs = saved.vmx.current_vmcs;
    if (needs_vtpr(l2)) {
        constexpr std::uint64_t vtpr_offset{0x80};
        machine.l1.read(l2.get(F::virtual_apic_address) + vtpr_offset, &context.vtpr, 1);
        context.vtpr_known = true;
    }
    return context;
}

[[nodiscard]] RestoreCheck load_processor(const SavedVcpu& saved) {
    if (!load_extended_state(saved.extended_state, saved.registers.xcr0)) {
        return refuse(RestoreFault::bad_extended_state, 0);
    }
    const std::uint32_t bad_msr{load_unswitched_msrs(saved.msrs)};
    if (bad_msr != 0) return refuse(RestoreFault::bad_msr, bad_msr);
    load_unswitched_registers(saved.registers);
    return {};
}

[[nodiscard]] RestoreCheck load_bitmaps(Machine& machine, const link::SavedState& state) {
    if (const auto r{machine.generations.restore(state.bitmaps())}; !r) {
        return refuse(RestoreFault::profile_rejected, r.error().profile.field);
    }
    machine.recognition.fingerprint() = state.fingerprint();
    machine.recognition.outcome() = state.recognition().outcome;
    machine.recognition.settle(static_cast<link::RecognitionState>(state.recognition().state));
    return {};
}

// Into the VMCS that is current in the processor.
void write_fields(vmx::Hardware& hw, const SavedList<SavedField>& list) {
    for (std::size_t i{0}; i < list.size(); ++i) {
        const SavedField field{list[i]};
        hw.write(field.encoding, field.value);
    }
    // The processor keeps this control in step with the guest's mode from here on.
    const bool long_mode{(hw.read(F::guest_ia32_efer) & cpu::efer::lma) != 0};
    const std::uint64_t entry{hw.read(F::vm_entry_controls) & ~std::uint64_t{vmx::entry::ia32e_mode_guest}};
    hw.write(F::vm_entry_controls, long_mode ? entry | vmx::entry::ia32e_mode_guest : entry);
}

void load_l1(Vcpu& vcpu, const SavedVcpu& saved) {
    for (unsigned i{0}; i < 16; ++i)
        vcpu.registers.value[i] = saved.registers.general[i];
    if (saved.registers.nmi_pending != 0) cpu::set_nmi_pending();
    vcpu.feature_control = saved.vmx.feature_control;
    vcpu.waits_for_startup = saved.registers.waits_for_startup != 0;
    vcpu.in_vmx_operation = saved.vmx.in_vmx_operation != 0;
    vcpu.vmxon_pointer = saved.vmx.vmxon_pointer;
    vcpu.reason = saved.vmx.reason;
    vcpu.l2_exit_tsc = cpu::rdtsc() - saved.vmx.exit_age;
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    write_fields(vcpu.hardware, saved.vmcs01);
    set_owned_cr0_bits(vcpu);
    if (vcpu.in_vmx_operation) shadow::begin(vcpu);
}

// As a VMPTRLD does it: all of it counts as changed, nothing is in vmcs02.
void load_vmcs12(Vcpu& vcpu, const SavedVcpu& saved, const Vmcs12Values& values) {
    vcpu.vmcs12.restore(saved.vmx.current_vmcs, values, {}, vcpu.machine.offered_fields);
    vcpu.vmcs12.launched = saved.vmx.launched != 0;
    vcpu.vmcs12.restore_is_shadow(saved.vmx.is_shadow != 0);
    shadow::link(vcpu);
}

void load_l2(Vcpu& vcpu, const SavedVcpu& saved, const Vmcs12Values& values) {
    rebuild_vmcs02(vcpu);
    write_fields(vcpu.hardware, saved.vmcs02);
    vcpu.vmcs12.restore(saved.vmx.current_vmcs, values, vmcs::FieldSet::load(saved.vmx.in_vmcs02),
                        vmcs::FieldSet::load(saved.vmx.dirty));
    vcpu.runs_l2 = true;
    if (vcpu.timer.is_active()) {
        const auto rate{static_cast<unsigned>(vcpu.machine.hardware_msrs[vmx::msr::vmx_misc] &
                                              vmx::misc::preemption_timer_rate_mask)};
        vcpu.timer.start(cpu::rdtsc(), rate, saved.vmx.timer_left);
    }
    load_l2_timer(vcpu);
}

void load_counts(Vcpu& vcpu, const SavedVcpu& saved) {
    const link::SavedStatistics& from{saved.statistics};
    Statistics& to{vcpu.statistics};
    to.vm_exits = from.vm_exits;
    to.l2_exits_kept = from.l2_exits_kept;
    to.round_trips = from.round_trips;
    to.round_trip_ticks = from.round_trip_ticks;
    to.l0_ticks = from.l0_ticks;
    to.unknown_field_accesses = from.unknown_field_accesses;
    to.memory_reads = from.memory_reads;
    to.memory_writes = from.memory_writes;
    to.walk_entries = from.walk_entries;
    to.reloads = from.reloads;
    to.last_reload_ticks = from.last_reload_ticks;
    __builtin_memcpy(to.round_trips_by_reason, from.round_trips_by_reason, sizeof(to.round_trips_by_reason));
    for (std::size_t i{0}; i < saved.counters.size(); ++i)
        vcpu.counters->restore(saved.counters[i]);
    vcpu.counters->restore_lost(from.lost_counts);
    vcpu.shadow.restore_counts(from.sync_reads, from.sync_writes);
    vcpu.hardware.restore_counts(
        {from.vmread_executed, from.vmwrite_executed, from.vmptrld_executed, from.vmclear_executed});
}

// On the vCPU's own processor, into which load_processor() has put what VMX does not switch.
void load_vcpu(Vcpu& vcpu, const SavedVcpu& saved) {
    shadow::move_to_newest(vcpu);
    load_l1(vcpu, saved);
    if (saved.vmx.current_vmcs != link::no_address) {
        Vmcs12Values values{};
        apply(saved.vmcs12, values);
        load_vmcs12(vcpu, saved, values);
        if (saved.vmx.runs_l2 != 0) load_l2(vcpu, saved, values);
    }
    vcpu.hardware.make_current(current_vmcs(vcpu).region);
    load_counts(vcpu, saved);
}

} // namespace

RestoreCheck check_restorable(Vcpu& vcpu, std::span<const std::uint8_t> from) {
    const Machine& machine{vcpu.machine};
    const auto parsed{link::SavedState::parse(from)};
    if (!parsed) return refuse(RestoreFault::malformed, static_cast<std::uint32_t>(parsed.error().fault));
    const link::SavedState& state{parsed.value()};
    const RestoreTarget target{*machine.l1_map,      machine.l1.hidden(),     crc_of(machine.map),
                               cpu::cpuid(1).eax,    machine.vcpu_count,      machine.hardware_msrs,
                               machine.offered_msrs, machine.physical_fields, machine.offered_fields,
                               machine.processor};
    if (const RestoreCheck c{check_machine(state, target)}; !c) return c;
    const SavedVcpu saved{state.vcpu(vcpu.number)};
    const Vmcs12Values vmcs01{read_vmcs01(vcpu)};
    vcpu.hardware.make_current(current_vmcs(vcpu).region);
    return check_vcpu(saved, target, vmcs01, context_of(saved, machine));
}

RestoreCheck restore(Vcpu& vcpu, std::span<const std::uint8_t> from) {
    if (!call_others(vcpu)) return refuse(RestoreFault::vcpus_not_at_rest, 0);
    const RestoreCheck fits{on_every_vcpu(vcpu, [&](Vcpu& each) { return check_restorable(each, from); })};
    if (!fits) return fits;
    Machine& machine{vcpu.machine};
    const link::SavedState state{link::SavedState::parse(from).value()};
    RestoreCheck loaded{
        on_every_vcpu(vcpu, [&](Vcpu& each) { return load_processor(state.vcpu(each.number)); })};
    if (loaded) loaded = load_bitmaps(machine, state);
    const auto finish{[&](Vcpu& each) -> RestoreCheck {
        if (loaded) {
            load_vcpu(each, state.vcpu(each.number));
        } else {
            reset_unswitched_state();
        }
        return {};
    }};
    static_cast<void>(on_every_vcpu(vcpu, finish));
    if (!loaded) return loaded;
    machine.l1_kind = static_cast<link::L1Kind>(state.machine().l1_kind);
    __builtin_memcpy(machine.l1_name, state.machine().l1_name, sizeof(machine.l1_name));
    return {};
}

} // namespace shadowtune::nested
