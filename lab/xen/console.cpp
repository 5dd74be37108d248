#include "lab/xen/console.hpp"

#include "lab/xen/print.hpp"

namespace shadowtune::xen {
namespace {

struct Ring {
    static constexpr std::uint32_t out_bytes{2048};

    char in[1024];
    char out[out_bytes];
    std::uint32_t in_taken, in_put;
    std::uint32_t out_taken, out_put; // count on for ever
};

union [[gnu::aligned(page_size)]] Page {
    Ring ring;
    std::uint8_t bytes[page_size];
};
Page page;

} // namespace

Console::Console(Hypercalls& xen, std::uint16_t domain, std::uint64_t page_address) {
    map_page(xen, domain, page_address, &page);
}

void Console::print_new(bool all) {
    Ring& ring{page.ring};
    const std::uint32_t end{__atomic_load_n(&ring.out_put, __ATOMIC_ACQUIRE)};
    for (std::uint32_t at{ring.out_taken}; at != end; ++at)
        put(ring.out[at % Ring::out_bytes]);
    __atomic_store_n(&ring.out_taken, end, __ATOMIC_RELEASE);
    if (all && m_length != 0) put('\n');
}

void Console::put(char c) {
    m_line[m_length++] = c;
    if (c == '\n' || m_length == longest_line) flush();
}

void Console::flush() {
    print({m_line, m_length});
    m_length = 0;
}

} // namespace shadowtune::xen
