#include "tests/micro_l1/field_rules.hpp"

namespace shadowtune::micro_l1 {

namespace {

using vmcs::Field;

[[nodiscard]] std::uint64_t canonical(std::uint64_t value) {
    // 48-bit linear addresses: bits 63:47 alike.
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << 16) >> 16);
}

// Eight memory types of 0, 1, 4, 5, 6 and 7 (SDM Vol. 3A, 12.12.2).
[[nodiscard]] std::uint64_t random_pat(Prng& random) {
    constexpr std::uint8_t types[]{0, 1, 4, 5, 6, 7};
    std::uint64_t value{0};
    for (unsigned entry{0}; entry < 8; ++entry)
        value = value << 8 | types[random.below(6)];
    return value;
}

// With G = 1 bits 11:0 of the limit are ones (SDM Vol. 3C, 27.3.1.2); G stays 1 so that limit and rights may
// change one without the other.
[[nodiscard]] std::uint64_t random_limit(Prng& random) {
    return (random.next() & 0xFFFFFFFF) | 0x80000FFF;
}

constexpr std::uint64_t available_bit{0x1000};

// Accessed data or readable code, DPL 3: any selector fits.
[[nodiscard]] std::uint64_t random_data_rights(Prng& random) {
    constexpr std::uint8_t types[]{1, 3, 5, 7, 11, 15};
    return 0x80F0U | types[random.below(6)] | (random.next() & (available_bit | 0x4000U));
}

[[nodiscard]] std::uint64_t random_code_rights(Prng& random) {
    return 0xA090U | (9U + 2U * random.below(4)) | (random.next() & available_bit);
}

// CF, PF, AF, ZF, SF, IF, DF, OF, IOPL, NT, AC, ID. Interrupts are masked at the 8259s, so IF may be 1.
[[nodiscard]] std::uint64_t random_flags(Prng& random) {
    return 2U | (random.next() & 0x247ED5U);
}

} // namespace

AfterExit after_exit(Field field) {
    switch (field) {
    // SDM Vol. 3C, 28.2: defined for some exits only (round_trips.cpp sets those), else undefined.
    case Field::vm_exit_interruption_error_code:
    case Field::idt_vectoring_error_code:
    case Field::vm_exit_instruction_length:
    case Field::vm_exit_instruction_information:
    case Field::guest_physical_address:
    case Field::guest_linear_address:
    case Field::io_rcx:
    case Field::io_rsi:
    case Field::io_rdi:
    case Field::io_rip:
    // 28.3: saved from registers that the controls here do not load, or undefined outside PAE paging and SMM.
    case Field::guest_pdpte_0:
    case Field::guest_pdpte_1:
    case Field::guest_pdpte_2:
    case Field::guest_pdpte_3:
    case Field::guest_smbase:
    case Field::guest_ia32_bndcfgs:
    case Field::guest_ia32_rtit_ctl:
    case Field::guest_ia32_lbr_ctl:
    case Field::guest_ia32_pkrs:
    case Field::guest_ia32_s_cet:
    case Field::guest_ssp:
    case Field::guest_ia32_interrupt_ssp_table_addr:
    case Field::guest_uinv: return AfterExit::undefined;
    default: return AfterExit::kept;
    }
}

std::uint64_t valid_value(Field field, const Controls& controls, std::uint64_t fixed, Prng& random) {
    const std::uint64_t any{random.next()};
    switch (field) {
    // Fields that have one right value here.
    case Field::ept_pointer:
    case Field::vmcs_link_pointer:
    case Field::pin_based_controls:
    case Field::primary_processor_based_controls:
    case Field::secondary_processor_based_controls:
    case Field::primary_vm_exit_controls:
    case Field::vm_entry_controls:
    case Field::vm_exit_msr_store_count:
    case Field::vm_exit_msr_load_count:
    case Field::vm_entry_msr_load_count:
    case Field::guest_interruptibility_state:
    case Field::guest_activity_state:
    case Field::guest_pending_debug_exceptions:
    case Field::guest_cr0:
    case Field::host_cr0:
    case Field::host_cr4:
    case Field::host_cs_selector:
    case Field::host_tr_selector:
    case Field::host_tr_base:
    case Field::host_gdtr_base:
    case Field::host_idtr_base:
    case Field::host_ia32_efer:
    case Field::host_rsp:
    case Field::host_rip: return fixed;

    case Field::virtual_processor_identifier: return (any & 0xFFFF) | 1U;
    case Field::exception_bitmap: return any | (1U << 6) | (1U << 3); // #UD and #BP are steps of L2
    case Field::cr3_target_count: return any % 5;
    case Field::vm_entry_interruption_information: return any & 0x7FFFFFFF; // bit 31: nothing is injected

    case Field::guest_es_selector:
    case Field::guest_ds_selector:
    case Field::guest_fs_selector:
    case Field::guest_gs_selector: return any & 0xFFFF;
    case Field::guest_cs_selector:
    case Field::guest_ss_selector:
    case Field::guest_ldtr_selector:
    case Field::guest_tr_selector: return any & 0xFFF8;
    case Field::guest_es_base:
    case Field::guest_cs_base:
    case Field::guest_ss_base:
    case Field::guest_ds_base: return any & 0xFFFFFFFF; // 64-bit mode takes them as 0
    case Field::guest_es_limit:
    case Field::guest_cs_limit:
    case Field::guest_ss_limit:
    case Field::guest_ds_limit:
    case Field::guest_fs_limit:
    case Field::guest_gs_limit:
    case Field::guest_ldtr_limit:
    case Field::guest_tr_limit: return random_limit(random);
    case Field::guest_gdtr_limit:
    case Field::guest_idtr_limit: return any & 0xFFFF;
    case Field::guest_es_access_rights:
    case Field::guest_ds_access_rights:
    case Field::guest_fs_access_rights:
    case Field::guest_gs_access_rights: return random_data_rights(random);
    case Field::guest_cs_access_rights: return random_code_rights(random);
    case Field::guest_ss_access_rights: return 0x8093U | (any & (4U | available_bit | 0x4000U));
    case Field::guest_ldtr_access_rights: return 0x8082U | (any & available_bit);
    case Field::guest_tr_access_rights: return 0x808BU | (any & available_bit);

    case Field::guest_fs_base:
    case Field::guest_gs_base:
    case Field::guest_ldtr_base:
    case Field::guest_tr_base:
    case Field::guest_gdtr_base:
    case Field::guest_idtr_base:
    case Field::guest_ia32_sysenter_esp:
    case Field::guest_ia32_sysenter_eip:
    case Field::guest_ia32_s_cet:
    case Field::guest_ssp:
    case Field::guest_ia32_interrupt_ssp_table_addr:
    case Field::guest_rip:
    case Field::guest_rsp:
    case Field::host_fs_base:
    case Field::host_gs_base:
    case Field::host_ia32_sysenter_esp:
    case Field::host_ia32_sysenter_eip: return canonical(any);

    case Field::guest_rflags: return random_flags(random);
    // TSD, DE, PGE, PCE; L2 runs at CPL 0 and notices none of them.
    case Field::guest_cr4: return fixed ^ (any & 0x18CU);
    case Field::guest_cr3:
    case Field::host_cr3: return physical(random.one_in(2) ? micro_l1_pml4 : micro_l1_pml4_twin);
    // IA-32e mode stays; SCE and NXE change.
    case Field::guest_ia32_efer: return 0x500U | (any & 0x801U);
    case Field::guest_ia32_pat: return random_pat(random);
    case Field::host_ia32_pat:
        return (random_pat(random) & ~std::uint64_t{0xFF}) | 0x06U; // entry 0 maps L1 itself
    case Field::guest_ia32_debugctl: return (controls.entry & entry_load_debug) != 0 ? 0 : any;
    case Field::guest_dr7: return (controls.entry & entry_load_debug) != 0 ? 0x400U : any;

    case Field::host_es_selector:
    case Field::host_ss_selector:
    case Field::host_ds_selector:
    case Field::host_fs_selector:
    case Field::host_gs_selector: return random.one_in(2) ? 0 : selector_data;

    // The rest is not looked at by a VM entry with these controls, or is for L1's own use.
    default: return any;
    }
}

} // namespace shadowtune::micro_l1
