#pragma once

// What all vCPUs share: memory, the processor's facts, what L1 is offered, the bitmaps and the link. Made
// once at start.

#include "hypervisor/cpu/panic.hpp"
#include "hypervisor/devices/a20_gate.hpp"
#include "hypervisor/devices/link_port.hpp"
#include "hypervisor/memory/l0_memory.hpp"
#include "hypervisor/memory/l1_memory.hpp"
#include "hypervisor/memory/memory_map.hpp"
#include "hypervisor/nested/entry_checks.hpp"
#include "hypervisor/nested/merge.hpp"
#include "hypervisor/shadow/generations.hpp"
#include "vmcs/machine.hpp"

#include <cstddef>
#include <cstdint>

namespace shadowtune::nested {

// The VMCS revision identifier that L1 sees: ours, since the region's format is ours ("ST", format 1).
inline constexpr std::uint32_t vmcs12_revision{0x5354'0001};

// L0's own wishes as a bitmap page, and the few words of it that hold any.
struct OwnBitmap {
    static constexpr std::size_t capacity{32};
    const BitmapWords* page{nullptr};
    std::uint16_t places[capacity]{};
    std::size_t count{0};

    void set(const BitmapWords* wishes) {
        page = wishes;
        for (std::size_t i{0}; i < BitmapWords::count; ++i) {
            if (wishes->words[i] == 0) continue;
            if (count == capacity) cpu::panic("more bitmap words than L0 can compare", i);
            places[count++] = static_cast<std::uint16_t>(i);
        }
    }

    // True where L1's page asks for everything that this one asks for.
    [[nodiscard]] bool is_covered_by(const BitmapWords& l1) const {
        for (std::size_t i{0}; i < count; ++i) {
            if ((page->words[places[i]] & ~l1.words[places[i]]) != 0) return false;
        }
        return true;
    }
};

struct Machine {
    memory::L0Memory& l0;
    memory::L1Memory l1;
    const memory::MemoryMap& map;             // the machine's, before L0 took its region
    const memory::MemoryMap* l1_map{nullptr}; // as L1 has it: L0's region is reserved
    std::uint64_t eptp01{0};

    vmcs::CapabilityMsrs hardware_msrs{};
    vmcs::CapabilityMsrs offered_msrs{};
    vmcs::FieldSet physical_fields{};
    vmcs::FieldSet offered_fields{};
    ProcessorFacts processor{};
    std::uint64_t feature_control{0}; // IA32_FEATURE_CONTROL as the firmware left it

    // MSRs and ports that L0 must see whoever touches them.
    OwnBitmap msr_bitmap{};
    OwnBitmap io_bitmap_a{};
    OwnBitmap io_bitmap_b{};
    const BitmapWords* all_ones{nullptr};

    devices::A20Gate a20{};
    shadow::Generations generations{};
    devices::LinkPort link{devices::com2_base};
    std::uint64_t boot_id{0};
    std::uint64_t l1_memory_bytes{0};
    link::L1Kind l1_kind{link::L1Kind::unknown};
    char l1_name[sizeof(link::Hello::l1_name)]{};
};

} // namespace shadowtune::nested
