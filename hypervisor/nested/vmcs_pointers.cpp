// VMXON, VMXOFF, VMCLEAR, VMPTRLD, VMPTRST, VMCALL.

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/capabilities.hpp"
#include "hypervisor/nested/control_registers.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/nested/vmx_result.hpp"
#include "hypervisor/shadow/shadowing.hpp"

namespace shadowtune::nested {

namespace {

using vmx::InstructionError;

constexpr std::uint64_t feature_locked{1U << 0}, feature_vmx_outside_smx{1U << 2};

void finish(Vcpu& vcpu, std::uint64_t flag) {
    auto& hw{vcpu.hardware};
    const std::uint64_t flags{hw.read(F::guest_rflags)};
    const std::uint64_t wanted{(flags & ~cpu::rflags::status) | flag};
    if (wanted != flags) hw.write(F::guest_rflags, wanted);
    skip_instruction(vcpu);
}

// The 64-bit operand of VMXON, VMCLEAR and VMPTRLD; false where a fault was injected.
[[nodiscard]] bool read_pointer(Vcpu& vcpu, std::uint64_t& pointer) {
    const auto information{
        static_cast<std::uint32_t>(vcpu.hardware.read(F::vm_exit_instruction_information))};
    const auto operands{decode_memory_operand(information)};
    if (!operands) stop_l1(vcpu, "instruction information of a VMX instruction without a memory operand");
    std::uint64_t linear{};
    return operand_address(vcpu, operands.value(), MemoryAccess::read, vmcs_pointer_bytes, linear) &&
           read_linear(vcpu, linear, &pointer, sizeof(pointer));
}

// 4-KiB aligned and within the physical address width.
[[nodiscard]] bool is_region_address(const Vcpu& vcpu, std::uint64_t address) {
    const unsigned width{vcpu.machine.processor.physical_address_bits};
    return (address & (memory::page_size - 1)) == 0 && (width >= 64 || address >> width == 0);
}

// L1's current VMCS leaves the processor: its data go back to its region.
void put_vmcs12_back(Vcpu& vcpu) {
    if (!vcpu.vmcs12.is_current()) return;
    shadow::collect_writes(vcpu);
    if (!vcpu.vmcs12.in_vmcs02().empty()) {
        vcpu.hardware.make_current(vcpu.vmcs02.region);
        fetch_fields(vcpu, vcpu.vmcs12.in_vmcs02());
    }
    vcpu.hardware.make_current(vcpu.vmcs01.region);
    vcpu.vmcs12.store(vcpu.machine.l1);
    // vmcs02 holds what the next VMPTRLD of this region would have to write again; it is not trusted to still
    // match.
    vcpu.vmcs02_owner = no_vmcs12;
    vcpu.vmcs12.forget();
}

void stop_round_trip(Vcpu& vcpu) {
    shadow::close_sample(vcpu);
    vcpu.reason = vmcs::no_round_trip;
}

// No vmcs12 is current.
void turn_to(Vcpu& vcpu, std::uint64_t pointer) {
    vcpu.vmcs12.load(vcpu.machine.l1, pointer, vcpu.machine.offered_fields);
    shadow::link(vcpu);
    // Who handles an exit may turn to another VMCS for it, or to a shadow VMCS, as a hypervisor does that
    // nests others; who turns to one that is to be launched makes a guest.
    if (!vcpu.vmcs12.launched && !vcpu.vmcs12.is_shadow()) stop_round_trip(vcpu);
    if (vcpu.reason != vmcs::no_round_trip)
        vcpu.counters->count_switch(vcpu.statistics.round_trips, vcpu.reason);
}

// The same where the VMCSs are compared. The last one's values are still there.
void turn_to_and_compare(Vcpu& vcpu, std::uint64_t pointer) {
    const Vmcs12Values before{vcpu.vmcs12.values()};
    turn_to(vcpu, pointer);
    if (vcpu.reason != vmcs::no_round_trip)
        vcpu.counters->count_others(difference(before, vcpu.vmcs12.values()), vcpu.reason);
}

} // namespace

void vm_succeed(Vcpu& vcpu) {
    finish(vcpu, 0);
}

void vm_fail_invalid(Vcpu& vcpu) {
    finish(vcpu, cpu::rflags::cf);
}

void vm_fail(Vcpu& vcpu, InstructionError error) {
    if (!vcpu.vmcs12.is_current()) return vm_fail_invalid(vcpu);
    vcpu.vmcs12.leave(F::vm_instruction_error, static_cast<std::uint64_t>(error));
    finish(vcpu, cpu::rflags::zf);
}

void emulate_vmxon(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    // CR4.VMXE as L1 sees it; in real hardware it is always 1 here.
    if ((hw.read(F::cr4_read_shadow) & cpu::cr4::vmxe) == 0) {
        return inject_exception(vcpu, vmx::vector::invalid_opcode);
    }
    if (vcpu.in_vmx_operation) {
        if (!require_cpl0(vcpu)) return;
        return vm_fail(vcpu, InstructionError::vmxon_in_root_operation);
    }
    // L1's view of CR0.NE is in the read shadow, its other bits are real.
    const std::uint64_t ne{cpu::cr0::ne};
    const std::uint64_t cr0{(hw.read(F::guest_cr0) & ~ne) | (hw.read(F::cr0_read_shadow) & ne)};
    const auto& offered{vcpu.machine.offered_msrs};
    const bool cr0_allowed{
        vmx::is_fixed_ok(cr0, offered[vmx::msr::vmx_cr0_fixed0], offered[vmx::msr::vmx_cr0_fixed1])};
    const bool cr4_allowed{vmx::is_fixed_ok(hw.read(F::guest_cr4), offered[vmx::msr::vmx_cr4_fixed0],
                                            offered[vmx::msr::vmx_cr4_fixed1])};
    constexpr std::uint64_t enabled{feature_locked | feature_vmx_outside_smx};
    if (!require_cpl0(vcpu)) return;
    // In A20M mode, too (SDM Vol. 3C, 31.3, VMXON).
    if (!cr0_allowed || !cr4_allowed || (vcpu.feature_control & enabled) != enabled ||
        !vcpu.machine.a20.is_open()) {
        return inject_exception(vcpu, vmx::vector::general_protection, 0);
    }
    std::uint64_t pointer{};
    if (!read_pointer(vcpu, pointer)) return;
    if (!is_region_address(vcpu, pointer)) return vm_fail_invalid(vcpu);
    if (vcpu.machine.l1.read32(pointer) != vmcs12_revision) return vm_fail_invalid(vcpu);
    vcpu.in_vmx_operation = true;
    set_owned_cr0_bits(vcpu);
    vcpu.vmxon_pointer = pointer;
    vcpu.watched_bitmaps = {};
    vcpu.vmcs12.forget();
    shadow::begin(vcpu);
    vm_succeed(vcpu);
}

void emulate_vmxoff(Vcpu& vcpu) {
    if (!require_vmx_operation(vcpu)) return;
    put_vmcs12_back(vcpu);
    shadow::end(vcpu);
    stop_round_trip(vcpu);
    vcpu.in_vmx_operation = false;
    set_owned_cr0_bits(vcpu);
    vcpu.vmxon_pointer = no_vmcs12;
    vm_succeed(vcpu);
}

void emulate_vmclear(Vcpu& vcpu) {
    if (!require_vmx_operation(vcpu)) return;
    std::uint64_t pointer{};
    if (!read_pointer(vcpu, pointer)) return;
    if (!is_region_address(vcpu, pointer))
        return vm_fail(vcpu, InstructionError::vmclear_invalid_physical_address);
    if (pointer == vcpu.vmxon_pointer) return vm_fail(vcpu, InstructionError::vmclear_vmxon_pointer);
    if (pointer == vcpu.vmcs12.address()) {
        put_vmcs12_back(vcpu);
        shadow::unlink(vcpu);
    }
    clear_vmcs12_region(vcpu.machine.l1, pointer);
    vm_succeed(vcpu);
}

void emulate_vmptrld(Vcpu& vcpu) {
    if (!require_vmx_operation(vcpu)) return;
    std::uint64_t pointer{};
    if (!read_pointer(vcpu, pointer)) return;
    if (!is_region_address(vcpu, pointer))
        return vm_fail(vcpu, InstructionError::vmptrld_invalid_physical_address);
    if (pointer == vcpu.vmxon_pointer) return vm_fail(vcpu, InstructionError::vmptrld_vmxon_pointer);
    // A shadow VMCS may be current, too, where shadowing is offered; else bit 31 makes it another revision.
    const std::uint64_t secondary{secondary_capability(vcpu.machine.offered_msrs)};
    const bool shadowing{(vmx::may_be_one(secondary) & vmx::secondary::vmcs_shadowing) != 0};
    const std::uint32_t ignored{shadowing ? vmx::shadow_vmcs_indicator : 0U};
    if ((vcpu.machine.l1.read32(pointer) & ~ignored) != vmcs12_revision) {
        return vm_fail(vcpu, InstructionError::vmptrld_incorrect_revision_identifier);
    }
    if (pointer != vcpu.vmcs12.address()) {
        put_vmcs12_back(vcpu);
        const bool compares{vcpu.reason != vmcs::no_round_trip && vcpu.counters->compares_next_switch()};
        if (compares) [[unlikely]] {
            turn_to_and_compare(vcpu, pointer);
        } else {
            turn_to(vcpu, pointer);
        }
    }
    vm_succeed(vcpu);
}

void emulate_vmptrst(Vcpu& vcpu) {
    if (!require_vmx_operation(vcpu)) return;
    const auto information{
        static_cast<std::uint32_t>(vcpu.hardware.read(F::vm_exit_instruction_information))};
    const auto operands{decode_memory_operand(information)};
    if (!operands) stop_l1(vcpu, "instruction information of VMPTRST without a memory operand");
    const std::uint64_t pointer{vcpu.vmcs12.address()};
    std::uint64_t linear{};
    if (!operand_address(vcpu, operands.value(), MemoryAccess::write, vmcs_pointer_bytes, linear) ||
        !write_linear(vcpu, linear, &pointer, sizeof(pointer))) {
        return;
    }
    vm_succeed(vcpu);
}

void emulate_vmcall(Vcpu& vcpu) {
    // Outside VMX operation VMCALL is undefined; inside, there is no SMM monitor to call (31.3, VMCALL).
    if (!require_vmx_operation(vcpu)) return;
    vm_fail(vcpu, InstructionError::vmcall_in_root_operation);
}

} // namespace shadowtune::nested
