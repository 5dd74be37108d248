#pragma once

// Shadowing on one vCPU: which bitmaps are in force, the life of the shadow VMCS, and the copying between it
// and vmcs12. Every function leaves vmcs01 current unless it says otherwise.

#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::shadow {

// VMXON and VMXOFF.
void begin(nested::Vcpu& vcpu);
void end(nested::Vcpu& vcpu);

// A vmcs12 became current: from now on L1's VMREADs and VMWRITEs consult the bitmaps.
void link(nested::Vcpu& vcpu);
// No vmcs12 is current: they all exit, so that L1 gets VMfailInvalid from L0.
void unlink(nested::Vcpu& vcpu);

// What L1 wrote without exit, shadow to vmcs12. Before L0 looks at vmcs12.
void collect_writes(nested::Vcpu& vcpu);
// The same on the way into L2: may leave the shadow VMCS current and active; begin_round_trip() follows at
// L2's exit.
[[gnu::always_inline]] inline void collect_writes_for_entry(nested::Vcpu& vcpu) {
    if (vcpu.vmcs12.is_current() && !vcpu.shadow_stands_aside)
        vcpu.shadow.collect(vcpu.hardware, vcpu.in_force->writes, vcpu.vmcs12);
}

// Two parts of begin_round_trip().
void begin_other_round_trip(nested::Vcpu& vcpu, bool is_plain_exit, bool is_sampled);
void end_sampling(nested::Vcpu& vcpu);
// On the way from L2 to L1: what L1 may read without exit goes from vmcs12 to the shadow; or, in mode sample,
// every access of this round trip is to exit. `is_plain_exit`: the exit has left in vmcs02 what the plan
// says. vmcs02 must be current; leaves vmcs01 current.
[[gnu::always_inline]] inline void begin_round_trip(nested::Vcpu& vcpu, bool is_plain_exit) {
    const bool is_sampled{vcpu.sampler.is_next()};
    if (is_sampled || !is_plain_exit) [[unlikely]]
        return begin_other_round_trip(vcpu, is_plain_exit, is_sampled);
    vcpu.delivery.deliver_exit(vcpu.hardware, vcpu.vmcs02.region, vcpu.in_force->sets.read,
                               vcpu.plan.left_by_exit, vcpu.shadow, vcpu.vmcs12);
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    if (vcpu.shadow_stands_aside) [[unlikely]]
        end_sampling(vcpu);
}
// Where the last round trip has ended, and was a sampled one, its counts are added to the others. Before a
// look at them; an entry of L2 that the processor refuses ends no round trip. Touches no VMCS.
void settle_counts(nested::Vcpu& vcpu);

// The same; and where no entry of L2 answers a sampled exit, for the processor refused it or L1 turned to
// something else, or not here, it is sampled no more. Touches no VMCS.
void close_sample(nested::Vcpu& vcpu);

// A part of update_field().
void update_shadow(nested::Vcpu& vcpu, vmcs::FieldIndex field);
// L0 changed one field of vmcs12 while L1 runs: the shadow follows where L1 may read it there.
[[gnu::always_inline]] inline void update_field(nested::Vcpu& vcpu, vmcs::FieldIndex field) {
    if (!vcpu.in_force->sets.read.test(field)) return;
    const bool comes_later{vcpu.shadow_stands_aside && vcpu.delivery.brings(field)};
    if (!comes_later) update_shadow(vcpu, field);
}

[[nodiscard]] inline bool is_at_newest(const nested::Vcpu& vcpu) {
    return vcpu.in_force == &vcpu.machine.generations.newest();
}

// The safe point: moves this vCPU to the newest bitmaps, if it is not there yet. vmcs01 must be current.
void move_to_newest(nested::Vcpu& vcpu);

} // namespace shadowtune::shadow
