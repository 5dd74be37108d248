#include "hypervisor/nested/guest.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/exit_routing.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/l2_ept.hpp"
#include "hypervisor/nested/l2_memory.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "vmcs/exit_reason.hpp"

namespace shadowtune::nested {

namespace {

// Where a linear address of the guest that exited lies in L1's memory; false where something else is due
// instead.
[[nodiscard]] bool translate_linear(Vcpu& vcpu, const memory::PagingState& state, std::uint64_t linear,
                                    bool write, std::uint64_t& physical) {
    if (vcpu.runs_l2 && l1_uses_ept(vcpu)) return translate_l2_linear(vcpu, state, linear, write, physical);
    const auto translated{memory::translate(vcpu.machine.l1, state, linear, write)};
    physical = translated.physical;
    vcpu.walk_entries += translated.entries;
    if (!translated.present) inject_page_fault(vcpu, linear, translated.error_code);
    return translated.present;
}

// 26.2: L1's exception bitmap is asked before L2's IDT. 28.3.3: a fault's exit saves RFLAGS.RF as 1.
[[nodiscard]] bool goes_to_l1(Vcpu& vcpu, std::uint32_t information, std::uint32_t error_code,
                              std::uint64_t qualification) {
    if (!vcpu.runs_l2) return false;
    ExitFacts facts{};
    facts.exit_reason = static_cast<std::uint32_t>(vmcs::ExitReason::exception_or_nmi);
    facts.interruption_information = information;
    facts.interruption_error_code = error_code;
    if (!l1_wants_exit(facts, vcpu.vmcs12.values(), {})) return false;
    auto& hw{vcpu.hardware};
    hw.write(F::guest_rflags, hw.read(F::guest_rflags) | cpu::rflags::rf);
    ExitOverride exit{};
    exit.reason = facts.exit_reason;
    exit.qualification = qualification;
    exit.interruption = information;
    exit.error_code = error_code;
    deliver_exit_to_l1(vcpu, exit);
    return true;
}

// The guest's registers are in the processor; RDPKRU wants CR4.PKE, which L0 has no other use for.
void read_key_rights(memory::PagingState& state) {
    if ((state.cr4 & cpu::cr4::pke) != 0) {
        const std::uint64_t cr4{cpu::read_cr4()};
        cpu::write_cr4(cr4 | cpu::cr4::pke);
        state.pkru = cpu::read_pkru();
        cpu::write_cr4(cr4);
    }
    if ((state.cr4 & cpu::cr4::pks) != 0) {
        state.pkrs = static_cast<std::uint32_t>(cpu::rdmsr(cpu::msr::pkrs));
    }
}

// An event that L0 delivers to L2 leaves its own error code and length in vmcs02.
void mark_event_fields(Vcpu& vcpu) {
    if (!vcpu.runs_l2) return;
    vcpu.vmcs12.mark_dirty(detail::set_of(F::vm_entry_exception_error_code, F::vm_entry_instruction_length));
}

void inject(Vcpu& vcpu, std::uint32_t information, std::uint32_t error_code) {
    mark_event_fields(vcpu);
    vcpu.hardware.write(F::vm_entry_interruption_information, information);
    if (vmx::interruption::has_error_code(information)) {
        vcpu.hardware.write(F::vm_entry_exception_error_code, error_code);
    }
}

struct LinearPart {
    std::uint64_t physical;
    std::size_t size;
};

// An operand lies in two pages at the most; both are translated before the first byte moves.
[[nodiscard]] bool translate_operand(Vcpu& vcpu, std::uint64_t linear, std::size_t size, bool write,
                                     LinearPart (&parts)[2]) {
    const memory::PagingState state{paging_state(vcpu)};
    std::size_t done{0};
    for (LinearPart& part : parts) {
        part = {0, 0};
        if (done == size) continue;
        const std::uint64_t at{linear + done};
        const std::size_t left{memory::page_size - (at & (memory::page_size - 1))};
        std::uint64_t physical{};
        if (!translate_linear(vcpu, state, at, write, physical)) return false;
        part = {physical, size - done < left ? size - done : left};
        done += part.size;
    }
    return true;
}

} // namespace

void skip_instruction(Vcpu& vcpu) {
    skip_instruction(vcpu, vcpu.hardware.read(F::vm_exit_instruction_length));
}

void skip_instruction(Vcpu& vcpu, std::uint64_t length) {
    auto& hw{vcpu.hardware};
    const std::uint64_t rip{hw.read(F::guest_rip)};
    std::uint64_t next{rip + length};
    // Outside 64-bit mode RIP has 32 bits; a wrap is possible only where the old one was near the end.
    if (rip <= 0xFFFF'FFFF && next > 0xFFFF'FFFF && !in_64bit_mode(vcpu)) next &= 0xFFFF'FFFF;
    hw.write(F::guest_rip, next);
    const auto state{static_cast<std::uint32_t>(hw.read(F::guest_interruptibility_state))};
    constexpr std::uint32_t one_instruction{vmx::interruptibility::blocking_by_sti |
                                            vmx::interruptibility::blocking_by_mov_ss};
    if ((state & one_instruction) != 0) hw.write(F::guest_interruptibility_state, state & ~one_instruction);
    // A single step over the instruction is due now (SDM Vol. 3C, 27.7.3 "Delivery of Pending Debug
    // Exceptions").
    if ((hw.read(F::guest_rflags) & cpu::rflags::tf) != 0) {
        hw.write(F::guest_pending_debug_exceptions,
                 hw.read(F::guest_pending_debug_exceptions) | vmx::pending_debug::single_step);
    }
}

void inject_exception(Vcpu& vcpu, std::uint8_t vector) {
    const std::uint32_t information{vmx::interruption::make(vector, vmx::EventType::hardware_exception)};
    if (!goes_to_l1(vcpu, information, 0, 0)) inject(vcpu, information, 0);
}

void inject_exception(Vcpu& vcpu, std::uint8_t vector, std::uint32_t error_code) {
    const std::uint32_t information{
        vmx::interruption::make(vector, vmx::EventType::hardware_exception, true)};
    if (!goes_to_l1(vcpu, information, error_code, 0)) inject(vcpu, information, error_code);
}

void inject_page_fault(Vcpu& vcpu, std::uint64_t linear, std::uint32_t error_code) {
    const std::uint32_t information{
        vmx::interruption::make(vmx::vector::page_fault, vmx::EventType::hardware_exception, true)};
    if (goes_to_l1(vcpu, information, error_code, linear)) return;
    cpu::write_cr2(linear);
    inject(vcpu, information, error_code);
}

void redeliver_interrupted_event(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const auto vectoring{static_cast<std::uint32_t>(hw.read(F::idt_vectoring_information))};
    if (!vmx::interruption::is_valid(vectoring)) return;
    mark_event_fields(vcpu);
    // Bit 12 is undefined here and reserved there.
    hw.write(F::vm_entry_interruption_information, vectoring & ~vmx::interruption::entry_reserved);
    if (vmx::interruption::has_error_code(vectoring)) {
        hw.write(F::vm_entry_exception_error_code, hw.read(F::idt_vectoring_error_code));
    }
    const auto type{vmx::interruption::type(vectoring)};
    if (type == vmx::EventType::software_interrupt || type == vmx::EventType::software_exception ||
        type == vmx::EventType::privileged_software_exception) {
        hw.write(F::vm_entry_instruction_length, hw.read(F::vm_exit_instruction_length));
    }
    if (type == vmx::EventType::nmi) {
        // The interrupted delivery had begun to block NMIs; injecting one needs them unblocked.
        const auto state{static_cast<std::uint32_t>(hw.read(F::guest_interruptibility_state))};
        hw.write(F::guest_interruptibility_state, state & ~vmx::interruptibility::blocking_by_nmi);
    }
}

memory::PagingState paging_state(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    memory::PagingState state{hw.read(F::guest_cr0),       hw.read(F::guest_cr3),    hw.read(F::guest_cr4),
                              hw.read(F::guest_ia32_efer), hw.read(F::guest_rflags), {}};
    const bool pae_paging{(state.cr4 & cpu::cr4::pae) != 0 && (state.efer & cpu::efer::lma) == 0};
    if (pae_paging) {
        state.pdpte[0] = hw.read(F::guest_pdpte_0);
        state.pdpte[1] = hw.read(F::guest_pdpte_1);
        state.pdpte[2] = hw.read(F::guest_pdpte_2);
        state.pdpte[3] = hw.read(F::guest_pdpte_3);
    }
    state.physical_address_bits = vcpu.machine.processor.physical_address_bits;
    state.has_1gib_pages = vcpu.machine.processor.has_1gib_pages;
    read_key_rights(state);
    return state;
}

bool in_64bit_mode(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    return (hw.read(F::guest_ia32_efer) & cpu::efer::lma) != 0 &&
           (hw.read(F::guest_cs_access_rights) & vmx::access_rights::long_mode) != 0;
}

bool operand_address(Vcpu& vcpu, const DecodedOperands& operands, MemoryAccess access, unsigned bytes,
                     std::uint64_t& linear) {
    auto& hw{vcpu.hardware};
    AddressContext context{};
    for (unsigned i{0}; i < general_register_count; ++i)
        context.general_registers[i] = vcpu.registers.value[i];
    context.general_registers[vmx::rsp_number] = hw.read(F::guest_rsp);
    context.mode = in_64bit_mode(vcpu) ? OperatingMode::long64 : OperatingMode::legacy;
    context.linear_address_bits = (hw.read(F::guest_cr4) & cpu::cr4::la57) != 0 ? 57 : 48;
    // The six segments' fields follow each other in the order of their numbers.
    const unsigned segment{static_cast<unsigned>(operands.segment)};
    const auto field{
        [segment](F first) { return static_cast<vmcs::Encoding>(vmcs::encoding_of(first) + 2 * segment); }};
    context.segments[segment] = {hw.read(field(F::guest_es_base)),
                                 static_cast<std::uint32_t>(hw.read(field(F::guest_es_limit))),
                                 static_cast<std::uint32_t>(hw.read(field(F::guest_es_access_rights)))};
    const auto address{effective_address(operands, hw.read(F::exit_qualification), context, access, bytes)};
    if (!address) {
        inject_exception(vcpu, static_cast<std::uint8_t>(address.error()), 0);
        return false;
    }
    linear = address.value();
    return true;
}

bool read_linear(Vcpu& vcpu, std::uint64_t linear, void* to, std::size_t size) {
    LinearPart parts[2];
    if (!translate_operand(vcpu, linear, size, false, parts)) return false;
    vcpu.machine.l1.read(parts[0].physical, to, parts[0].size);
    vcpu.machine.l1.read(parts[1].physical, static_cast<std::uint8_t*>(to) + parts[0].size, parts[1].size);
    return true;
}

bool write_linear(Vcpu& vcpu, std::uint64_t linear, const void* from, std::size_t size) {
    LinearPart parts[2];
    if (!translate_operand(vcpu, linear, size, true, parts)) return false;
    for (const LinearPart& part : parts)
        if (part.size != 0) note_write_for_guest(vcpu, part.physical);
    vcpu.machine.l1.write(parts[0].physical, from, parts[0].size);
    vcpu.machine.l1.write(parts[1].physical, static_cast<const std::uint8_t*>(from) + parts[0].size,
                          parts[1].size);
    return true;
}

} // namespace shadowtune::nested
