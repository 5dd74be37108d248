#include "hypervisor/nested/l2_bitmaps.hpp"

#include "hypervisor/nested/field_classes.hpp"

namespace shadowtune::nested {

namespace {

[[nodiscard]] const BitmapWords* l1_page(const Vcpu& vcpu, F address) {
    return static_cast<const BitmapWords*>(vcpu.machine.l1.pointer(vcpu.vmcs12.get(address)));
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
    if (vcpu.machine.msr_bitmap.is_covered_by(*l1)) {
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
        if (l0.is_covered_by(*l1)) return vcpu.hardware.write(field, physical(l1));
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

L1Bitmaps l1_bitmaps(const Vcpu& vcpu) {
    const std::uint32_t primary12{vcpu.vmcs12.get32(F::primary_processor_based_controls)};
    L1Bitmaps bitmaps{};
    if ((primary12 & vmx::primary::use_msr_bitmaps) != 0) bitmaps.msr = l1_page(vcpu, F::msr_bitmap);
    if ((primary12 & vmx::primary::use_io_bitmaps) != 0) {
        bitmaps.io_a = l1_page(vcpu, F::io_bitmap_a);
        bitmaps.io_b = l1_page(vcpu, F::io_bitmap_b);
    }
    return bitmaps;
}

} // namespace shadowtune::nested
