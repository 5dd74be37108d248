#include "hypervisor/nested/l2_ept.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/memory/ept01.hpp"
#include "hypervisor/nested/apic.hpp"
#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/vmx_instructions.hpp"
#include "hypervisor/vmx/exit_information.hpp"

#include <cstddef>

namespace shadowtune::nested {

namespace {

using vmcs::ExitReason;

// How the EPT walk reaches L1's memory.
struct L1Tables {
    const memory::L1Memory& memory;

    [[nodiscard]] bool read64(std::uint64_t address, std::uint64_t& value) const {
        value = __atomic_load_n(static_cast<std::uint64_t*>(memory.pointer(address)), __ATOMIC_RELAXED);
        return true;
    }
    [[nodiscard]] bool compare_exchange64(std::uint64_t address, std::uint64_t expected,
                                          std::uint64_t desired) const {
        return __atomic_compare_exchange_n(static_cast<std::uint64_t*>(memory.pointer(address)), &expected,
                                           desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
};

constexpr std::uint64_t pml_entries{512};

[[nodiscard]] bool secondary_has(const Vcpu& vcpu, std::uint32_t control) {
    return (secondary_controls_in_force(vcpu.vmcs12.values()) & control) != 0;
}

// 29.3.6 "Page-Modification Logging": the index counts down, and wraps to FFFFH behind the last entry.
void log_modification(Vcpu& vcpu, std::uint64_t index, std::uint64_t guest_physical) {
    const std::uint64_t log{vcpu.vmcs12.get(F::pml_address)};
    note_write_for_guest(vcpu, log);
    vcpu.machine.l1.write64(log + 8 * index, guest_physical & ~(memory::page_size - 1));
    vcpu.vmcs12.leave(F::pml_index, (index - 1) & 0xFFFF);
}

// The virtualization-exception information area: Table 26-1.
struct VirtualizationException {
    std::uint32_t reason;
    std::uint32_t busy; // all ones once written; no exception while it is not 0
    std::uint64_t qualification;
    std::uint64_t guest_linear;
    std::uint64_t guest_physical;
    std::uint16_t eptp_index;
};
constexpr std::size_t virtualization_exception_bytes{34};
static_assert(offsetof(VirtualizationException, eptp_index) + 2 == virtualization_exception_bytes);

// 26.5.7: true where L2 gets a virtualization exception instead of L1 an exit.
[[nodiscard]] bool becomes_exception(Vcpu& vcpu, const EptWalk& walk, const L2Access& access,
                                     std::uint64_t qualification) {
    auto& hw{vcpu.hardware};
    if (!secondary_has(vcpu, vmx::secondary::ept_violation_ve) || !walk.convertible) return false;
    if ((hw.read(F::guest_cr0) & cpu::cr0::pe) == 0) return false;
    if (vmx::interruption::is_valid(static_cast<std::uint32_t>(hw.read(F::idt_vectoring_information))))
        return false;
    const std::uint64_t area{vcpu.vmcs12.get(F::virtualization_exception_address)};
    if (vcpu.machine.l1.read32(area + offsetof(VirtualizationException, busy)) != 0) return false;
    const VirtualizationException told{static_cast<std::uint32_t>(ExitReason::ept_violation),
                                       ~std::uint32_t{0},
                                       qualification,
                                       access.guest_linear,
                                       access.guest_physical,
                                       static_cast<std::uint16_t>(vcpu.vmcs12.get(F::eptp_index))};
    note_write_for_guest(vcpu, area);
    vcpu.machine.l1.write(area, &told, virtualization_exception_bytes);
    inject_exception(vcpu, vmx::vector::virtualization);
    return true;
}

// NMI blocking that an IRET was about to end before its fault is restored for L2's next try (SDM Vol.
// 3C, 28.2.3).
void keep_nmi_blocking(Vcpu& vcpu, std::uint64_t qualification) {
    auto& hw{vcpu.hardware};
    const auto vectoring{static_cast<std::uint32_t>(hw.read(F::idt_vectoring_information))};
    if ((qualification & vmx::ept_violation::nmi_unblocking_due_to_iret) == 0) return;
    if (vmx::interruption::is_valid(vectoring)) return;
    hw.write(F::guest_interruptibility_state,
             hw.read(F::guest_interruptibility_state) | vmx::interruptibility::blocking_by_nmi);
}

void map_in_ept02(Vcpu& vcpu, std::uint64_t guest_physical, const EptWalk& walk) {
    // L1's own memory type, where it is no RAM, wins over what its EPT says.
    const std::uint64_t page{walk.address & ~(memory::page_size - 1)};
    const std::uint64_t type{memory::memory_type_of_range(vcpu.machine.map, page, memory::page_size)};
    EptWalk composed{walk};
    if (is_own_apic_page(vcpu, walk.address)) composed.writable = false;
    // A page of 2 MiB would take the APIC's with it.
    if (is_own_apic_page_within(vcpu, walk.address)) composed.page_shift = 12;
    if (type == memory::ept_uncacheable && vcpu.machine.l1.is_identity(page, memory::page_size)) {
        composed.memory_type = static_cast<std::uint8_t>(memory::ept_uncacheable);
    }
    if (walk.writable) note_l2_writable(vcpu, walk.address, walk.page_shift);
    const std::uint64_t eptp12{vcpu.vmcs12.get(F::ept_pointer)};
    if (!vcpu.ept02->map(vcpu.hardware, vcpu.machine.l1, eptp12, guest_physical, composed)) set_l2_ept(vcpu);
}

} // namespace

bool l1_uses_ept(const Vcpu& vcpu) {
    return secondary_has(vcpu, vmx::secondary::enable_ept);
}

EptWalk walk_for_l2(Vcpu& vcpu, std::uint64_t guest_physical, std::uint64_t access) {
    const bool logs{secondary_has(vcpu, vmx::secondary::enable_pml)};
    const std::uint64_t index{vcpu.vmcs12.get(F::pml_index)};
    const EptSettings settings{vcpu.vmcs12.get(F::ept_pointer),
                               vcpu.machine.offered_msrs[vmx::msr::vmx_ept_vpid_cap],
                               vcpu.machine.processor.physical_address_bits, logs && index >= pml_entries};
    L1Tables tables{vcpu.machine.l1};
    const EptWalk walk{walk_ept12(tables, settings, guest_physical, access)};
    if (logs && walk.outcome == EptOutcome::ok && walk.dirtied) log_modification(vcpu, index, guest_physical);
    return walk;
}

void report_ept_fault(Vcpu& vcpu, const EptWalk& walk, const L2Access& access) {
    ExitOverride exit{};
    exit.has_addresses = true;
    exit.guest_physical = access.guest_physical;
    exit.guest_linear = access.guest_linear;
    switch (walk.outcome) {
    case EptOutcome::violation: {
        exit.reason = static_cast<std::uint32_t>(ExitReason::ept_violation);
        exit.qualification = access.about | walk.qualification;
        if (becomes_exception(vcpu, walk, access, exit.qualification)) return;
        return deliver_exit_to_l1(vcpu, exit);
    }
    case EptOutcome::misconfiguration:
        exit.reason = static_cast<std::uint32_t>(ExitReason::ept_misconfiguration);
        return deliver_exit_to_l1(vcpu, exit);
    case EptOutcome::log_full:
        exit.reason = static_cast<std::uint32_t>(ExitReason::page_modification_log_full);
        exit.qualification = access.about & vmx::ept_violation::nmi_unblocking_due_to_iret;
        exit.has_addresses = false;
        return deliver_exit_to_l1(vcpu, exit);
    case EptOutcome::ok:
    case EptOutcome::busy: return;
    }
}

void handle_ept_violation(Vcpu& vcpu) {
    auto& hw{vcpu.hardware};
    const std::uint64_t address{hw.read(F::guest_physical_address)};
    const std::uint64_t qualification{hw.read(F::exit_qualification)};
    // EPT01 maps every address, and all but the local APICs' pages for writing: one of its own can otherwise
    // only mean an address wider than it.
    if (!l1_uses_ept(vcpu)) {
        if (emulate_protected_write(vcpu, address, qualification)) return;
        stop_l1(vcpu, "EPT violation of L2 without EPT of L1");
    }
    const EptWalk walk{
        walk_for_l2(vcpu, address, violating_access(vcpu.vmcs12.get(F::ept_pointer), qualification))};
    const bool writes{(qualification & vmx::ept_violation::write) != 0};
    if (walk.outcome == EptOutcome::ok && writes && is_own_apic_page(vcpu, walk.address) &&
        emulate_protected_write(vcpu, walk.address, qualification)) {
        return;
    }
    if (walk.outcome == EptOutcome::ok) {
        map_in_ept02(vcpu, address, walk);
        keep_nmi_blocking(vcpu, qualification);
    }
    if (walk.outcome == EptOutcome::ok || walk.outcome == EptOutcome::busy) {
        return redeliver_interrupted_event(vcpu);
    }
    // The processor's own bits say what happened in linear addresses; permissions are those of L1's tables.
    constexpr std::uint64_t walked{vmx::ept_violation::readable | vmx::ept_violation::writable |
                                   vmx::ept_violation::executable | vmx::ept_violation::access_mask};
    report_ept_fault(vcpu, walk, {address, hw.read(F::guest_linear_address), qualification & ~walked});
}

} // namespace shadowtune::nested
