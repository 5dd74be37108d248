#include "cli/saved_file.hpp"

#include "tuner/atomic_file.hpp"
#include "vmcs/exit_reason.hpp"

#include <fmt/format.h>

namespace shadowtune::cli {

namespace {

// No saved state is larger: 64 vCPUs with all their counters.
constexpr std::size_t largest_file{64U << 20};

[[nodiscard]] std::string describe(const link::SavedError& error) {
    std::string where{link::name_of(static_cast<link::SavedRecord>(error.record))};
    if (error.vcpu != link::whole_machine) where += fmt::format(" of vCPU {}", error.vcpu);
    const bool is_field{error.fault == link::SavedFault::unknown_field ||
                        error.fault == link::SavedFault::field_too_wide};
    const std::string detail{is_field            ? fmt::format(", encoding {:04X}H", error.detail)
                             : error.detail != 0 ? fmt::format(", {}", error.detail)
                                                 : std::string{}};
    return fmt::format("{} ({}{})", link::describe(error.fault), where, detail);
}

} // namespace

Result<std::vector<std::uint8_t>, CliError> read_saved(const std::string& path) {
    const auto text{tuner::read_whole(path, largest_file)};
    if (!text) return Failure{CliError{ExitCode::bad_input, text.error()}};
    const std::vector<std::uint8_t> bytes{text.value().begin(), text.value().end()};
    if (const auto state{check_saved(path, bytes)}; !state) return Failure{state.error()};
    return bytes;
}

Result<link::SavedState, CliError> check_saved(const std::string& path, std::span<const std::uint8_t> bytes) {
    const auto state{link::SavedState::parse(bytes)};
    if (state) return state.value();
    return Failure{
        CliError{ExitCode::bad_input, fmt::format("{}: {}; save again, or use the tools of the build "
                                                  "that made it",
                                                  path, describe(state.error()))}};
}

std::string describe_mode(const link::SavedVcpu& vcpu) {
    if (vcpu.registers.waits_for_startup != 0) return "waits for a start-up IPI";
    if (vcpu.vmx.runs_l2 != 0) return "L2 runs";
    if (vcpu.vmx.in_vmx_operation == 0) return "L1 runs outside VMX operation";
    if (vcpu.vmx.reason == vmcs::no_round_trip) return "L1 runs";
    return fmt::format("L1 handles an exit of L2: {}", vmcs::exit_reason_names[vcpu.vmx.reason]);
}

} // namespace shadowtune::cli
