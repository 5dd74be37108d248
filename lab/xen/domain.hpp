// One hardware-virtualised domain with one vCPU: made, filled, started, and waited for.
#pragma once

#include "lab/xen/hypercalls.hpp"
#include "lab/xen/state.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::xen {

inline constexpr std::uint64_t page_size{4096};

// Makes the domain, which may have so much memory; it has none yet.
[[nodiscard]] std::uint16_t create_domain(Hypercalls& xen, std::uint64_t memory_kib,
                                          std::uint64_t paging_pool_bytes);

// Gives it `count` pieces of 4 KiB << order, from the physical address `at` upwards: 512 at most.
void give_memory(Hypercalls& xen, std::uint16_t domain, std::uint64_t at, std::uint64_t count,
                 unsigned order);

// Lets a page of the domain appear in place of dom0's own at `at`.
void map_page(Hypercalls& xen, std::uint16_t domain, std::uint64_t address, void* at);
// Writes to the domain's memory; `at` begins a page, and what follows in the last page becomes zero.
void write_memory(Hypercalls& xen, std::uint16_t domain, std::uint64_t at, const void* from,
                  std::uint64_t bytes);

// Flat 32-bit protected mode without paging, and no interrupts.
[[nodiscard]] CpuState flat_cpu(std::uint64_t entry);
// Gives the vCPU its state, with write-back memory, and lets it run.
void start(Hypercalls& xen, std::uint16_t domain, const CpuState& cpu);

struct Ending {
    bool has_ended{false};
    unsigned reason{0}; // 0: it powered itself off
};
[[nodiscard]] Ending ending_of(Hypercalls& xen, std::uint16_t domain);

} // namespace shadowtune::xen
