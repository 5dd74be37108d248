#include "hypervisor/nested/l2_bitmaps.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/nested/field_classes.hpp"

namespace shadowtune::nested {

namespace {

// In timer ticks: long enough for the instruction that they are for, or for part of a string.
constexpr std::uint32_t merged_bitmaps_last{64};

[[nodiscard]] const BitmapWords* l1_page(const Vcpu& vcpu, F address) {
    return static_cast<const BitmapWords*>(vcpu.machine.l1.pointer(vcpu.vmcs12.get(address)));
}

// Whether L2 cannot write to this page of L1's: it would take away what L0 asks for, its link and
// IA32_APIC_BASE, or change what a merged copy was made of. So the page must be one that L2's EPT never
// mapped writable since it was first looked at here: the tables are dropped then, and note_l2_writable()
// hears of each mapping made after that.
[[nodiscard]] bool is_out_of_l2s_reach(Vcpu& vcpu, F field, const BitmapWords& page) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const std::uint64_t address{vmcs12.get(field)};
    const bool is_l1s_own{reinterpret_cast<std::uint64_t>(&page) == address};
    const bool is_virtual_apic{vmcs12.get(F::virtual_apic_address) == address};
    auto& known{vcpu.watched_bitmaps};
    if (!vcpu.plan.has_ept || !is_l1s_own || is_virtual_apic || known.l2_writes) return false;
    for (std::size_t i{0}; i < known.count; ++i) {
        if (known.pages[i] == address) return true;
    }
    if (known.count == WatchedBitmaps::capacity) return false;
    known.pages[known.count++] = address;
    vcpu.ept02->forget_all(vcpu.hardware);
    return true;
}

// Another processor could change L1's page while L2 runs, and take away what L0 asks for.
[[nodiscard]] bool is_alone(const Vcpu& vcpu) {
    return vcpu.machine.vcpu_count == 1;
}

[[nodiscard]] std::uint64_t physical(const BitmapWords* page) {
    return reinterpret_cast<std::uint64_t>(page);
}

// Writes the field where vmcs02 has another page.
void use_page(Vcpu& vcpu, F field, std::uint64_t& in_use, const BitmapWords* page) {
    if (in_use == physical(page)) return;
    in_use = physical(page);
    vcpu.hardware.write(field, in_use);
}
void use_msr_bitmap(Vcpu& vcpu, const BitmapWords* page) {
    use_page(vcpu, F::msr_bitmap, vcpu.msr_bitmap02, page);
}
void use_io_bitmaps(Vcpu& vcpu, const BitmapWords* a, const BitmapWords* b) {
    use_page(vcpu, F::io_bitmap_a, vcpu.io_bitmap_a02, a);
    use_page(vcpu, F::io_bitmap_b, vcpu.io_bitmap_b02, b);
}

void set_msr_bitmap(Vcpu& vcpu) {
    vcpu.msr_is_decided_at_exit = false;
    vcpu.msr_bitmap_in_place = nullptr;
    if (!vcpu.plan.uses_msr_bitmap) return use_msr_bitmap(vcpu, vcpu.machine.all_ones);
    const BitmapWords* const l1{l1_page(vcpu, F::msr_bitmap)};
    const bool is_covered{vcpu.machine.msr_bitmap.is_covered_by(*l1)};
    if (!is_out_of_l2s_reach(vcpu, F::msr_bitmap, *l1)) {
        vcpu.msr_is_decided_at_exit = true;
        return use_msr_bitmap(vcpu, vcpu.machine.all_ones);
    }
    if (is_covered && is_alone(vcpu)) {
        vcpu.msr_bitmap_in_place = l1;
        return use_msr_bitmap(vcpu, l1);
    }
    vcpu.machine.msr_bitmap.merge(*vcpu.merged_msr_bitmap, *l1);
    use_msr_bitmap(vcpu, vcpu.merged_msr_bitmap);
}

// The page that the processor is to use for one half of the ports.
[[nodiscard]] const BitmapWords* io_bitmap(Vcpu& vcpu, F field, const OwnBitmap& l0, BitmapWords* merged) {
    if (!vcpu.plan.uses_io_bitmaps) {
        const std::uint32_t primary12{vcpu.vmcs12.get32(F::primary_processor_based_controls)};
        const bool all{(primary12 & vmx::primary::unconditional_io_exiting) != 0};
        return all ? vcpu.machine.all_ones : l0.page;
    }
    const BitmapWords* const l1{l1_page(vcpu, field)};
    const bool is_covered{l0.is_covered_by(*l1)};
    if (!is_out_of_l2s_reach(vcpu, field, *l1)) {
        vcpu.io_is_decided_at_exit = true;
        return vcpu.machine.all_ones;
    }
    if (is_covered && is_alone(vcpu)) return l1;
    l0.merge(*merged, *l1);
    return merged;
}

void set_io_bitmaps(Vcpu& vcpu) {
    vcpu.io_is_decided_at_exit = false;
    const auto& machine{vcpu.machine};
    const BitmapWords* const a{io_bitmap(vcpu, F::io_bitmap_a, machine.io_bitmap_a, vcpu.merged_io_bitmap_a)};
    const BitmapWords* const b{io_bitmap(vcpu, F::io_bitmap_b, machine.io_bitmap_b, vcpu.merged_io_bitmap_b)};
    use_io_bitmaps(vcpu, a, b);
}

} // namespace

void set_l2_bitmaps(Vcpu& vcpu, bool controls_changed) {
    if (controls_changed || (vcpu.plan.uses_msr_bitmap && !msr_bitmap_stays(vcpu))) set_msr_bitmap(vcpu);
    if (controls_changed || vcpu.plan.uses_io_bitmaps) set_io_bitmaps(vcpu);
}

void merge_bitmaps_until_exit(Vcpu& vcpu) {
    const auto& machine{vcpu.machine};
    if (vcpu.io_is_decided_at_exit) {
        machine.io_bitmap_a.merge(*vcpu.merged_io_bitmap_a, *l1_page(vcpu, F::io_bitmap_a));
        machine.io_bitmap_b.merge(*vcpu.merged_io_bitmap_b, *l1_page(vcpu, F::io_bitmap_b));
        use_io_bitmaps(vcpu, vcpu.merged_io_bitmap_a, vcpu.merged_io_bitmap_b);
    }
    if (vcpu.msr_is_decided_at_exit) {
        machine.msr_bitmap.merge(*vcpu.merged_msr_bitmap, *l1_page(vcpu, F::msr_bitmap));
        use_msr_bitmap(vcpu, vcpu.merged_msr_bitmap);
    }
    vcpu.bitmaps_until_exit = true;
}

void end_merged_bitmaps(Vcpu& vcpu) {
    vcpu.bitmaps_until_exit = false;
    const BitmapWords* const all_ones{vcpu.machine.all_ones};
    if (vcpu.io_is_decided_at_exit) use_io_bitmaps(vcpu, all_ones, all_ones);
    if (vcpu.msr_is_decided_at_exit) use_msr_bitmap(vcpu, all_ones);
}

void note_l2_writable(Vcpu& vcpu, std::uint64_t address, unsigned page_shift) {
    auto& known{vcpu.watched_bitmaps};
    if (known.l2_writes) return;
    // EPT02's pages are of 2 MiB at the most (nested/ept02.cpp).
    const std::uint64_t mask{page_shift > 12 ? memory::large_page_size - 1 : memory::page_size - 1};
    for (std::size_t i{0}; i < known.count; ++i) {
        if (((known.pages[i] ^ address) & ~mask) == 0) known.l2_writes = true;
    }
    if (known.l2_writes) set_l2_bitmaps(vcpu, true);
}

L1Bitmaps l1_bitmaps(const Vcpu& vcpu, std::uint32_t reason) {
    using vmcs::ExitReason;
    L1Bitmaps bitmaps{};
    switch (static_cast<ExitReason>(reason)) {
    case ExitReason::rdmsr:
    case ExitReason::wrmsr:
        if (vcpu.plan.uses_msr_bitmap) bitmaps.msr = l1_page(vcpu, F::msr_bitmap);
        break;
    case ExitReason::io_instruction:
        if (!vcpu.plan.uses_io_bitmaps) break;
        bitmaps.io_a = l1_page(vcpu, F::io_bitmap_a);
        bitmaps.io_b = l1_page(vcpu, F::io_bitmap_b);
        break;
    case ExitReason::vmread:
    case ExitReason::vmwrite: {
        const std::uint32_t secondary12{secondary_controls_in_force(vcpu.vmcs12.values())};
        if ((secondary12 & vmx::secondary::vmcs_shadowing) == 0) break;
        bitmaps.vmread = l1_page(vcpu, F::vmread_bitmap);
        bitmaps.vmwrite = l1_page(vcpu, F::vmwrite_bitmap);
        break;
    }
    default: break;
    }
    return bitmaps;
}

void set_l2_ept(Vcpu& vcpu) {
    vcpu.ept02_drops = vcpu.ept02->drops();
    // Without EPT of its own L1 translates by shadow paging; L2's "physical" addresses are then L1's.
    const std::uint64_t eptp02{vcpu.plan.has_ept
                                   ? vcpu.ept02->pointer_for(vcpu.hardware, vcpu.vmcs12.get(F::ept_pointer))
                                   : vcpu.machine.eptp01};
    if (eptp02 == vcpu.eptp02) return;
    vcpu.eptp02 = eptp02;
    vcpu.hardware.write(F::ept_pointer, eptp02);
}

void load_another_timer_value(Vcpu& vcpu) {
    const std::uint64_t now{vcpu.timer.is_active() ? cpu::rdtsc() : 0};
    const std::uint32_t value{
        vcpu.timer.load(now, vcpu.bitmaps_until_exit ? merged_bitmaps_last : vcpu.backstop)};
    if (value == vcpu.timer_loaded) return;
    vcpu.timer_loaded = value;
    vcpu.hardware.write(F::vmx_preemption_timer_value, value);
}

} // namespace shadowtune::nested
