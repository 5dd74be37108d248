// vmx-errors: what the VMX instructions answer when they are used wrongly, as an L1 sees it. SDM Vol. 3C,
// chapter 31 "VMX Instruction Reference" and section 31.4 "VM Instruction Error Numbers" (edition
// 325462-087). No parameters.
//
// Left out, because the bare emulator is wrong about them: VMLAUNCH with a shadow VMCS current (Bochs 2.7
// gives VMfailValid instead of VMfailInvalid); VMCALL in root operation (it panics).

#include "tests/micro_l1/cpu.hpp"
#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/scripts.hpp"
#include "tests/micro_l1/vmcs_setup.hpp"

namespace shadowtune::micro_l1 {

namespace {

using vmcs::Field;

constexpr std::uint8_t invalid_opcode{6};
constexpr std::uint8_t general_protection{13};
constexpr std::uint64_t no_pointer{~std::uint64_t{0}};

Page g_region;
Page g_other;
Ept g_ept;

[[nodiscard]] std::string_view name_of(VmxResult result) {
    switch (result) {
    case VmxResult::succeed: return "VMsucceed";
    case VmxResult::fail_valid: return "VMfailValid";
    case VmxResult::fail_invalid: return "VMfailInvalid";
    }
    return {};
}

// error: wanted in the VM-instruction error field, for VMfailValid only.
void check(std::string_view name, VmxResult got, VmxResult wanted, std::uint64_t error = 0) {
    if (got != wanted) {
        fail(name, "wanted ", name_of(wanted), " got ", name_of(got));
        return;
    }
    if (wanted != VmxResult::fail_valid) {
        pass(name);
        return;
    }
    expect(name, "VM-instruction error", error, get(Field::vm_instruction_error));
}

template <typename Body>
void check_fault(std::string_view name, std::uint8_t vector, Body body) {
    const Fault fault{guarded(body)};
    if (!fault.happened) {
        fail(name, "wanted a fault with vector ", vector, ", got none");
        return;
    }
    expect(name, "vector", vector, fault.vector);
}

[[nodiscard]] std::uint64_t beyond_physical() {
    return std::uint64_t{1} << (cpuid(0x80000008).eax &
                                0xFFU); // the first address that the processor does not have
}

[[nodiscard]] VmxResult as_result(EntryResult result) {
    if (result == EntryResult::exited) return VmxResult::succeed;
    return result == EntryResult::fail_invalid ? VmxResult::fail_invalid : VmxResult::fail_valid;
}

[[nodiscard]] VmxResult launch() {
    GuestRegisters registers{};
    return as_result(enter_l2(registers, true));
}

[[nodiscard]] VmxResult resume() {
    GuestRegisters registers{};
    return as_result(enter_l2(registers, false));
}

void outside_vmx_operation() {
    leave_vmx_operation();
    std::uint64_t value{0};
    check_fault("outside.vmclear", invalid_opcode, [] { (void)vmclear(physical(&g_region)); });
    check_fault("outside.vmptrld", invalid_opcode, [] { (void)vmptrld(physical(&g_region)); });
    check_fault("outside.vmptrst", invalid_opcode, [] { (void)vmptrst(); });
    check_fault("outside.vmread", invalid_opcode, [&] { (void)vmread_shape(0, 0x681E, value); });
    check_fault("outside.vmwrite", invalid_opcode, [] { (void)vmwrite_shape(0, 0x681E, 0); });
    check_fault("outside.vmlaunch", invalid_opcode, [] { asm volatile("vmlaunch" : : : "memory", "cc"); });
    check_fault("outside.vmresume", invalid_opcode, [] { asm volatile("vmresume" : : : "memory", "cc"); });
    check_fault("outside.vmxoff", invalid_opcode, [] { (void)vmxoff(); });
    check_fault("outside.vmcall", invalid_opcode, [] { asm volatile("vmcall" : : : "memory", "cc"); });
    check_fault("outside.invept", invalid_opcode, [] { (void)invept_at(2, g_other.bytes); });
    check_fault("outside.invvpid", invalid_opcode, [] { (void)invvpid_at(2, g_other.bytes); });
}

// With the A20 gate closed all that runs here lies where bit 20 is 0 anyway.
void vmxon_with_a20_closed() {
    constexpr std::uint16_t system_control{0x92};
    constexpr std::uint8_t gate{1U << 1}, reset{1U << 0};
    const auto control{static_cast<std::uint8_t>(in8(system_control) & ~reset)};
    out8(system_control, static_cast<std::uint8_t>(control & ~gate));
    const Fault fault{guarded([] { (void)vmxon(physical(&vmxon_region())); })};
    out8(system_control, control | gate);
    expect("vmxon.a20-closed", "vector", general_protection, fault.happened ? fault.vector : 0);
}

void vmxon_errors() {
    constexpr std::uint64_t vmxe{std::uint64_t{1} << 13};
    const std::uint64_t cr4{read_cr4()};
    write_cr4(cr4 & ~vmxe);
    check_fault("vmxon.vmxe-clear", invalid_opcode, [] { (void)vmxon(physical(&vmxon_region())); });
    write_cr4(cr4);

    vmxon_with_a20_closed();

    const std::uint64_t region{physical(&vmxon_region())};
    check("vmxon.misaligned", vmxon(region + 8), VmxResult::fail_invalid);
    check("vmxon.beyond-physical", vmxon(beyond_physical()), VmxResult::fail_invalid);
    write_revision(g_other);
    g_other.bytes[0] = static_cast<std::uint8_t>(g_other.bytes[0] ^ 1U);
    check("vmxon.bad-revision", vmxon(physical(&g_other)), VmxResult::fail_invalid);
    write_revision(g_other);
    g_other.bytes[3] = static_cast<std::uint8_t>(g_other.bytes[3] | 0x80U);
    check("vmxon.shadow-bit", vmxon(physical(&g_other)), VmxResult::fail_invalid);
    check_fault("vmxon.still-outside", invalid_opcode, [] { (void)vmptrst(); });

    check("vmxon.good", vmxon(region), VmxResult::succeed);
    note_vmx_operation(true);
    check_fault("vmxon.vmxe-stays", general_protection, [=] { write_cr4(cr4 & ~vmxe); });
}

void without_current_vmcs() {
    std::uint64_t value{0};
    expect("no-vmcs.vmptrst", "pointer", no_pointer, vmptrst());
    check("no-vmcs.vmread", vmread(0x681E, value), VmxResult::fail_invalid);
    check("no-vmcs.vmwrite", vmwrite(0x681E, 0), VmxResult::fail_invalid);
    check("no-vmcs.vmread-unsupported", vmread(0x7FFE, value), VmxResult::fail_invalid);
    check("no-vmcs.vmlaunch", launch(), VmxResult::fail_invalid);
    check("no-vmcs.vmresume", resume(), VmxResult::fail_invalid);
    check("no-vmcs.vmxon-again", vmxon(physical(&vmxon_region())), VmxResult::fail_invalid);
    check("no-vmcs.vmclear-misaligned", vmclear(physical(&g_region) + 1), VmxResult::fail_invalid);
    check("no-vmcs.invept-type", invept_at(0, g_other.bytes), VmxResult::fail_invalid);
}

void pointer_errors() {
    write_revision(g_region);
    write_revision(g_other);
    const std::uint64_t region{physical(&g_region)};
    check("vmclear.good", vmclear(region), VmxResult::succeed);
    check("vmptrld.good", vmptrld(region), VmxResult::succeed);
    expect("vmptrst.current", "pointer", region, vmptrst());
    check("vmxon.in-root-operation", vmxon(physical(&vmxon_region())), VmxResult::fail_valid, 15);
    check("vmclear.misaligned", vmclear(region + 4), VmxResult::fail_valid, 2);
    check("vmclear.beyond-physical", vmclear(beyond_physical()), VmxResult::fail_valid, 2);
    check("vmclear.vmxon-pointer", vmclear(physical(&vmxon_region())), VmxResult::fail_valid, 3);
    check("vmptrld.misaligned", vmptrld(region + 0x800), VmxResult::fail_valid, 9);
    check("vmptrld.beyond-physical", vmptrld(beyond_physical()), VmxResult::fail_valid, 9);
    check("vmptrld.vmxon-pointer", vmptrld(physical(&vmxon_region())), VmxResult::fail_valid, 10);
    g_other.bytes[1] = static_cast<std::uint8_t>(g_other.bytes[1] ^ 0x40U);
    check("vmptrld.bad-revision", vmptrld(physical(&g_other)), VmxResult::fail_valid, 11);
    expect("vmptrst.failures-keep-current", "pointer", region, vmptrst());

    // A shadow VMCS may be current where "VMCS shadowing" may be 1, else its revision is wrong.
    constexpr std::uint32_t vmcs_shadowing{1U << 14};
    write_revision(g_other);
    g_other.bytes[3] = static_cast<std::uint8_t>(g_other.bytes[3] | 0x80U);
    const bool shadowing{supported({0, cpu_secondary, vmcs_shadowing, 0, 0})};
    check("vmptrld.shadow-bit", vmptrld(physical(&g_other)),
          shadowing ? VmxResult::succeed : VmxResult::fail_valid, 11);

    write_revision(g_other);
    check("vmclear.other", vmclear(physical(&g_other)), VmxResult::succeed);
    check("vmptrld.back", vmptrld(region), VmxResult::succeed);
    check("vmclear.not-current", vmclear(physical(&g_other)), VmxResult::succeed);
    expect("vmptrst.clear-of-another", "pointer", region, vmptrst());
    check("vmclear.current", vmclear(region), VmxResult::succeed);
    expect("vmptrst.clear-of-current", "pointer", no_pointer, vmptrst());
}

void field_errors() {
    if (!load_fresh_vmcs(g_region)) return;
    std::uint64_t value{0};
    check("vmread.unsupported", vmread(0x7FFE, value, 0), VmxResult::fail_valid, 12);
    check("vmread.unsupported-to-memory", vmread(0x7FFE, value, 9), VmxResult::fail_valid, 12);
    check("vmwrite.unsupported", vmwrite(0x7FFE, 0, 3), VmxResult::fail_valid, 12);
    check("vmread.high-half-of-32-bit-field", vmread(0x4003, value), VmxResult::fail_valid, 12);
    check("vmread.above-the-bitmap", vmread(0x8000, value), VmxResult::fail_valid, 12);
    check("vmread.bit-32", vmread(0x1'0000'681E, value), VmxResult::fail_valid, 12);
    check("vmwrite.bit-63", vmwrite(0x8000'0000'0000'681E, 0), VmxResult::fail_valid, 12);
    check("vmread.good-keeps-error", vmread(0x681E, value), VmxResult::succeed);
    expect("vmread.error-stays", "VM-instruction error", 12, get(Field::vm_instruction_error));
    const VmxResult read_only{vmwrite(vmcs::encoding_of(Field::exit_reason), 1)};
    check("vmwrite.read-only-data", read_only,
          vmwrite_any_field() ? VmxResult::succeed : VmxResult::fail_valid, 13);
}

extern "C" void micro_l1_l2_halts();
asm(".pushsection .text\nmicro_l1_l2_halts:\n\thlt\n\tjmp micro_l1_l2_halts\n.popsection");

[[nodiscard]] bool fresh() {
    g_ept.map_identity();
    return set_up_vmcs(g_region, basic_controls(), g_ept,
                       {reinterpret_cast<std::uint64_t>(&micro_l1_l2_halts), 0});
}

void check_entry_failure(std::string_view name, std::uint64_t reason, std::uint64_t qualification) {
    const VmxResult result{launch()};
    if (result != VmxResult::succeed) {
        fail(name, "wanted a VM exit, got ", name_of(result));
        return;
    }
    const std::uint64_t got{get(Field::exit_reason)};
    if (got != reason) {
        fail(name, "exit reason wanted ", hex(reason), " got ", hex(got));
        return;
    }
    expect(name, "qualification", qualification, get(Field::exit_qualification));
}

void launch_state() {
    if (!fresh()) return;
    check("vmresume.clear", resume(), VmxResult::fail_valid, 5);
    check("vmlaunch.good", launch(), VmxResult::succeed);
    expect("vmlaunch.exit", "reason", static_cast<std::uint64_t>(vmcs::ExitReason::hlt),
           get(Field::exit_reason));
    check("vmlaunch.launched", launch(), VmxResult::fail_valid, 4);
    check("vmresume.good", resume(), VmxResult::succeed);
    check("vmclear.launched", vmclear(physical(&g_region)), VmxResult::succeed);
    check("vmptrld.cleared", vmptrld(physical(&g_region)), VmxResult::succeed);
    check("vmresume.cleared", resume(), VmxResult::fail_valid, 5);

    // Blocking by MOV SS is looked at before the launch state (Vol. 3C, 27.1).
    bool cf{};
    bool zf{};
    asm volatile("movl %%ss, %%eax\n\tmovl %%eax, %%ss\n\tvmlaunch"
                 : "=@ccc"(cf), "=@ccz"(zf)
                 :
                 : "rax", "memory");
    check("vmlaunch.blocked-by-mov-ss", vmx_result(cf, zf), VmxResult::fail_valid, 26);
}

void bad_controls() {
    struct Case {
        std::string_view name;
        Field field;
        std::uint64_t value;
    };
    const Controls controls{basic_controls()};
    const Case cases[]{
        {"controls.pin-must-be-1", Field::pin_based_controls, 0},
        {"controls.pin-must-be-0", Field::pin_based_controls, controls.pin | 1U << 31},
        {"controls.nmi-window-without-virtual-nmis", Field::primary_processor_based_controls,
         controls.cpu | cpu_nmi_window},
        {"controls.cr3-targets", Field::cr3_target_count, 5},
        {"controls.ept-pointer", Field::ept_pointer, g_ept.pointer() | 0x800U},
        {"controls.vpid-0", Field::virtual_processor_identifier, 0},
        {"controls.exit-must-be-1", Field::primary_vm_exit_controls, 0},
        {"controls.entry-must-be-1", Field::vm_entry_controls, 0},
        {"controls.injected-type-1", Field::vm_entry_interruption_information, 0x80000120},
        {"controls.injected-nmi-vector", Field::vm_entry_interruption_information, 0x80000203},
    };
    for (const Case& bad : cases) {
        if (!fresh()) return;
        set(bad.field, bad.value);
        check(bad.name, launch(), VmxResult::fail_valid, 7);
    }
    if (!fresh()) return;
    set(Field::vm_exit_msr_store_count, 1);
    set(Field::vm_exit_msr_store_address, physical(&g_other) + 8);
    check("controls.msr-area-misaligned", launch(), VmxResult::fail_valid, 7);
}

void bad_host_state() {
    struct Case {
        std::string_view name;
        Field field;
        std::uint64_t value;
    };
    const Case cases[]{
        {"host.cs-null", Field::host_cs_selector, 0},
        {"host.tr-null", Field::host_tr_selector, 0},
        {"host.ds-rpl", Field::host_ds_selector, 0x13},
        {"host.cr0-pe-clear", Field::host_cr0, 0},
        {"host.cr4-pae-clear", Field::host_cr4, 0x2000},
        {"host.cr3-beyond-physical", Field::host_cr3, beyond_physical()},
        {"host.rip-not-canonical", Field::host_rip, std::uint64_t{1} << 47},
        {"host.gs-base-not-canonical", Field::host_gs_base, std::uint64_t{1} << 63},
        {"host.efer-lma-clear", Field::host_ia32_efer, 0},
        {"host.pat-reserved-type", Field::host_ia32_pat, 2},
    };
    for (const Case& bad : cases) {
        if (!fresh()) return;
        set(bad.field, bad.value);
        check(bad.name, launch(), VmxResult::fail_valid, 8);
    }
}

void bad_guest_state() {
    constexpr std::uint64_t guest_state_failure{0x80000021};
    constexpr std::uint64_t msr_failure{0x80000022};
    struct Case {
        std::string_view name;
        Field field;
        std::uint64_t value;
        std::uint64_t qualification;
    };
    const Case cases[]{
        {"guest.rflags-bit-1", Field::guest_rflags, 0, 0},
        {"guest.cr0-reserved", Field::guest_cr0, 0, 0},
        {"guest.cs-unusable", Field::guest_cs_access_rights, 0x10000, 0},
        {"guest.tr-unusable", Field::guest_tr_access_rights, 0x10000, 0},
        {"guest.ss-type", Field::guest_ss_access_rights, 0xC09B, 0},
        {"guest.gdtr-limit", Field::guest_gdtr_limit, 0x10000, 0},
        {"guest.activity-state", Field::guest_activity_state, 7, 0},
        {"guest.interruptibility", Field::guest_interruptibility_state, 3, 0},
        {"guest.efer-lme-clear", Field::guest_ia32_efer, 0x400, 0},
        {"guest.sysenter-not-canonical", Field::guest_ia32_sysenter_esp, std::uint64_t{1} << 47, 0},
        // Table 27-1: 4 is an invalid VMCS link pointer.
        {"guest.link-pointer", Field::vmcs_link_pointer, 8, 4},
    };
    for (const Case& bad : cases) {
        if (!fresh()) return;
        set(bad.field, bad.value);
        check_entry_failure(bad.name, guest_state_failure, bad.qualification);
    }
    // The launch state is still clear: the mended VMCS can be launched.
    set(Field::vmcs_link_pointer, no_pointer);
    check("guest.mended", launch(), VmxResult::succeed);

    // Loading IA32_FS_BASE from an MSR-load area is not allowed; the qualification is the entry's number,
    // from 1 (Vol. 3C, 27.4 "Loading MSRs").
    if (!fresh()) return;
    alignas(16) static std::uint64_t area[4];
    area[0] = msr_star;
    area[1] = 0;
    area[2] = msr_fs_base;
    area[3] = 0;
    set(Field::vm_entry_msr_load_address, physical(area));
    set(Field::vm_entry_msr_load_count, 2);
    check_entry_failure("guest.msr-load", msr_failure, 2);

    // A guest state that is refused comes first, and nothing is loaded (27.3.1, 27.4).
    if (!fresh()) return;
    area[1] = 0x1234'0000'0000;
    set(Field::vm_entry_msr_load_address, physical(area));
    set(Field::vm_entry_msr_load_count, 2);
    set(Field::guest_gdtr_limit, 0x10000);
    check_entry_failure("guest.state-before-msr-load", guest_state_failure, 0);
    expect("guest.state-before-msr-load.star", "IA32_STAR", 0, read_msr(msr_star));
}

void invalidation_errors() {
    if (!load_fresh_vmcs(g_region)) return;
    alignas(16) static std::uint64_t descriptor[2];
    descriptor[0] = g_ept.pointer();
    descriptor[1] = 0;
    check("invept.type-0", invept_at(0, descriptor), VmxResult::fail_valid, 28);
    check("invept.type-3", invept_at(3, descriptor), VmxResult::fail_valid, 28);
    check("invept.single-context", invept_at(1, descriptor), VmxResult::succeed);
    check("invept.all-contexts", invept_at(2, descriptor), VmxResult::succeed);
    descriptor[0] = 0x7;
    check("invept.bad-pointer", invept_at(1, descriptor), VmxResult::fail_valid, 28);
    descriptor[0] = 1;
    check("invvpid.type-4", invvpid_at(4, descriptor), VmxResult::fail_valid, 28);
    check("invvpid.address", invvpid_at(0, descriptor), VmxResult::succeed);
    check("invvpid.single-context", invvpid_at(1, descriptor), VmxResult::succeed);
    check("invvpid.all-contexts", invvpid_at(2, descriptor), VmxResult::succeed);
    check("invvpid.retaining-globals", invvpid_at(3, descriptor), VmxResult::succeed);
    descriptor[0] = 0;
    check("invvpid.vpid-0", invvpid_at(1, descriptor), VmxResult::fail_valid, 28);
    descriptor[0] = 0x10001;
    check("invvpid.reserved-bits", invvpid_at(1, descriptor), VmxResult::fail_valid, 28);
    descriptor[0] = 1;
    descriptor[1] = std::uint64_t{1} << 47;
    check("invvpid.not-canonical", invvpid_at(0, descriptor), VmxResult::fail_valid, 28);
}

} // namespace

void run_vmx_errors(const Parameters&) {
    outside_vmx_operation();
    vmxon_errors();
    without_current_vmcs();
    pointer_errors();
    field_errors();
    launch_state();
    bad_controls();
    bad_host_state();
    bad_guest_state();
    invalidation_errors();
    check("vmxoff", vmxoff(), VmxResult::succeed);
    note_vmx_operation(false);
    print_line("RESULT name=vmx-errors passes=", tally().passes, " failures=", tally().failures);
}

} // namespace shadowtune::micro_l1
