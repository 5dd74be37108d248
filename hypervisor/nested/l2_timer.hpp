#pragma once

// L1's VMX-preemption timer while L2 runs. It counts from L1's VM entry on, whatever L0 does meanwhile: what
// is kept is the moment at which it expires. SDM Vol. 3C, 26.5.1 and 27.7.4 "VMX-Preemption Timer" (edition
// 325462-087).

#include <cstdint>

namespace shadowtune::nested {

class L2Timer {
public:
    // L1's VM entry. `rate`: the timer counts each time that bit `rate` of the TSC changes; `value`: what its
    // field holds.
    void start(std::uint64_t tsc, unsigned rate, std::uint32_t value) {
        m_rate = rate;
        m_left = value;
        m_deadline = (tsc >> rate) + value;
        m_active = true;
    }
    void stop() { m_active = false; }
    [[nodiscard]] bool is_active() const { return m_active; }

    // What the processor's timer is to be loaded with at an entry at `tsc`: what is left of L1's, or
    // `backstop`, L0's own, if that expires first.
    [[nodiscard]] std::uint32_t load(std::uint64_t tsc, std::uint32_t backstop) {
        m_expires = m_active && left(tsc) <= backstop;
        return m_expires ? m_left : backstop;
    }

    // Whether it is L1's timer that expires when the processor's does.
    [[nodiscard]] bool expires() const { return m_expires; }

    // In the field's unit. It never grows, even where somebody sets the TSC back.
    [[nodiscard]] std::uint32_t left(std::uint64_t tsc) {
        const std::uint64_t now{tsc >> m_rate};
        const std::uint64_t to_go{now < m_deadline ? m_deadline - now : 0};
        if (to_go < m_left) m_left = static_cast<std::uint32_t>(to_go);
        return m_left;
    }

private:
    std::uint64_t m_deadline{0};
    std::uint32_t m_left{0};
    unsigned m_rate{0};
    bool m_active{false};
    bool m_expires{false};
};

} // namespace shadowtune::nested
