#pragma once

// What vmcs02 has in common from L1's wishes and L0's: MSR and I/O bitmaps, EPT, the VMX-preemption timer.

#include "hypervisor/nested/exit_routing.hpp"
#include "hypervisor/nested/vcpu.hpp"

namespace shadowtune::nested {

// Points vmcs02 at bitmaps in which both L0's and L1's wishes are set. L1's own page serves where it asks for
// all that L0 asks for and L2 cannot write to it; else the pages are merged, at every entry, since L1 changes
// its pages in memory as it likes. A bitmap that L2 can write to has effect at once on a processor: then all
// ports or MSRs exit, and L1's page as it is at the exit decides. May drop the tables of EPT02: set_l2_ept()
// comes after it.
void set_l2_bitmaps(Vcpu& vcpu, bool controls_changed);

// Whether L1's own MSR bitmap is in use and still asks for all that L0 asks for.
[[nodiscard]] inline bool msr_bitmap_stays(const Vcpu& vcpu) {
    const BitmapWords* const in_place{vcpu.msr_bitmap_in_place};
    return in_place != nullptr && vcpu.machine.msr_bitmap.is_covered_by(*in_place);
}
// Whether set_l2_bitmaps() has nothing to do where L1's controls are as they were.
[[nodiscard]] inline bool l2_bitmaps_stay(const Vcpu& vcpu) {
    return !vcpu.plan.uses_io_bitmaps && (!vcpu.plan.uses_msr_bitmap || msr_bitmap_stays(vcpu));
}

// Where all ports or MSRs exit: lets the processor itself execute the instruction that exited, with the
// bitmaps merged as they are now, until the next exit, which comes soon.
void merge_bitmaps_until_exit(Vcpu& vcpu);
void end_merged_bitmaps(Vcpu& vcpu);

// L1's pages as they are now, as far as the question whose an exit of this reason is hangs on them.
[[nodiscard]] L1Bitmaps l1_bitmaps(const Vcpu& vcpu, std::uint32_t reason);

// L2 is about to get write access to this page of L1's: if it is a bitmap in use, none is used in place from
// now on.
void note_l2_writable(Vcpu& vcpu, std::uint64_t address, unsigned page_shift);
// L0 is about to write there itself, on behalf of whoever runs.
inline void note_write_for_guest(Vcpu& vcpu, std::uint64_t address) {
    if (vcpu.runs_l2) note_l2_writable(vcpu, address, 12);
}

// Points vmcs02 at the tables composed for L1's EPTP; its place may have changed since the last entry.
void set_l2_ept(Vcpu& vcpu);

// A part of load_l2_timer().
void load_another_timer_value(Vcpu& vcpu);
// Loads vmcs02's timer with the smaller of what is left of L1's and L0's own: the last thing before L2 runs.
[[gnu::always_inline]] inline void load_l2_timer(Vcpu& vcpu) {
    const bool has_own_alone{!vcpu.timer.is_active() && !vcpu.timer.expires() && !vcpu.bitmaps_until_exit};
    if (!has_own_alone || vcpu.timer_loaded != vcpu.backstop) load_another_timer_value(vcpu);
}

} // namespace shadowtune::nested
