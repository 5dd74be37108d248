#include "hypervisor/shadow/recognise_l1.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/sleep.hpp"

namespace shadowtune::shadow {

namespace {

void take_fingerprint(const nested::Vcpu& vcpu, vmcs::Fingerprint& fingerprint) {
    const nested::Machine& machine{vcpu.machine};
    fingerprint.offered = machine.offered_fields;
    fingerprint.controls = launch_controls(vcpu.vmcs12.values());
    CountersCursor cursors[nested::Machine::most_vcpus]{};
    for (std::size_t i{0}; i < machine.vcpu_count; ++i)
        cursors[i].counters = machine.vcpus[i]->counters;
    add_first_accesses(fingerprint, {cursors, machine.vcpu_count});
}

// Where the host is about to load another profile, it has its way.
void put_into_force(nested::Machine& machine, const link::ProfileImage& image,
                    link::RecognitionOutcome& outcome) {
    if (!machine.generations.load(fitted(image, machine.generations.target()))) return;
    __builtin_memcpy(outcome.profile, image.name, sizeof(outcome.profile));
    outcome.profile[sizeof(outcome.profile) - 1] = '\0';
    nested::tell_sleepers(machine);
}

} // namespace

void recognise_l1(nested::Vcpu& vcpu) {
    nested::Machine& machine{vcpu.machine};
    Recognition& recognition{machine.recognition};
    // A profile that is being added, or another vCPU that enters L2 for the first time: soon done, and once
    // only.
    while (!recognition.claim()) {
        if (recognition.is_settled()) return;
        cpu::pause();
    }
    if (machine.generations.has_shadowed()) return recognition.settle(link::RecognitionState::hidden);
    take_fingerprint(vcpu, recognition.fingerprint());
    const auto* const image{machine.library->pick(recognition.fingerprint(), recognition.outcome())};
    if (image != nullptr) put_into_force(machine, *image, recognition.outcome());
    recognition.settle(link::RecognitionState::seen);
}

} // namespace shadowtune::shadow
