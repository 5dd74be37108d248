#include "tests/micro_l1/l2_harness.hpp"

#include <string_view>

namespace shadowtune::micro_l1 {

namespace {

constexpr std::size_t stack_size{16384};
alignas(16) std::uint8_t g_stack[stack_size];
Page g_region;
Ept g_ept;
Page g_scratch[scratch_pages];

} // namespace

Ept& feature_ept() {
    return g_ept;
}

Page& scratch_page(std::size_t i) {
    __builtin_memset(&g_scratch[i], 0, sizeof(Page));
    return g_scratch[i];
}

bool L2::prepare(const Controls& controls, Ept& ept, L2Function function) {
    m_launched = false;
    accesses_belong_to(vmcs::no_round_trip);
    clear_l2_events();
    // As after a CALL: RSP is 8 below a multiple of 16.
    const L2Start start{reinterpret_cast<std::uint64_t>(function), physical(g_stack) + stack_size - 8};
    if (enter_vmx_operation() && set_up_vmcs(g_region, controls, ept, start)) return true;
    m_failed = true;
    return false;
}

bool L2::go() {
    const EntryResult result{enter_l2(registers, !m_launched)};
    if (result != EntryResult::exited) {
        fail(m_test, "VM entry failed, VM-instruction error ", get(Field::vm_instruction_error));
        m_failed = true;
        return false;
    }
    m_launched = true;
    reason = get(Field::exit_reason);
    accesses_belong_to(static_cast<std::uint8_t>(reason & 0x7F));
    qualification = get(Field::exit_qualification);
    return true;
}

bool L2::go_to(ExitReason wanted) {
    return go() && same("exit reason", static_cast<std::uint64_t>(wanted), reason);
}

void L2::skip_instruction() {
    set(Field::guest_rip, get(Field::guest_rip) + get(Field::vm_exit_instruction_length));
}

bool L2::run_to_done(std::initializer_list<WantedExit> wanted) {
    for (const WantedExit& exit : wanted) {
        if (!go_to(exit.reason) || !same("exit qualification", exit.qualification, qualification))
            return false;
        skip_instruction();
    }
    return go_to(ExitReason::vmcall) && same("last word of L2", l2_done_word, registers.rax);
}

bool L2::same(std::string_view what, std::uint64_t wanted, std::uint64_t got) {
    if (wanted == got) return true;
    m_failed = true;
    fail(m_test, what, " wanted ", hex(wanted), " got ", hex(got), " (exit reason ", reason,
         " qualification ", hex(qualification), " rip ", hex(get(Field::guest_rip)), ")");
    return false;
}

void L2::conclude() const {
    if (!m_failed) pass(m_test);
}

} // namespace shadowtune::micro_l1
