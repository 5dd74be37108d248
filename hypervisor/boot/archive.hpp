#pragma once

// What L0 needs to start anew without a boot loader: its image as it was loaded, and what the loader told. It
// lies at the end of L0's region; nothing in it is changed by what L1 does.

#include "hypervisor/memory/l0_memory.hpp"

#include <atomic>
#include <cstdint>

namespace shadowtune::boot {

// boot/restart.S knows the offsets of the first members.
struct Archive {
    std::uint64_t cr3;          // the image at its virtual address, and the first 4 GiB one to one
    std::uint64_t region_begin; // L0's region, where the image runs
    std::uint64_t begin;        // of this archive, and the end of what is given up
    std::uint64_t image;        // the image as it was loaded, without its .bss
    std::uint64_t image_bytes;
    std::uint64_t bss_bytes;   // zeroes behind it
    std::uint64_t entry;       // boot_main
    std::uint64_t stack;       // for it
    std::uint64_t magic;       // what the loader had in EAX
    std::uint64_t information; // a copy of what EBX pointed at

    std::uint64_t region_end;
    std::uint64_t awaited_crc; // of the saved state that L1's memory was left with
    std::uint64_t bios_int15;  // the BIOS's own vector 15H (boot/bios.hpp)
    std::uint64_t is_single;   // 1: the machine has one processor for certain
    std::uint64_t listed;      // processors that L0's region was measured for

    // The other processors, while L0 starts anew: out of VMX operation, in a loop of restart.S in here.
    std::atomic<std::uint64_t> parked; // how many
    std::atomic<std::uint64_t>
        called; // the number of the one that goes on now, by the members below; 0: none
    std::uint64_t called_cr3;
    std::uint64_t called_stack;
    std::uint64_t called_argument;
    std::uint64_t called_entry;
};

struct ArchiveRequest {
    memory::MemoryRange region; // L0's
    std::uint32_t magic;
    std::uint32_t information;
};

// Bytes that an archive takes at the end of L0's region, a multiple of 4 KiB.
[[nodiscard]] std::uint64_t archive_bytes(std::uint32_t information);

// Fills the last archive_bytes() of the region. To be called before L1 may overwrite the loader's
// information.
void make_archive(const ArchiveRequest& request);

// Of the L0 that runs; null before make_archive().
[[nodiscard]] Archive* archive();
void use_archive(Archive* archive);

// On a processor that is out of VMX operation: waits in the archive until it is called by this number. Takes
// no interrupt and no NMI meanwhile.
[[noreturn]] void park(std::uint64_t number);

// Overwrites all of L0's memory but the archive with a pattern, brings the image back and begins at
// boot_main. The processor is out of VMX operation.
[[noreturn]] void start_anew(std::uint32_t awaited_crc);

} // namespace shadowtune::boot
