#include "hypervisor/nested/overdue_exit.hpp"

#include <gtest/gtest.h>

namespace shadowtune::nested {
namespace {

[[nodiscard]] Vmcs12Values controls(std::uint32_t pin, std::uint32_t primary, std::uint32_t exit = 0) {
    Vmcs12Values values{};
    values.set(F::pin_based_controls, pin);
    values.set(F::primary_processor_based_controls, primary);
    values.set(F::primary_vm_exit_controls, exit);
    return values;
}

constexpr std::uint32_t interrupts{vmx::pin::external_interrupt_exiting};
constexpr std::uint32_t window{vmx::primary::interrupt_window_exiting};
constexpr HaltedL2 asleep{false, false}, enabled{true, false}, pending{false, true}, both{true, true};

TEST(OverdueExit, IsNoneWhereL1AskedForNone) {
    EXPECT_EQ(overdue_exit(controls(0, 0), both), OverdueExit::none);
    EXPECT_EQ(overdue_exit(controls(interrupts, window), asleep), OverdueExit::none);
}

TEST(OverdueExit, WindowIsOpenWithInterruptsEnabled) {
    EXPECT_EQ(overdue_exit(controls(0, window), enabled), OverdueExit::interrupt_window);
    EXPECT_EQ(overdue_exit(controls(0, window), pending), OverdueExit::none);
    // 25.6.2: it comes before external interrupts.
    EXPECT_EQ(overdue_exit(controls(interrupts, window), both), OverdueExit::interrupt_window);
}

TEST(OverdueExit, InterruptNeedsNoFlagToExit) {
    EXPECT_EQ(overdue_exit(controls(interrupts, 0), pending), OverdueExit::external_interrupt);
    EXPECT_EQ(overdue_exit(controls(interrupts, window), pending), OverdueExit::external_interrupt);
    EXPECT_EQ(overdue_exit(controls(interrupts, 0), enabled), OverdueExit::none);
}

TEST(OverdueExit, OneThatIsAcknowledgedIsTheProcessors) {
    const auto values{controls(interrupts, 0, vmx::exit::acknowledge_interrupt_on_exit)};
    EXPECT_EQ(overdue_exit(values, pending), OverdueExit::none);
}

} // namespace
} // namespace shadowtune::nested
