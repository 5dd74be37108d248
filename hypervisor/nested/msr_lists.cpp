#include "hypervisor/nested/msr_lists.hpp"

#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/memory/canonical.hpp"
#include "hypervisor/nested/apic.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::nested {

namespace {

struct [[gnu::packed]] MsrEntry {
    std::uint32_t number;
    std::uint32_t reserved;
    std::uint64_t value;
};
static_assert(sizeof(MsrEntry) == 16);

constexpr std::uint64_t feature_locked{1};
constexpr std::uint32_t last_vmx_msr{vmcs::first_capability_msr + vmcs::capability_msr_count - 1};

// MSRs whose guest value lives in the VMCS while the guest does not run.
[[nodiscard]] bool vmcs_field_of(std::uint32_t number, F& field) {
    switch (number) {
    case cpu::msr::efer: field = F::guest_ia32_efer; return true;
    case cpu::msr::sysenter_cs: field = F::guest_ia32_sysenter_cs; return true;
    case cpu::msr::sysenter_esp: field = F::guest_ia32_sysenter_esp; return true;
    case cpu::msr::sysenter_eip: field = F::guest_ia32_sysenter_eip; return true;
    case cpu::msr::debugctl: field = F::guest_ia32_debugctl; return true;
    case cpu::msr::fs_base: field = F::guest_fs_base; return true;
    case cpu::msr::gs_base: field = F::guest_gs_base; return true;
    default: return false;
    }
}

// A list may be as long as IA32_VMX_MISC[27:25] recommends; what a longer one does is undefined (Vol. 3D,
// A.6). Without a bound L1 could keep L0 here for hours.
[[nodiscard]] std::uint32_t longest_list(const Vcpu& vcpu) {
    const std::uint64_t misc{vcpu.machine.offered_msrs[vmx::msr::vmx_misc]};
    return 512 * (static_cast<std::uint32_t>(misc >> vmx::misc::msr_list_size_shift &
                                             vmx::misc::msr_list_size_mask) +
                  1);
}

// What WRMSR would check (Vol. 3A, 2.2.1; Vol. 4), for an MSR whose value goes to the VMCS; false for its
// #GP.
[[nodiscard]] bool load_field(Vcpu& vcpu, F field, std::uint64_t value) {
    auto& hw{vcpu.hardware};
    const auto& processor{vcpu.machine.processor};
    if (field == F::guest_ia32_debugctl && (value & ~processor.debugctl_bits) != 0) return false;
    const bool is_address{field == F::guest_ia32_sysenter_esp || field == F::guest_ia32_sysenter_eip ||
                          field == F::guest_fs_base || field == F::guest_gs_base};
    if (is_address && !memory::is_canonical(value, processor.linear_address_bits)) return false;
    if (field == F::guest_ia32_efer) {
        const std::uint64_t old{hw.read(field)};
        const bool paging{(hw.read(F::guest_cr0) & cpu::cr0::pg) != 0};
        if ((value & ~processor.efer_bits) != 0) return false;
        if (paging && ((value ^ old) & cpu::efer::lme) != 0) return false;
        // LMA follows from paging, not from WRMSR.
        value = (value & ~cpu::efer::lma) | (old & cpu::efer::lma);
    }
    hw.write(field, value);
    return true;
}

// MSRs that the entry itself may load from the guest state first (27.3.2.1): the list, which comes after it,
// wins (27.4). The processor's own WRMSR says whether the value is one.
[[nodiscard]] bool load_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t value) {
    if (!cpu::try_wrmsr(number, value)) return false;
    if (!vcpu.runs_l2) return true;
    const std::uint32_t entry12{vcpu.vmcs12.get32(F::vm_entry_controls)};
    if (number == cpu::msr::pat && vcpu.plan.switches_pat) {
        vcpu.hardware.write(F::guest_ia32_pat, value);
    }
    if (number == cpu::msr::perf_global_ctrl && (entry12 & vmx::entry::load_perf_global_ctrl) != 0) {
        vcpu.hardware.write(F::guest_ia32_perf_global_ctrl, value);
    }
    return true;
}

// 27.4: FS.base and GS.base, and with x2APIC the APIC's, may not be in a load list; nor may the trigger of
// microcode updates, whose operand would be a linear address of L0's.
[[nodiscard]] bool may_load(const MsrEntry& entry) {
    return entry.number != cpu::msr::fs_base && entry.number != cpu::msr::gs_base && entry.number >> 8 != 8 &&
           entry.number != cpu::msr::microcode_update && entry.reserved == 0 && !is_l0s_msr(entry.number);
}

[[nodiscard]] MsrEntry read_entry(const Vcpu& vcpu, std::uint64_t address, std::uint32_t index) {
    MsrEntry entry{};
    vcpu.machine.l1.read(address + std::uint64_t{index} * sizeof(MsrEntry), &entry, sizeof(entry));
    return entry;
}

} // namespace

bool makes_processor_write_memory(std::uint32_t number) {
    return number == cpu::msr::ds_area || number == cpu::msr::pebs_enable ||
           number == cpu::msr::hardware_feedback ||
           (number >= cpu::msr::first_rtit && number <= cpu::msr::last_rtit);
}

bool is_l0s_msr(std::uint32_t number) {
    return number == cpu::msr::feature_control || number == cpu::msr::apic_base ||
           number == devices::x2apic_icr_msr || makes_processor_write_memory(number) ||
           (number >= vmcs::first_capability_msr && number <= last_vmx_msr);
}

bool read_l0s_msr(const Vcpu& vcpu, std::uint32_t number, std::uint64_t& value) {
    if (number == cpu::msr::apic_base || number == devices::x2apic_icr_msr)
        return cpu::try_rdmsr(number, value);
    if (makes_processor_write_memory(number)) return false;
    if (number == cpu::msr::feature_control) {
        value = vcpu.feature_control;
        return true;
    }
    value = vcpu.machine.offered_msrs[number];
    // What this processor lacks raises #GP; what it has is never 0 but for IA32_VMX_VMFUNC and its
    // successors.
    std::uint64_t ignored{};
    return value != 0 || cpu::try_rdmsr(number, ignored);
}

bool write_l0s_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t value) {
    if (number == cpu::msr::apic_base) return write_apic_base(vcpu, value);
    if (number == devices::x2apic_icr_msr) return write_x2apic_command(vcpu, value);
    if (number == cpu::msr::feature_control && (vcpu.feature_control & feature_locked) == 0) {
        vcpu.feature_control = value;
        return true;
    }
    return false;
}

bool read_guest_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t& value) {
    if (F field{}; vmcs_field_of(number, field)) {
        value = vcpu.hardware.read(field);
        return true;
    }
    return is_l0s_msr(number) ? read_l0s_msr(vcpu, number, value) : cpu::try_rdmsr(number, value);
}

bool write_guest_msr(Vcpu& vcpu, std::uint32_t number, std::uint64_t value) {
    F field{};
    return vmcs_field_of(number, field) ? load_field(vcpu, field, value) : load_msr(vcpu, number, value);
}

std::uint32_t load_msr_list(Vcpu& vcpu, std::uint64_t address, std::uint32_t count) {
    for (std::uint32_t i{0}; i < count; ++i) {
        const MsrEntry entry{read_entry(vcpu, address, i)};
        if (i == longest_list(vcpu) || !may_load(entry)) return i + 1;
        if (!write_guest_msr(vcpu, entry.number, entry.value)) return i + 1;
    }
    return 0;
}

std::uint32_t store_msr_list(Vcpu& vcpu, std::uint64_t address, std::uint32_t count) {
    for (std::uint32_t i{0}; i < count; ++i) {
        const MsrEntry entry{read_entry(vcpu, address, i)};
        std::uint64_t value{};
        if (i == longest_list(vcpu) || entry.reserved != 0 || entry.number >> 8 == 8) return i + 1;
        if (!read_guest_msr(vcpu, entry.number, value)) return i + 1;
        vcpu.machine.l1.write(address + std::uint64_t{i} * sizeof(MsrEntry) + 8, &value, sizeof(value));
    }
    return 0;
}

} // namespace shadowtune::nested
