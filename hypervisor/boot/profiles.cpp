#include "hypervisor/boot/profiles.hpp"

#include "hypervisor/cpu/panic.hpp"

namespace shadowtune::boot {

namespace {

[[noreturn]] void refuse_profile(link::CommandStatus status) {
    switch (status) {
    case link::CommandStatus::no_room:
        cpu::cannot_start("the profile modules are too many for L0's library; leave some out");
    case link::CommandStatus::malformed:
        cpu::cannot_start(
            "the profile module is too short, or none; make it with `shadowtune export --format "
            "image`");
    default:
        cpu::cannot_start(
            "the profile module is refused: other catalogue version, or a field that may not be "
            "shadowed here; tune it again for this processor and VMM");
    }
}

} // namespace

void take_profiles(nested::Machine& machine, std::span<const l1::Image> profiles) {
    for (const auto& module : profiles) {
        std::span<const std::uint8_t> rest{memory::at_physical<std::uint8_t>(module.range.begin),
                                           module.range.size()};
        while (!rest.empty()) {
            const auto taken{machine.library->add(rest)};
            if (!taken) refuse_profile(taken.error());
            rest = rest.subspan(taken.value());
        }
    }
    const link::ProfileImage* const alone{machine.library->for_strangers()};
    if (machine.library->has_fingerprints() || alone == nullptr) return;
    if (const auto loaded{machine.generations.load(*alone)}; !loaded) refuse_profile(loaded.error().status);
}

} // namespace shadowtune::boot
