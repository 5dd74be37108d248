#include "profiler/host_calibrator.hpp"

#include "profiler/calibration_plan.hpp"
#include "profiler/convert.hpp"
#include "profiler/host_counter.hpp"
#include "profiler/kvm_guest.hpp"

#include <cpuid.h>
#include <cstring>
#include <random>
#include <sys/utsname.h>

namespace shadowtune::profiler {

namespace {

[[nodiscard]] std::string processor_brand() {
    constexpr unsigned first_leaf{0x8000'0002};
    unsigned registers[12]{};
    for (unsigned i{0}; i < 3; ++i) {
        unsigned* const r{registers + std::size_t{i} * 4};
        if (__get_cpuid(first_leaf + i, r, r + 1, r + 2, r + 3) == 0) return "unknown";
    }
    char brand[sizeof(registers) + 1]{};
    std::memcpy(brand, registers, sizeof(registers));
    return brand;
}

[[nodiscard]] db::Machine this_host() {
    db::Machine machine{};
    std::random_device random{};
    machine.boot_id = std::uint64_t{random()} << 32 | random();
    machine.cpu_brand = processor_brand();
    unsigned unused{};
    if (__get_cpuid(1, &machine.cpu_signature, &unused, &unused, &unused) == 0) machine.cpu_signature = 0;
    utsname names{};
    machine.vmm_version = ::uname(&names) == 0 ? std::string{"KVM of Linux "} + names.release : "KVM";
    machine.catalogue_version = vmcs::catalogue_version;
    return machine;
}

// What each counter counts in a run of the loop, per round.
[[nodiscard]] Result<std::vector<double>, std::string> count(KvmGuest& guest, const HostCounters& counters,
                                                             std::uint32_t exits, bool with_cpuid) {
    std::vector<std::uint64_t> before{};
    for (const HostCounter& counter : counters.counters)
        before.push_back(counter.read());
    if (const auto ran{guest.run_loop(exits, with_cpuid)}; !ran) return Failure{ran.error()};
    std::vector<double> counts{};
    for (std::size_t i{0}; i < before.size(); ++i)
        counts.push_back(static_cast<double>(counters.counters[i].read() - before[i]) / exits);
    return counts;
}

} // namespace

Result<HostCalibrations, std::string> calibrate_host(const HostCalibratorOptions& options) {
    auto guest{KvmGuest::create(options.device)};
    if (!guest) return Failure{guest.error()};
    const auto counters{open_host_counters()};
    if (!counters) return Failure{counters.error()};
    // Two points, the loop with the CPUID and without; one more round of each before, to warm up.
    const CalibrationPlan plan{{}, {{db::Quantity::exit_entry, {}, {}, {{0, 1.0}, {1, -1.0}}}}};
    std::vector<std::vector<std::vector<double>>> rounds(counters.value().counters.size());
    for (std::uint32_t round{0}; round <= options.rounds; ++round) {
        const auto with{count(guest.value(), counters.value(), options.exits, true)};
        if (!with) return Failure{with.error()};
        const auto without{count(guest.value(), counters.value(), options.exits, false)};
        if (!without) return Failure{without.error()};
        for (std::size_t i{0}; i < rounds.size() && round != 0; ++i)
            rounds[i].push_back({with.value()[i], without.value()[i]});
    }
    HostCalibrations found{{}, counters.value().trouble};
    const db::Machine machine{this_host()};
    for (std::size_t i{0}; i < rounds.size(); ++i) {
        db::Calibration calibration{};
        calibration.machine = machine;
        calibration.tool_version = options.tool_version;
        calibration.made_ms = milliseconds_since_1970(std::chrono::system_clock::now());
        calibration.unit = counters.value().counters[i].unit();
        calibration.figures = figures_of(plan, rounds[i]);
        found.all.push_back(std::move(calibration));
    }
    return found;
}

} // namespace shadowtune::profiler
