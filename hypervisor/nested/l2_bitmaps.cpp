#include "hypervisor/nested/l2_bitmaps.hpp"

#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/nested/field_classes.hpp"

namespace shadowtune::nested {

namespace {

[[nodiscard]] const BitmapWords* l1_page(const Vcpu& vcpu, F address) {
    return static_cast<const BitmapWords*>(vcpu.machine.l1.pointer(vcpu.vmcs12.get(address)));
}

// Whether the processor may use L1's own page while L2 runs. L2 must not be able to write to it: it would
// take away what L0 asks for, its link and IA32_APIC_BASE. So the page must be one that L2's EPT never mapped
// writable since it was first used so: the tables are dropped then, and note_l2_writable() hears of each
// mapping made after that.
[[nodiscard]] bool may_use_in_place(Vcpu& vcpu, F field, const OwnBitmap& l0, const BitmapWords& page) {
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const std::uint64_t address{vmcs12.get(field)};
    const bool has_ept{(secondary_controls_in_force(vmcs12.values()) & vmx::secondary::enable_ept) != 0};
    const bool is_l1s_own{reinterpret_cast<std::uint64_t>(&page) == address};
    const bool is_virtual_apic{vmcs12.get(F::virtual_apic_address) == address};
    if (!l0.is_covered_by(page) || !has_ept || !is_l1s_own || is_virtual_apic) return false;
    auto& known{vcpu.bitmaps_in_place};
    if (known.l2_writes) return false;
    for (std::size_t i{0}; i < known.count; ++i) {
        if (known.pages[i] == address) return true;
    }
    if (known.count == BitmapsInPlace::capacity) return false;
    known.pages[known.count++] = address;
    vcpu.ept02->forget_all(vcpu.hardware);
    return true;
}

[[nodiscard]] std::uint64_t physical(const BitmapWords* page) {
    return reinterpret_cast<std::uint64_t>(page);
}

void set_msr_bitmap(Vcpu& vcpu, std::uint32_t primary12) {
    if ((primary12 & vmx::primary::use_msr_bitmaps) == 0) {
        vcpu.hardware.write(F::msr_bitmap, physical(vcpu.machine.all_ones));
        return;
    }
    const BitmapWords* const l1{l1_page(vcpu, F::msr_bitmap)};
    if (may_use_in_place(vcpu, F::msr_bitmap, vcpu.machine.msr_bitmap, *l1)) {
        vcpu.hardware.write(F::msr_bitmap, physical(l1));
        return;
    }
    merge_msr_bitmap(*vcpu.merged_msr_bitmap, *vcpu.machine.msr_bitmap.page, primary12, l1);
    vcpu.hardware.write(F::msr_bitmap, physical(vcpu.merged_msr_bitmap));
}

void set_io_bitmap(Vcpu& vcpu, std::uint32_t primary12, F field, const OwnBitmap& l0, BitmapWords* merged) {
    const BitmapWords* l1{nullptr};
    if ((primary12 & vmx::primary::use_io_bitmaps) != 0) {
        l1 = l1_page(vcpu, field);
        if (may_use_in_place(vcpu, field, l0, *l1)) return vcpu.hardware.write(field, physical(l1));
    } else if ((primary12 & vmx::primary::unconditional_io_exiting) != 0) {
        return vcpu.hardware.write(field, physical(vcpu.machine.all_ones));
    } else {
        return vcpu.hardware.write(field, physical(l0.page));
    }
    merge_io_bitmap(*merged, *l0.page, primary12, l1);
    vcpu.hardware.write(field, physical(merged));
}

} // namespace

void set_l2_bitmaps(Vcpu& vcpu, bool controls_changed) {
    const std::uint32_t primary12{vcpu.vmcs12.get32(F::primary_processor_based_controls)};
    const bool in_memory{(primary12 & (vmx::primary::use_msr_bitmaps | vmx::primary::use_io_bitmaps)) != 0};
    if (!controls_changed && !in_memory) return;
    set_msr_bitmap(vcpu, primary12);
    const bool io_in_memory{(primary12 & vmx::primary::use_io_bitmaps) != 0};
    if (!controls_changed && !io_in_memory) return;
    set_io_bitmap(vcpu, primary12, F::io_bitmap_a, vcpu.machine.io_bitmap_a, vcpu.merged_io_bitmap_a);
    set_io_bitmap(vcpu, primary12, F::io_bitmap_b, vcpu.machine.io_bitmap_b, vcpu.merged_io_bitmap_b);
}

void note_l2_writable(Vcpu& vcpu, std::uint64_t address, unsigned page_shift) {
    auto& known{vcpu.bitmaps_in_place};
    if (known.l2_writes) return;
    // EPT02's pages are of 2 MiB at the most (nested/ept02.cpp).
    const std::uint64_t mask{page_shift > 12 ? memory::large_page_size - 1 : memory::page_size - 1};
    for (std::size_t i{0}; i < known.count; ++i) {
        if (((known.pages[i] ^ address) & ~mask) == 0) known.l2_writes = true;
    }
    if (known.l2_writes) set_l2_bitmaps(vcpu, true);
}

L1Bitmaps l1_bitmaps(const Vcpu& vcpu) {
    const std::uint32_t primary12{vcpu.vmcs12.get32(F::primary_processor_based_controls)};
    L1Bitmaps bitmaps{};
    if ((primary12 & vmx::primary::use_msr_bitmaps) != 0) bitmaps.msr = l1_page(vcpu, F::msr_bitmap);
    if ((primary12 & vmx::primary::use_io_bitmaps) != 0) {
        bitmaps.io_a = l1_page(vcpu, F::io_bitmap_a);
        bitmaps.io_b = l1_page(vcpu, F::io_bitmap_b);
    }
    const std::uint32_t secondary12{secondary_controls_in_force(vcpu.vmcs12.values())};
    if ((secondary12 & vmx::secondary::vmcs_shadowing) != 0) {
        bitmaps.vmread = l1_page(vcpu, F::vmread_bitmap);
        bitmaps.vmwrite = l1_page(vcpu, F::vmwrite_bitmap);
    }
    return bitmaps;
}

void set_l2_ept(Vcpu& vcpu) {
    // Without EPT of its own L1 translates by shadow paging; L2's "physical" addresses are then L1's.
    const Vmcs12& vmcs12{vcpu.vmcs12};
    const bool has_ept{(secondary_controls_in_force(vmcs12.values()) & vmx::secondary::enable_ept) != 0};
    const std::uint64_t eptp02{has_ept ? vcpu.ept02->pointer_for(vcpu.hardware, vmcs12.get(F::ept_pointer))
                                       : vcpu.machine.eptp01};
    if (eptp02 == vcpu.eptp02) return;
    vcpu.eptp02 = eptp02;
    vcpu.hardware.write(F::ept_pointer, eptp02);
}

void load_l2_timer(Vcpu& vcpu, bool l1_uses_it) {
    const std::uint32_t value{l1_uses_it && vcpu.timer_left < vcpu.backstop ? vcpu.timer_left
                                                                            : vcpu.backstop};
    vcpu.timer_loaded = value;
    vcpu.hardware.write(F::vmx_preemption_timer_value, value);
}

} // namespace shadowtune::nested
