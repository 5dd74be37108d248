#pragma once

// For the feature tests: an L2 that is a C++ function, run exit by exit, and the sequence of its exits
// compared with the one that the test wants.

#include "tests/micro_l1/report.hpp"
#include "tests/micro_l1/vmcs_setup.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace shadowtune::micro_l1 {

using vmcs::ExitReason;
using vmcs::Field;

// Never returns: L2 functions end in l2_done().
using L2Function = void (*)();

inline constexpr std::uint64_t l2_done_word{0xD04E};

// In L2: exits with a word in RAX and, for the test to look at, one in RBX.
inline void l2_call(std::uint64_t word, std::uint64_t value = 0) {
    asm volatile("vmcall" : : "a"(word), "b"(value) : "memory");
}
[[noreturn]] inline void l2_done(std::uint64_t value = 0) {
    for (;;)
        l2_call(l2_done_word, value);
}

// An L2 that does nothing else.
inline void l2_done_at_once() {
    l2_done();
}

struct WantedExit {
    ExitReason reason;
    std::uint64_t qualification;
};

class L2 {
public:
    explicit L2(std::string_view test) : m_test{test} {}

    // A fresh VMCS; Ept must be mapped. False (reported) where that fails.
    [[nodiscard]] bool prepare(const Controls& controls, Ept& ept, L2Function function);
    // Runs to the next exit; false (reported) where the VM entry fails.
    [[nodiscard]] bool go();
    // Runs to l2_done(), stepping over each instruction that exits; reports the first exit that is not as
    // wanted. True where all came as wanted.
    [[nodiscard]] bool run_to_done(std::initializer_list<WantedExit> wanted);
    // go() and compare the reason.
    [[nodiscard]] bool go_to(ExitReason wanted);
    void skip_instruction();

    // Reported as a failure of this test where they differ.
    bool same(std::string_view what, std::uint64_t wanted, std::uint64_t got);
    // PASS, unless something was reported.
    void conclude() const;

    GuestRegisters registers{};
    std::uint64_t reason{0};
    std::uint64_t qualification{0};

private:
    std::string_view m_test;
    bool m_launched{false};
    bool m_failed{false};
};

[[nodiscard]] Ept& feature_ept();
// A page for tests to put data or bitmaps in; zeroed by each call.
[[nodiscard]] Page& scratch_page(std::size_t i);
inline constexpr std::size_t scratch_pages{4};

// The tests by theme, one file each; each prints PASS, FAIL or SKIP lines.
void test_intercepts();
void test_events();
void test_interrupts();
void test_memory();
void test_msrs();
void test_shadowing();
void test_vm_functions();
void test_ept_extensions();
void test_state();
void test_live();
void test_root();
// Of script isolation.
void test_bitmaps_of_l0();

} // namespace shadowtune::micro_l1
