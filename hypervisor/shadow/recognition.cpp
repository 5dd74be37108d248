#include "hypervisor/shadow/recognition.hpp"

#include "hypervisor/vmx/controls.hpp"

namespace shadowtune::shadow {

void add_first_accesses(vmcs::Fingerprint& fingerprint, std::span<CountersCursor> vcpus) {
    for (;;) {
        CountersCursor* earliest{nullptr};
        for (CountersCursor& vcpu : vcpus) {
            if (vcpu.next == vcpu.counters->cells().size()) continue;
            if (earliest == nullptr ||
                vcpu.counters->time(vcpu.next) < earliest->counters->time(earliest->next))
                earliest = &vcpu;
        }
        if (earliest == nullptr) return;
        const link::CounterRecord& cell{earliest->counters->cells()[earliest->next++]};
        const auto counted{static_cast<link::Counted>(cell.counted)};
        if (counted != link::Counted::reads && counted != link::Counted::writes) continue;
        if (cell.reason != vmcs::no_round_trip) continue;
        fingerprint.add({vmcs::find(cell.encoding), counted == link::Counted::writes});
    }
}

vmcs::LaunchControls launch_controls(const nested::Vmcs12Values& vmcs12) {
    using nested::F;
    const std::uint32_t primary{vmcs12.get32(F::primary_processor_based_controls)};
    const bool has_tertiary{(primary & vmx::primary::activate_tertiary_controls) != 0};
    return {vmcs12.get32(F::pin_based_controls),
            primary,
            nested::secondary_controls_in_force(vmcs12),
            vmcs12.get32(F::primary_vm_exit_controls),
            vmcs12.get32(F::vm_entry_controls),
            has_tertiary ? vmcs12.get(F::tertiary_processor_based_controls) : 0};
}

} // namespace shadowtune::shadow
