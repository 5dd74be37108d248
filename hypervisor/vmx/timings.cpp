#include "hypervisor/vmx/timings.hpp"

#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/memory/l0_memory.hpp"

namespace shadowtune::vmx {

namespace {

using vmcs::Field;

constexpr std::size_t repetitions{101};
constexpr std::uint32_t basic_reason_mask{0xFFFF};

class Samples {
public:
    // In order, so that quartiles are places.
    void add(std::uint64_t ticks) {
        std::size_t place{m_count++};
        for (; place != 0 && m_ticks[place - 1] > ticks; --place)
            m_ticks[place] = m_ticks[place - 1];
        m_ticks[place] = ticks < ~std::uint32_t{0} ? static_cast<std::uint32_t>(ticks) : ~std::uint32_t{0};
    }

    [[nodiscard]] link::Timing summary() const {
        const auto at{[this](std::size_t quarters) { return m_ticks[(m_count - 1) * quarters / 4]; }};
        return {at(0), at(1), at(2), at(3), at(4)};
    }

private:
    std::uint32_t m_ticks[repetitions]{};
    std::size_t m_count{0};
};

[[nodiscard]] std::uint64_t ordered_tsc() {
    asm volatile("lfence" : : : "memory");
    const std::uint64_t now{cpu::rdtsc()};
    asm volatile("lfence" : : : "memory");
    return now;
}

// `overhead`: of looking at the clock, which is no part of it.
template <typename Prepare, typename Action>
[[nodiscard]] link::Timing timing_of(Prepare prepare, Action action, std::uint64_t overhead) {
    Samples samples{};
    for (std::size_t i{0}; i < repetitions; ++i) {
        prepare();
        const std::uint64_t start{ordered_tsc()};
        action();
        const std::uint64_t ticks{ordered_tsc() - start};
        samples.add(ticks > overhead ? ticks - overhead : 0);
    }
    return samples.summary();
}

// All zero where the processor does not do as it should.
[[nodiscard]] link::Timing timing_of_exit_and_entry(Hardware& hardware) {
    Samples samples{};
    for (std::size_t i{0}; i < repetitions; ++i) {
        hardware.write(Field::vmx_preemption_timer_value, 0);
        const std::uint64_t ticks{vmx_timed_entry(i == 0 ? Entry::launch : Entry::resume)};
        const std::uint64_t reason{hardware.read(Field::exit_reason) & basic_reason_mask};
        if (ticks == 0 || reason != static_cast<std::uint64_t>(vmcs::ExitReason::preemption_timer_expired)) {
            return {};
        }
        samples.add(ticks);
    }
    return samples.summary();
}

} // namespace

link::Timings measure_timings(Hardware& hardware, std::uint64_t region, std::uint64_t other,
                              std::uint32_t revision) {
    link::Timings timings{};
    timings.repetitions = repetitions;
    *memory::at_physical<std::uint32_t>(other) = revision;
    hardware.clear(other);
    hardware.make_current(other);
    const std::uint64_t overhead{timing_of([] {}, [] {}, 0).median};
    timings.vmptrld =
        timing_of([&] { hardware.make_current(region); }, [&] { hardware.make_current(other); }, overhead);
    timings.vmclear =
        timing_of([&] { hardware.make_current(other); }, [&] { hardware.clear(other); }, overhead);
    *memory::at_physical<std::uint32_t>(other) = 0;
    hardware.make_current(region);
    constexpr Field kept[]{Field::host_rip, Field::host_rsp, Field::guest_rflags,
                           Field::vmx_preemption_timer_value};
    std::uint64_t values[4];
    for (std::size_t i{0}; i < 4; ++i)
        values[i] = hardware.read(kept[i]);
    // An interrupt that waits must not come in front of the timer.
    hardware.write(Field::guest_rflags, hardware.read(Field::guest_rflags) & ~cpu::rflags::interrupt);
    timings.exit_entry = timing_of_exit_and_entry(hardware);
    for (std::size_t i{0}; i < 4; ++i)
        hardware.write(kept[i], values[i]);
    hardware.clear(region);
    hardware.make_current(region);
    return timings;
}

} // namespace shadowtune::vmx
