#include "lab/workload/guest_vm.hpp"

#include "lab/workload/guest_layout.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <x86intrin.h>

extern "C" {
// Symbols of guest.S.
extern const std::byte guest_begin[];
extern const std::byte guest_end[];
extern const std::byte guest_handler[];
}

namespace shadowtune::workload {
namespace {

constexpr std::size_t fresh_bytes = FRESH_END - FRESH_BASE;
constexpr std::size_t page_bytes = 4096;
constexpr std::uint16_t code_selector = 0x08;
constexpr std::uint16_t data_selector = 0x10;
constexpr unsigned max_cpuid_entries = 256;

// The kernel header's kvm_cpuid2 ends in a flexible array, which in C++ makes it 4 bytes longer than it is,
// and its two requests, whose numbers hold its size, unknown to the kernel.
struct CpuidTable {
    std::uint32_t count = 0;
    std::uint32_t padding = 0;
    kvm_cpuid_entry2 entries[max_cpuid_entries]{};
};
constexpr unsigned long get_supported_cpuid = _IOWR(KVMIO, 0x05, std::uint64_t);
constexpr unsigned long set_cpuid2 = _IOW(KVMIO, 0x90, std::uint64_t);

[[noreturn]] void fail(const char* what) {
    throw KvmError{std::string{what} + ": " + std::strerror(errno)};
}

// ioctl with the error as an exception, named after the request.
template <typename... Argument>
int request(int fd, const char* name, unsigned long number, Argument... argument) {
    const int result = ::ioctl(fd, number, argument...);
    if (result < 0) fail(name);
    return result;
}

[[nodiscard]] std::byte* map_memory(std::size_t bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap of guest memory");
    // A huge page would answer 512 EPT violations with one.
    ::madvise(memory, bytes, MADV_NOHUGEPAGE);
    return static_cast<std::byte*>(memory);
}

[[nodiscard]] std::uint32_t guest_address(const std::byte* symbol) {
    return static_cast<std::uint32_t>(CODE_BASE + (symbol - guest_begin));
}

[[nodiscard]] std::uint32_t mixed(std::uint32_t sum, std::uint32_t value) {
    return (sum ^ value) * CHECKSUM_PRIME;
}

[[nodiscard]] kvm_segment flat_segment(std::uint16_t selector, bool code) {
    kvm_segment segment{};
    segment.limit = 0xFFFFFFFF;
    segment.selector = selector;
    segment.type = code ? 11 : 3; // accessed, readable or writable
    segment.present = 1;
    segment.db = 1;
    segment.s = 1;
    segment.g = 1;
    return segment;
}

} // namespace

GuestVm::GuestVm(Irqchip irqchip) : irqchip_{irqchip} {
    kvm_ = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm_ < 0) fail("open /dev/kvm (is kvm_intel loaded, and does this processor offer VMX?)");
    vm_ = request(kvm_, "KVM_CREATE_VM", KVM_CREATE_VM, 0);
    // Only processors without unrestricted guest use it, but KVM wants it known on all Intel ones.
    request(vm_, "KVM_SET_TSS_ADDR", KVM_SET_TSS_ADDR, 0xFFFBD000UL);
    create_memory();
    if (irqchip_ == Irqchip::in_kernel) {
        request(vm_, "KVM_CREATE_IRQCHIP", KVM_CREATE_IRQCHIP, 0);
        prepare_pic();
    }
    create_vcpu();
    load_guest();
}

GuestVm::~GuestVm() {
    if (run_ != nullptr) ::munmap(run_, run_bytes_);
    for (const int fd : {vcpu_, vm_, kvm_}) {
        if (fd >= 0) ::close(fd);
    }
    if (low_ != nullptr) ::munmap(low_, LOW_BYTES);
    if (fresh_ != nullptr) ::munmap(fresh_, fresh_bytes);
}

void GuestVm::create_memory() {
    low_ = map_memory(LOW_BYTES);
    fresh_ = map_memory(fresh_bytes);
    const auto add_slot = [this](std::uint32_t slot, std::uint64_t base, std::size_t bytes,
                                 const std::byte* memory) {
        kvm_userspace_memory_region region{};
        region.slot = slot;
        region.guest_phys_addr = base;
        region.memory_size = bytes;
        region.userspace_addr = reinterpret_cast<std::uintptr_t>(memory);
        request(vm_, "KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION, &region);
    };
    add_slot(0, 0, LOW_BYTES, low_);
    add_slot(1, FRESH_BASE, fresh_bytes, fresh_);
}

void GuestVm::create_vcpu() {
    vcpu_ = request(vm_, "KVM_CREATE_VCPU", KVM_CREATE_VCPU, 0);
    run_bytes_ = static_cast<std::size_t>(request(kvm_, "KVM_GET_VCPU_MMAP_SIZE", KVM_GET_VCPU_MMAP_SIZE, 0));
    void* mapped = ::mmap(nullptr, run_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_, 0);
    if (mapped == MAP_FAILED) fail("mmap of the vCPU");
    run_ = static_cast<kvm_run*>(mapped);

    CpuidTable cpuid{};
    cpuid.count = max_cpuid_entries;
    request(kvm_, "KVM_GET_SUPPORTED_CPUID", get_supported_cpuid, &cpuid);
    request(vcpu_, "KVM_SET_CPUID2", set_cpuid2, &cpuid);
}

void GuestVm::load_guest() {
    std::memcpy(low_ + CODE_BASE, guest_begin, static_cast<std::size_t>(guest_end - guest_begin));
    // Delivering an interrupt loads CS from the GDT, so that has to be there in memory too.
    const std::uint64_t gdt[] = {0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF};
    std::memcpy(low_ + GDT_BASE, gdt, sizeof gdt);
    const std::uint64_t handler = guest_address(guest_handler);
    const std::uint64_t gate = (handler & 0xFFFF) | (std::uint64_t{code_selector} << 16U) | (0x8EULL << 40U) |
                               ((handler >> 16U) << 48U);
    std::memcpy(low_ + IDT_BASE + 8 * INTERRUPT_VECTOR, &gate, sizeof gate);
}

// IRQ 0 alone, at our vector, ending by itself: an EOI from the handler would be an exit of its own.
void GuestVm::prepare_pic() {
    kvm_irqchip chip{};
    chip.chip_id = KVM_IRQCHIP_PIC_MASTER;
    request(vm_, "KVM_GET_IRQCHIP", KVM_GET_IRQCHIP, &chip);
    chip.chip.pic.irq_base = INTERRUPT_VECTOR;
    chip.chip.pic.imr = 0xFE;
    chip.chip.pic.auto_eoi = 1;
    chip.chip.pic.init4 = 1;
    request(vm_, "KVM_SET_IRQCHIP", KVM_SET_IRQCHIP, &chip);
}

void GuestVm::reset_registers(const std::byte* entry, std::uint32_t count) {
    kvm_sregs system{};
    request(vcpu_, "KVM_GET_SREGS", KVM_GET_SREGS, &system);
    system.cs = flat_segment(code_selector, true);
    for (auto* segment : {&system.ds, &system.es, &system.fs, &system.gs, &system.ss}) {
        *segment = flat_segment(data_selector, false);
    }
    system.gdt.base = GDT_BASE;
    system.gdt.limit = 3 * 8 - 1;
    system.idt.base = IDT_BASE;
    system.idt.limit = 256 * 8 - 1;
    system.cr0 |= 1; // protected mode
    request(vcpu_, "KVM_SET_SREGS", KVM_SET_SREGS, &system);

    kvm_regs registers{};
    registers.rip = guest_address(entry);
    registers.rsp = STACK_TOP;
    registers.rbp = count;
    registers.rsi = FRESH_BASE;
    registers.rflags = 0x202; // interrupts open
    request(vcpu_, "KVM_SET_REGS", KVM_SET_REGS, &registers);

    const std::uint32_t none = 0;
    std::memcpy(low_ + INTERRUPT_COUNT, &none, sizeof none);
}

void GuestVm::recycle_fresh_pages(LoopResult& result) {
    for (std::size_t at = 0; at < fresh_bytes; at += page_bytes) {
        std::uint32_t word = 0;
        std::memcpy(&word, fresh_ + at, sizeof word);
        result.user_checksum = mixed(result.user_checksum, word);
    }
    // KVM is told by the kernel and takes the pages out of the guest's EPT.
    if (::madvise(fresh_, fresh_bytes, MADV_DONTNEED) != 0) fail("madvise of guest memory");
}

void GuestVm::inject_interrupt() {
    kvm_interrupt interrupt{};
    interrupt.irq = INTERRUPT_VECTOR;
    request(vcpu_, "KVM_INTERRUPT", KVM_INTERRUPT, &interrupt);
}

// Handles one OUT; false where it ends the loop.
bool GuestVm::handle_port(LoopResult& result) {
    std::uint32_t value = 0;
    std::memcpy(&value, reinterpret_cast<const std::byte*>(run_) + run_->io.data_offset, run_->io.size);
    switch (run_->io.port) {
    case PORT_OUT: result.user_checksum = mixed(result.user_checksum, value); return true;
    case PORT_INTERRUPT: inject_interrupt(); return true;
    case PORT_RECYCLE: recycle_fresh_pages(result); return true;
    case PORT_FINISH: result.guest_checksum = value; return false;
    default: throw KvmError{"unexpected OUT to port " + std::to_string(run_->io.port)};
    }
}

// Each write is mixed into user space's checksum, and each read gives it.
void GuestVm::play_device(LoopResult& result) {
    std::uint32_t value = 0;
    if (run_->mmio.phys_addr != DEVICE_BASE || run_->mmio.len != sizeof value)
        throw KvmError{"access of memory that is not there, at " + std::to_string(run_->mmio.phys_addr)};
    if (run_->mmio.is_write != 0) {
        std::memcpy(&value, run_->mmio.data, sizeof value);
        result.user_checksum = mixed(result.user_checksum, value);
    } else {
        std::memcpy(run_->mmio.data, &result.user_checksum, sizeof value);
    }
}

void GuestVm::run_vcpu(LoopResult& result) {
    while (true) {
        if (::ioctl(vcpu_, KVM_RUN, 0) < 0) {
            if (errno == EINTR) continue;
            fail("KVM_RUN");
        }
        switch (run_->exit_reason) {
        case KVM_EXIT_HLT: break;
        case KVM_EXIT_IO:
            if (!handle_port(result)) return;
            break;
        case KVM_EXIT_MMIO: play_device(result); break;
        default:
            throw KvmError{"unexpected exit " + std::to_string(run_->exit_reason) + " of the guest, detail " +
                           std::to_string(run_->hw.hardware_exit_reason)};
        }
    }
}

std::uint32_t GuestVm::interrupt_count() const {
    return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(low_ + INTERRUPT_COUNT)}.load();
}

// The next interrupt goes out when the guest has counted the last one, so none is merged with another.
void GuestVm::pulse_irq_line(std::uint32_t count, const std::atomic<bool>& stop) {
    for (std::uint32_t i = 0; i < count; ++i) {
        while (interrupt_count() < i) {
            if (stop) return;
            ::sched_yield();
        }
        for (const std::uint32_t level : {1U, 0U}) {
            kvm_irq_level line{};
            line.irq = 0;
            line.level = level;
            request(vm_, "KVM_IRQ_LINE", KVM_IRQ_LINE, &line);
        }
    }
}

LoopResult GuestVm::run(const std::byte* entry, std::uint32_t count) {
    LoopResult result;
    LoopResult ignored;
    recycle_fresh_pages(ignored);
    reset_registers(entry, count);
    // One more exit than counted finishes a loop, and costs the same in every run.
    const auto start = __rdtsc();
    if (irqchip_ == Irqchip::in_kernel) {
        std::atomic<bool> stop{false};
        std::thread line{[this, count, &stop] { pulse_irq_line(count, stop); }};
        // The thread has to end also where the guest fails.
        struct Join {
            std::thread& thread;
            std::atomic<bool>& stop;
            ~Join() {
                stop = true;
                thread.join();
            }
        } const join{line, stop};
        run_vcpu(result);
    } else {
        run_vcpu(result);
    }
    result.ticks = __rdtsc() - start;
    result.interrupts = interrupt_count();
    return result;
}

} // namespace shadowtune::workload
