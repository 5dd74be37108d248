#include "hypervisor/nested/apic.hpp"

#include "hypervisor/cpu/fixups.hpp"
#include "hypervisor/cpu/registers.hpp"
#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/nested/guest.hpp"
#include "hypervisor/nested/guest_store.hpp"
#include "hypervisor/nested/l2_bitmaps.hpp"
#include "hypervisor/nested/sleep.hpp"
#include "hypervisor/nested/startup.hpp"

namespace shadowtune::nested {

namespace {

namespace reg = devices::apic_register;

constexpr std::uint64_t offset_mask{memory::page_size - 1};

// Relocations of local APICs are rare, and so is this lock; it is not on the way of any other exit.
class PagesLock {
public:
    explicit PagesLock(Machine& machine) : m_lock{machine.apic_pages_lock} {
        while (m_lock.exchange(true)) {
            if (cpu::is_stopping()) cpu::stop_here();
            asm volatile("pause");
        }
    }
    PagesLock(const PagesLock&) = delete;
    PagesLock& operator=(const PagesLock&) = delete;
    ~PagesLock() { m_lock = false; }

private:
    std::atomic<bool>& m_lock;
};

[[nodiscard]] bool is_apic_page(const Machine& machine, std::uint64_t page) {
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        const ApicView& apic{machine.vcpus[i]->apic};
        if (apic.mode == ApicMode::xapic && apic.page == page) return true;
    }
    return false;
}

[[nodiscard]] bool is_protected(const Vcpu& vcpu) {
    return vcpu.machine.intercepts_ipis && vcpu.apic.mode == ApicMode::xapic;
}

// How others address this APIC, from the hardware.
void refresh_view(Vcpu& vcpu) {
    const devices::LocalApic apic{};
    auto& view{vcpu.apic};
    view.mode = apic.mode();
    view.page = apic.page();
    if (apic.mode() == ApicMode::disabled) return;
    view.id = apic.id();
    view.ldr = apic.read(reg::ldr);
    if (apic.mode() == ApicMode::xapic) view.dfr = apic.read(reg::dfr);
}

// Drops what this processor has cached of the page's old rights.
void forget_translations(Vcpu& vcpu) {
    vcpu.hardware.invalidate(vmx::InvalidateEpt::single_context, vcpu.machine.eptp01);
    vcpu.ept02->forget_all(vcpu.hardware);
    if (vcpu.runs_l2) set_l2_ept(vcpu);
}

// A vCPU that sleeps counts on the bootstrap processor's APIC.
void announce_disabling(Vcpu& vcpu) {
    vcpu.apic.mode = ApicMode::disabled;
    if (!is_bootstrap(vcpu)) return;
    const Machine& machine{vcpu.machine};
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        machine.vcpus[i]->mailbox.post_look();
        wake(*machine.vcpus[i]);
    }
}

void send_to(const Vcpu& sender, const InterruptCommand& command) {
    const Machine& machine{sender.machine};
    for (std::size_t i{0}; i < machine.vcpu_count; ++i) {
        Vcpu& target{*machine.vcpus[i]};
        const bool is_self{&target == &sender};
        if (!reaches(command, sender.apic.mode, is_self, target.apic.address())) continue;
        if (command.mode == DeliveryMode::init) {
            target.mailbox.post_init();
        } else {
            target.mailbox.post_startup(command.vector);
        }
        wake(target);
    }
}

// True where the command was L0's to carry out.
[[nodiscard]] bool carry_out(Vcpu& vcpu, const InterruptCommand& command) {
    if (!command.is_l0s()) return false;
    if (command.is_deassert()) return true;
    send_to(vcpu, command);
    if (command.mode == DeliveryMode::init) await_delivery_of_init(vcpu);
    return true;
}

void write_native(void* place, unsigned bytes, std::uint64_t value) {
    switch (bytes) {
    case 1: *static_cast<volatile std::uint8_t*>(place) = static_cast<std::uint8_t>(value); return;
    case 2: *static_cast<volatile std::uint16_t*>(place) = static_cast<std::uint16_t>(value); return;
    case 4: *static_cast<volatile std::uint32_t*>(place) = static_cast<std::uint32_t>(value); return;
    default: *static_cast<volatile std::uint64_t*>(place) = value; return;
    }
}

// A write to the vCPU's own APIC. What is no 32-bit write of a whole register is undefined (Vol. 3A, 11.4.1)
// and left to the hardware.
void write_register(Vcpu& vcpu, std::uint64_t address, const GuestStore& store) {
    const auto offset{static_cast<std::uint32_t>(address & offset_mask)};
    void* const place{vcpu.machine.l1.pointer(address)};
    const bool is_whole{store.bytes == sizeof(std::uint32_t)};
    if (is_whole && offset == reg::icr_low) {
        const devices::LocalApic apic{};
        const auto low{static_cast<std::uint32_t>(store.value)};
        if (carry_out(vcpu, decode_xapic_command(low, apic.read(reg::icr_high)))) return;
    }
    write_native(place, store.bytes, store.value);
    if (offset == reg::ldr || offset == reg::dfr || offset == reg::id) refresh_view(vcpu);
}

} // namespace

void watch_apic(Vcpu& vcpu) {
    refresh_view(vcpu);
    if (!is_protected(vcpu)) return;
    const PagesLock lock{vcpu.machine};
    if (!vcpu.machine.ept01_pages.set_writable(vcpu.apic.page, false))
        cpu::panic("the local APIC lies where EPT01 cannot protect it", vcpu.apic.page);
}

bool write_apic_base(Vcpu& vcpu, std::uint64_t value) {
    const std::uint64_t page{value & devices::apic_base::address_mask};
    // The APIC's registers may not be laid over L0's memory.
    if (vcpu.machine.l0.holds(page)) return false;
    if (!vcpu.machine.intercepts_ipis) return cpu::try_wrmsr(cpu::msr::apic_base, value);
    auto& pages{vcpu.machine.ept01_pages};
    const std::uint64_t old_page{vcpu.apic.page};
    const bool protects{devices::apic_mode(value) == ApicMode::xapic};
    const PagesLock lock{vcpu.machine};
    // L0 reaches no APIC above its own map of memory.
    if (protects && (!vcpu.machine.l1.is_mapped(page) || !pages.set_writable(page, false))) return false;
    if (devices::apic_mode(value) == ApicMode::disabled) announce_disabling(vcpu);
    const bool is_written{cpu::try_wrmsr(cpu::msr::apic_base, value)};
    refresh_view(vcpu);
    for (const std::uint64_t candidate : {old_page, page}) {
        if (is_apic_page(vcpu.machine, candidate) || pages.is_writable(candidate)) continue;
        static_cast<void>(pages.set_writable(candidate, true));
    }
    forget_translations(vcpu);
    return is_written;
}

bool write_x2apic_command(Vcpu& vcpu, std::uint64_t value) {
    constexpr std::uint64_t reserved{0xFFF3'3000};
    const bool checked{vcpu.apic.mode == ApicMode::x2apic && (value & reserved) == 0};
    if (checked && carry_out(vcpu, decode_x2apic_command(value))) return true;
    return cpu::try_wrmsr(devices::x2apic_icr_msr, value);
}

bool is_own_apic_page(const Vcpu& vcpu, std::uint64_t l1_address) {
    return is_protected(vcpu) && vcpu.apic.page == (l1_address & ~offset_mask);
}

bool is_own_apic_page_within(const Vcpu& vcpu, std::uint64_t l1_address) {
    return is_protected(vcpu) && ((vcpu.apic.page ^ l1_address) & ~(memory::large_page_size - 1)) == 0;
}

bool emulate_protected_write(Vcpu& vcpu, std::uint64_t l1_address, std::uint64_t qualification) {
    auto& hw{vcpu.hardware};
    constexpr std::uint64_t final_write{vmx::ept_violation::write | vmx::ept_violation::final_access};
    const bool is_own{is_own_apic_page(vcpu, l1_address)};
    if (!vcpu.machine.intercepts_ipis || !vcpu.machine.l1.is_mapped(l1_address)) return false;
    if (!is_own && vcpu.machine.ept01_pages.is_writable(l1_address)) {
        if ((qualification & vmx::ept_violation::write) == 0) return false;
        // Another processor has given the page back, and this one still had the old rights cached.
        forget_translations(vcpu);
        return true;
    }
    const auto vectoring{static_cast<std::uint32_t>(hw.read(F::idt_vectoring_information))};
    if ((qualification & final_write) != final_write || vmx::interruption::is_valid(vectoring))
        stop_l1(vcpu, "page tables, a stack or code in the page of a local APIC");
    GuestStore store{};
    switch (execute_store(vcpu, vcpu.machine.l1.pointer(l1_address), store)) {
    case StoreOutcome::again: forget_translations(vcpu); return true;
    case StoreOutcome::not_known: inject_exception(vcpu, vmx::vector::general_protection, 0); return true;
    case StoreOutcome::done: break;
    }
    if (is_own) {
        write_register(vcpu, l1_address, store);
    } else {
        write_native(vcpu.machine.l1.pointer(l1_address), store.bytes, store.value);
    }
    return true;
}

} // namespace shadowtune::nested
