#include "tests/micro_l1/vmcs_setup.hpp"

#include "tests/micro_l1/cpu.hpp"

namespace shadowtune::micro_l1 {

namespace {

using vmcs::Field;

constexpr std::uint32_t msr_secondary{0x48B};

// IA32_VMX_BASIC[55]: the TRUE MSRs exist, and let default1 bits be 0 that their elders keep at 1 (Appendix
// A.2).
[[nodiscard]] std::uint64_t capability(std::uint32_t plain, std::uint32_t true_msr) {
    return read_msr((read_msr(msr_vmx_basic) >> 55 & 1U) != 0 ? true_msr : plain);
}

struct Capabilities {
    std::uint64_t pin{capability(0x481, 0x48D)};
    std::uint64_t cpu{capability(0x482, 0x48E)};
    std::uint64_t exit{capability(0x483, 0x48F)};
    std::uint64_t entry{capability(0x484, 0x490)};
    // IA32_VMX_PROCBASED_CTLS2 exists where the primary controls may activate it.
    std::uint64_t cpu2{(cpu >> 63 & 1U) != 0 ? read_msr(msr_secondary) : 0};
};

[[nodiscard]] std::uint32_t fit(std::uint32_t wish, std::uint64_t limits) {
    return (wish | static_cast<std::uint32_t>(limits)) & static_cast<std::uint32_t>(limits >> 32);
}

[[nodiscard]] bool allowed(std::uint32_t bits, std::uint64_t limits) {
    return (bits & ~static_cast<std::uint32_t>(limits >> 32)) == 0;
}

void set_host_state() {
    set(Field::host_cr0, read_cr0());
    set(Field::host_cr3, read_cr3());
    set(Field::host_cr4, read_cr4());
    set(Field::host_es_selector, selector_data);
    set(Field::host_cs_selector, selector_code);
    set(Field::host_ss_selector, selector_data);
    set(Field::host_ds_selector, selector_data);
    set(Field::host_fs_selector, selector_data);
    set(Field::host_gs_selector, selector_data);
    set(Field::host_tr_selector, selector_tss);
    set(Field::host_fs_base, 0);
    set(Field::host_gs_base, 0);
    set(Field::host_tr_base, physical(micro_l1_tss));
    set(Field::host_gdtr_base, physical(micro_l1_gdt));
    set(Field::host_idtr_base, l1_idt_address());
    set(Field::host_ia32_sysenter_cs, 0);
    set(Field::host_ia32_sysenter_esp, 0);
    set(Field::host_ia32_sysenter_eip, 0);
    set(Field::host_ia32_pat, read_msr(msr_pat));
    set(Field::host_ia32_efer, read_msr(msr_efer));
    set(Field::host_rsp, physical(micro_l1_exit_stack_top));
    set(Field::host_rip, reinterpret_cast<std::uint64_t>(&micro_l1_vm_exit));
}

void set_segment(unsigned index, std::uint64_t selector, std::uint64_t limit, std::uint64_t access_rights) {
    const auto at{[index](Field first) { return static_cast<Field>(vmcs::encoding_of(first) + 2 * index); }};
    set(at(Field::guest_es_selector), selector);
    set(at(Field::guest_es_base), 0);
    set(at(Field::guest_es_limit), limit);
    set(at(Field::guest_es_access_rights), access_rights);
}

void set_guest_state(const L2Start& start) {
    constexpr std::uint64_t data_rights{0xC093};
    constexpr std::uint64_t code_rights{0xA09B};
    constexpr std::uint64_t unusable{0x10000};
    constexpr std::uint64_t busy_tss_rights{0x8B};
    constexpr std::uint64_t flat{0xFFFFFFFF};
    set_segment(0, selector_data, flat, data_rights);
    set_segment(1, selector_code, flat, code_rights);
    set_segment(2, selector_data, flat, data_rights);
    set_segment(3, selector_data, flat, data_rights);
    set_segment(4, selector_data, flat, data_rights);
    set_segment(5, selector_data, flat, data_rights);
    set_segment(6, 0, 0, unusable);
    set_segment(7, selector_tss, 0x67, busy_tss_rights);
    set(Field::guest_tr_base, physical(micro_l1_tss));
    set(Field::guest_gdtr_base, physical(micro_l1_gdt));
    set(Field::guest_gdtr_limit, 0x27);
    set(Field::guest_idtr_base, l2_idt_address());
    set(Field::guest_idtr_limit, 0xFFF);
    set(Field::guest_cr0, read_cr0());
    set(Field::guest_cr3, read_cr3());
    set(Field::guest_cr4, read_cr4());
    set(Field::guest_dr7, 0x400);
    set(Field::guest_rip, start.rip);
    set(Field::guest_rsp, start.rsp);
    set(Field::guest_rflags, 2);
    set(Field::guest_pending_debug_exceptions, 0);
    set(Field::guest_interruptibility_state, 0);
    set(Field::guest_activity_state, 0);
    set(Field::guest_ia32_debugctl, 0);
    set(Field::guest_ia32_sysenter_cs, 0);
    set(Field::guest_ia32_sysenter_esp, 0);
    set(Field::guest_ia32_sysenter_eip, 0);
    set(Field::guest_ia32_pat, read_msr(msr_pat));
    set(Field::guest_ia32_efer, read_msr(msr_efer));
    set(Field::vmcs_link_pointer, ~std::uint64_t{0});
}

void set_controls(const Controls& controls, const Ept& ept) {
    set(Field::pin_based_controls, controls.pin);
    set(Field::primary_processor_based_controls, controls.cpu);
    set(Field::secondary_processor_based_controls, controls.cpu2);
    set(Field::primary_vm_exit_controls, controls.exit);
    set(Field::vm_entry_controls, controls.entry);
    set(Field::exception_bitmap, 0);
    set(Field::page_fault_error_code_mask, 0);
    set(Field::page_fault_error_code_match, 0);
    set(Field::cr3_target_count, 0);
    set(Field::vm_exit_msr_store_count, 0);
    set(Field::vm_exit_msr_load_count, 0);
    set(Field::vm_entry_msr_load_count, 0);
    set(Field::vm_entry_interruption_information, 0);
    set(Field::cr0_guest_host_mask, 0);
    set(Field::cr4_guest_host_mask, 0);
    set(Field::cr0_read_shadow, 0);
    set(Field::cr4_read_shadow, 0);
    set(Field::tsc_offset, 0);
    if ((controls.cpu2 & cpu2_ept) != 0) set(Field::ept_pointer, ept.pointer());
    if ((controls.cpu2 & cpu2_vpid) != 0) set(Field::virtual_processor_identifier, 1);
}

} // namespace

Controls adjust(const Controls& wish) {
    const Capabilities limits;
    return {fit(wish.pin, limits.pin), fit(wish.cpu, limits.cpu), fit(wish.cpu2, limits.cpu2),
            fit(wish.exit, limits.exit), fit(wish.entry, limits.entry)};
}

bool supported(const Controls& bits) {
    const Capabilities limits;
    return allowed(bits.pin, limits.pin) && allowed(bits.cpu, limits.cpu) &&
           allowed(bits.cpu2, limits.cpu2) && allowed(bits.exit, limits.exit) &&
           allowed(bits.entry, limits.entry);
}

Controls basic_controls() {
    return adjust({0, cpu_hlt | cpu_secondary, cpu2_ept | cpu2_vpid,
                   exit_host_64 | exit_save_pat | exit_load_pat | exit_save_efer | exit_load_efer,
                   entry_guest_64 | entry_load_pat | entry_load_efer});
}

bool set_up_vmcs(Page& region, const Controls& controls, const Ept& ept, const L2Start& start) {
    if (!load_fresh_vmcs(region)) return false;
    set_controls(controls, ept);
    set_host_state();
    set_guest_state(start);
    return true;
}

void write_looped_code(std::uint8_t (&page)[4096], std::uint8_t first, std::uint8_t second) {
    constexpr std::uint8_t jump{0xE9};
    constexpr std::int32_t jump_bytes{5};
    for (std::size_t i{0}; i < looped_code_bytes; ++i)
        page[i] = i % 2 == 0 ? first : second;
    page[looped_code_bytes] = jump;
    constexpr std::int32_t back{-static_cast<std::int32_t>(looped_code_bytes) - jump_bytes};
    __builtin_memcpy(page + looped_code_bytes + 1, &back, sizeof(back));
}

} // namespace shadowtune::micro_l1
