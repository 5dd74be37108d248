#include "lab/xen/loops_domain.hpp"

#include "lab/xen/domain.hpp"

namespace shadowtune::xen {
namespace {

extern "C" {
extern const std::uint8_t domain_image[];
extern const std::uint8_t domain_image_end[];
extern const std::uint8_t domain_result[];
}

constexpr std::uint64_t load_address{0x10'0000};
constexpr std::uint64_t page_count{16};
alignas(page_size) std::uint8_t window[page_size];

} // namespace

std::uint16_t start_loops(Hypercalls& xen, std::uint32_t round_trips) {
    constexpr std::uint64_t memory_kib{1024}, paging_pool_bytes{1U << 20};
    const std::uint16_t domain{create_domain(xen, memory_kib, paging_pool_bytes)};
    give_memory(xen, domain, load_address, page_count, 0);
    write_memory(xen, domain, load_address, domain_image,
                 static_cast<std::uint64_t>(domain_image_end - domain_image));
    CpuState cpu{flat_cpu(load_address)};
    cpu.rsp = load_address + page_count * page_size;
    cpu.rbx = round_trips;
    start(xen, domain, cpu);
    return domain;
}

std::uint32_t result_of_loops(Hypercalls& xen, std::uint16_t domain) {
    std::uint32_t result{0};
    map_page(xen, domain, load_address, window);
    if (!xen.are_refused())
        __builtin_memcpy(&result, window + (domain_result - domain_image), sizeof(result));
    return result;
}

} // namespace shadowtune::xen
