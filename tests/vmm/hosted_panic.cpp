// L0 stops the machine; a test wants to see that it would.

#include "hypervisor/cpu/panic.hpp"

#include <stdexcept>

namespace shadowtune::cpu {

void panic(const char* what, std::uint64_t) {
    throw std::runtime_error{what};
}

} // namespace shadowtune::cpu
