#include "hypervisor/shadow/shadowing.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::shadow {

namespace {

using nested::F;

constexpr std::uint64_t no_link{~std::uint64_t{0}};

// Without the control every VMREAD and VMWRITE exits, whatever the bitmaps say (SDM Vol. 3C, 26.1.3).
void set_vmcs_shadowing(nested::Vcpu& vcpu, bool on) {
    auto& hw{vcpu.hardware};
    const std::uint64_t controls{hw.read(F::secondary_processor_based_controls)};
    const std::uint64_t bit{vmx::secondary::vmcs_shadowing};
    hw.write(F::secondary_processor_based_controls, on ? controls | bit : controls & ~bit);
    hw.write(F::vmcs_link_pointer, on ? vcpu.shadow.region() : no_link);
}

// vmcs01 must be current.
void write_bitmaps(nested::Vcpu& vcpu, std::uint64_t read, std::uint64_t write) {
    vcpu.hardware.write(F::vmread_bitmap, read);
    vcpu.hardware.write(F::vmwrite_bitmap, write);
}

void set_aside(nested::Vcpu& vcpu, bool aside) {
    if (vcpu.shadow_stands_aside == aside) return;
    vcpu.shadow_stands_aside = aside;
    const std::uint64_t trap{vcpu.machine.generations.trap_bitmap()};
    write_bitmaps(vcpu, aside ? trap : vcpu.in_force->read_bitmap,
                  aside ? trap : vcpu.in_force->write_bitmap);
}

void deliver_all_reads(nested::Vcpu& vcpu) {
    Delivery::deliver_all(vcpu.hardware, vcpu.vmcs02.region, vcpu.in_force->sets.read, vcpu.shadow,
                          vcpu.vmcs12);
}

} // namespace

void begin(nested::Vcpu& vcpu) {
    const auto basic{vcpu.machine.hardware_msrs[vmx::msr::vmx_basic]};
    vcpu.shadow.create(vcpu.hardware, vcpu.shadow_region,
                       static_cast<std::uint32_t>(basic & vmx::basic::revision_mask));
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

void end(nested::Vcpu& vcpu) {
    unlink(vcpu);
    vcpu.shadow.destroy(vcpu.hardware);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

void link(nested::Vcpu& vcpu) {
    if (vcpu.shadow_stands_aside) {
        vcpu.delivery.forget();
    } else {
        deliver_all_reads(vcpu);
    }
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    set_vmcs_shadowing(vcpu, true);
}

void unlink(nested::Vcpu& vcpu) {
    vcpu.shadow.settle(vcpu.hardware);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    set_vmcs_shadowing(vcpu, false);
}

void collect_writes(nested::Vcpu& vcpu) {
    collect_writes_for_entry(vcpu);
    vcpu.shadow.settle(vcpu.hardware);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

void settle_counts(nested::Vcpu& vcpu) {
    if (vcpu.runs_l2) close_sample(vcpu);
}

void close_sample(nested::Vcpu& vcpu) {
    if (!vcpu.round_trip_is_sampled) return;
    vcpu.round_trip_is_sampled = false;
    if (vcpu.runs_l2) {
        vcpu.counters->end_sampled_round_trip(vcpu.reason);
    } else {
        vcpu.counters->abandon_sampled_round_trip(vcpu.reason);
    }
}

void begin_other_round_trip(nested::Vcpu& vcpu, bool is_plain_exit, bool is_sampled) {
    close_sample(vcpu);
    const vmcs::FieldSet& left{vcpu.plan.left_by_exit};
    auto& hw{vcpu.hardware};
    if (is_sampled) {
        vcpu.round_trip_is_sampled = true;
        vcpu.shadow.settle(hw);
        if (is_plain_exit) vcpu.delivery.fetch_exit(hw, left, vcpu.vmcs12);
    } else {
        vcpu.delivery.prepare(hw, vcpu.vmcs02.region, vcpu.in_force->sets.read, left, vcpu.shadow,
                              vcpu.vmcs12);
    }
    hw.make_current(vcpu.vmcs01.region);
    set_aside(vcpu, is_sampled);
}

void end_sampling(nested::Vcpu& vcpu) {
    close_sample(vcpu);
    set_aside(vcpu, false);
}

void update_shadow(nested::Vcpu& vcpu, vmcs::FieldIndex field) {
    if (vcpu.shadow_stands_aside) return vcpu.vmcs12.note_moved(field);
    vmcs::FieldSet one{};
    one.set(field);
    vcpu.shadow.fill(vcpu.hardware, one, vcpu.vmcs12);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
}

void move_to_newest(nested::Vcpu& vcpu) {
    Generations& generations{vcpu.machine.generations};
    if (is_at_newest(vcpu)) return;
    const std::uint64_t start{cpu::rdtsc()};
    auto& hw{vcpu.hardware};
    // Under the old sets: what L1 wrote to the shadow would be lost once its fields trap again. Where L2 runs
    // that was collected at its entry, and vmcs12 may know better since: its PML index moves with L2.
    if (vcpu.runs_l2) {
        vcpu.shadow.settle(hw);
        hw.make_current(vcpu.vmcs01.region);
    } else {
        collect_writes(vcpu);
    }
    Generation& newest{generations.take_newest()};
    if (!vcpu.shadow_stands_aside) write_bitmaps(vcpu, newest.read_bitmap, newest.write_bitmap);
    generations.give_back(*vcpu.in_force);
    __atomic_store_n(&vcpu.in_force, &newest, __ATOMIC_RELEASE);
    vcpu.sampler.begin(newest.sample_interval);
    vcpu.delivery.forget();
    if (vcpu.vmcs12.is_current() && !vcpu.shadow_stands_aside) deliver_all_reads(vcpu);
    hw.make_current(vcpu.vmcs01.region);
    ++vcpu.statistics.reloads;
    vcpu.statistics.last_reload_ticks = cpu::rdtsc() - start;
}

} // namespace shadowtune::shadow
