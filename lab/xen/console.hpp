// The console of a domain: a ring that the domain fills and dom0 empties (facts of Xen 4.17's io/console.h).
#pragma once

#include "lab/xen/domain.hpp"

namespace shadowtune::xen {

class Console {
public:
    // `page`: the ring's physical address in the domain.
    Console(Hypercalls& xen, std::uint16_t domain, std::uint64_t page);

    // Prints whole lines of what the domain has written since, and what is left without a line's end where
    // asked.
    void print_new(bool all);

private:
    void put(char c);
    void flush();

    static constexpr std::size_t longest_line{256};
    char m_line[longest_line]{};
    std::size_t m_length{0};
};

} // namespace shadowtune::xen
