// Isolation: ports that L0 keeps for itself stay its own where L0, on behalf of L2, writes to the very page
// that is L1's I/O bitmap: the destination of L2's VMREAD, and the shadow VMCS that L2's VMWRITE changes.
// Nothing of this is L2's own store, which EPT would show.

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/l2_harness.hpp"
#include "vmcs/catalogue.hpp"

namespace shadowtune::micro_l1 {

namespace {

constexpr std::uint16_t line_status_of_com2{0x2FD};
constexpr std::size_t byte_of_com2{0x2F8 / 8};
constexpr std::uint8_t shadow_indicator{0x80}; // in byte 3 of a region

volatile std::uint64_t g_operand;

void l2_reads_field_to_memory() {
    const std::uint64_t field{vmcs::encoding_of(Field::guest_rsp)};
    asm volatile("vmread %1, (%0)"
                 :
                 : "r"(static_cast<std::uint64_t>(g_operand)), "r"(field)
                 : "cc", "memory");
    l2_done(in8(line_status_of_com2));
}
void l2_clears_all_fields() {
    for (const vmcs::FieldInfo& field : vmcs::catalogue) {
        asm volatile("vmwrite %0, %1"
                     :
                     : "r"(std::uint64_t{0}), "r"(static_cast<std::uint64_t>(field.encoding))
                     : "cc");
    }
    l2_done(in8(line_status_of_com2));
}

void make_shadow(Page& region) {
    write_revision(region);
    region.bytes[3] |= shadow_indicator;
}

// L1 wants every port to exit, until L2 lets L0 change what L1's bitmap says of COM2's.
void port_stays_l0s(std::string_view test, bool by_link) {
    const Controls basic{basic_controls()};
    const Controls controls{basic.pin, basic.cpu | cpu_io_bitmaps, basic.cpu2 | cpu2_vmcs_shadowing,
                            basic.exit, basic.entry};
    if (!supported(controls)) {
        skip(test, "the processor has no I/O bitmaps or no VMCS shadowing");
        return;
    }
    L2 l2{test};
    Page& bitmap_a{scratch_page(0)};
    Page& bitmap_b{scratch_page(1)};
    __builtin_memset(&bitmap_a, 0xFF, sizeof(Page));
    __builtin_memset(&bitmap_b, 0xFF, sizeof(Page));
    if (by_link) make_shadow(bitmap_a);
    Page& other{scratch_page(3)};
    make_shadow(other);
    // A page of its own, so that no store of L2's beside it seems to reach it.
    feature_ept().map_identity();
    feature_ept().map_small(physical(&bitmap_a), physical(&bitmap_a), ept_all);
    feature_ept().map_small(physical(&bitmap_b), physical(&bitmap_b), ept_all);
    g_operand = physical(&bitmap_a) + byte_of_com2;
    leave_vmx_operation(); // L0 forgets what L2s could write to
    if (!l2.prepare(controls, feature_ept(), by_link ? l2_clears_all_fields : l2_reads_field_to_memory))
        return;
    flush_ept();
    set(Field::io_bitmap_a, physical(&bitmap_a));
    set(Field::io_bitmap_b, physical(&bitmap_b));
    set(Field::vmread_bitmap, physical(&scratch_page(2)));
    set(Field::vmwrite_bitmap, physical(&scratch_page(2)));
    set(Field::vmcs_link_pointer, physical(by_link ? &bitmap_a : &other));
    if (!l2.go()) return;
    // Where the processor's VMCS has another field there, L1 still gets its exit.
    if (l2.reason != static_cast<std::uint64_t>(ExitReason::io_instruction)) {
        l2.same("exit reason", static_cast<std::uint64_t>(ExitReason::vmcall), l2.reason);
        l2.same("COM2's line status", in8(line_status_of_com2), l2.registers.rbx);
    }
    l2.conclude();
}

} // namespace

void test_bitmaps_of_l0() {
    port_stays_l0s("isolation.port-behind-vmread", false);
    port_stays_l0s("isolation.port-behind-vmwrite", true);
    feature_ept().map_identity();
    flush_ept();
}

} // namespace shadowtune::micro_l1
