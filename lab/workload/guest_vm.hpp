// One small virtual machine on /dev/kvm, as the loops of guest.S need it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>

struct kvm_run;

namespace shadowtune::workload {

// The message names the system call or the exit that was refused.
class KvmError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

enum class Irqchip { none, in_kernel };

// What user space saw while a loop ran.
struct LoopResult {
    std::uint32_t guest_checksum = 0;
    std::uint32_t user_checksum = 0; // over the bytes of OUT and the pages that the guest wrote
    std::uint32_t interrupts = 0;    // counted by the guest's handler
    std::uint64_t ticks = 0;         // RDTSC around the loop
};

// Kept over many loops: creating a guest touches most VMCS fields once, which would blur a recording of a
// short loop.
class GuestVm {
public:
    explicit GuestVm(Irqchip irqchip); // throws KvmError
    ~GuestVm();
    GuestVm(const GuestVm&) = delete;
    GuestVm& operator=(const GuestVm&) = delete;

    // Runs the code at `entry` (a symbol of guest.S) with EBP = `count`, until it writes to PORT_FINISH.
    [[nodiscard]] LoopResult run(const std::byte* entry, std::uint32_t count);

private:
    void create_memory();
    void create_vcpu();
    void load_guest();
    void prepare_pic();
    void reset_registers(const std::byte* entry, std::uint32_t count);
    void recycle_fresh_pages(LoopResult& result);
    void inject_interrupt();
    [[nodiscard]] bool handle_port(LoopResult& result);
    void play_device(LoopResult& result);
    void run_vcpu(LoopResult& result);
    void pulse_irq_line(std::uint32_t count, const std::atomic<bool>& stop);
    [[nodiscard]] std::uint32_t interrupt_count() const;

    Irqchip irqchip_;
    int kvm_ = -1;
    int vm_ = -1;
    int vcpu_ = -1;
    std::byte* low_ = nullptr;   // slot 0
    std::byte* fresh_ = nullptr; // slot 1
    kvm_run* run_ = nullptr;
    std::size_t run_bytes_ = 0;
};

} // namespace shadowtune::workload
