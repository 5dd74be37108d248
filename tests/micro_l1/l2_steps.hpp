#pragma once

// What L2 does in the round-trip scripts: a pseudo-random stream of instructions that exit, and what the SDM
// says that each exit leaves in the VMCS.

#include "tests/micro_l1/prng.hpp"
#include "tests/micro_l1/vmcs_setup.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::micro_l1 {

enum class Probe : std::uint8_t { none, state, bases };

// Exit information that the SDM defines for this exit; the mask says which bits.
struct Expected {
    std::uint64_t value;
    std::uint64_t mask;
};

struct StepKind {
    const char* begin;
    const char* exit_at; // the exiting instruction
    const char* end;
    std::uint8_t reason;
    std::uint64_t qualification; // of 0 in every bit that is not named
    bool length_defined;         // VM-exit instruction length
    Expected instruction_info;
    std::uint64_t interruption_info; // of exceptions; 0: not valid
    bool faults_in_ept;              // guest-physical and guest-linear address are defined
    bool raises_resume_flag;         // RFLAGS.RF is saved as 1, or as it was: do not compare
    Controls needs;                  // controls without which it would not exit
    Probe probe;
};

struct Step {
    const StepKind* kind;
    std::uint64_t exit_rip;
    std::uint64_t next_rip;
};

class StepStream {
public:
    static constexpr std::size_t max_steps{512};

    // Fills the code page with steps that exit under these controls. `hole`: the page that RAX points at.
    void make(Prng& random, const Controls& controls, std::uint64_t hole);

    [[nodiscard]] std::size_t size() const { return m_count; }
    [[nodiscard]] const Step& operator[](std::size_t i) const { return m_steps[i]; }
    // Where L2 must start to run into step i.
    [[nodiscard]] std::uint64_t start_of(std::size_t i) const;
    [[nodiscard]] std::uint64_t hole() const { return m_hole; }

private:
    Step m_steps[max_steps];
    std::size_t m_count;
    std::uint64_t m_hole;
};

// Every control that some step needs.
[[nodiscard]] Controls controls_for_steps();

} // namespace shadowtune::micro_l1
