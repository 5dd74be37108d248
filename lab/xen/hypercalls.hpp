// The hypercalls that everything here is made of; the first refusal ends the work.
#pragma once

#include "lab/xen/interface.hpp"

#include <cstdint>
#include <string_view>

namespace shadowtune::xen {

// The step that Xen refused, and its error number; without one, what is wrong. An empty step: nothing was.
struct Refusal {
    std::string_view step{};
    long error{0};
};

class Hypercalls {
public:
    [[nodiscard]] const Refusal& refusal() const { return m_refusal; }
    [[nodiscard]] bool are_refused() const { return !m_refusal.step.empty(); }

    // What Xen answers, 0 after a refusal.
    long call_xen(std::string_view step, unsigned long number, unsigned long a, unsigned long b = 0,
                  unsigned long c = 0, unsigned long d = 0) {
        if (are_refused()) return 0;
        const long result{hypercall(number, a, b, c, d)};
        if (result < 0) refuse(step, result);
        return result;
    }
    void refuse(std::string_view step, long error = 0) { // the first one counts
        if (!are_refused()) m_refusal = {step, error};
    }
    void control(std::string_view step, Control command, std::uint16_t domain, ControlRequest& request) {
        request.command = command;
        request.version = control_version;
        request.domain = domain;
        call_xen(step, call::domain_control, reinterpret_cast<std::uint64_t>(&request));
    }
    void control(std::string_view step, Control command, std::uint16_t domain, std::uint64_t number) {
        ControlRequest request{};
        request.number = number;
        control(step, command, domain, request);
    }

private:
    Refusal m_refusal{};
};

} // namespace shadowtune::xen
