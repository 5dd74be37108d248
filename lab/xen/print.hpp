// dom0's own console: Xen's.
#pragma once

#include "lab/xen/interface.hpp"

#include <string_view>

namespace shadowtune::xen {

inline void print(std::string_view text) {
    hypercall(call::console, console_write, text.size(), reinterpret_cast<unsigned long>(text.data()));
}

inline void print(unsigned long number) {
    char digits[20];
    unsigned at{sizeof(digits)};
    do {
        digits[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    print(std::string_view{digits + at, sizeof(digits) - at});
}

} // namespace shadowtune::xen
