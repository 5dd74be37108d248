#include "profiler/kvm_guest.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

namespace shadowtune::profiler {

namespace {

constexpr std::size_t page{4096};
constexpr std::size_t rounds_at{2}; // of the loop's count in the code

// Real mode, at address 0. CPUID leaves ESI alone.
constexpr std::uint8_t with_cpuid_code[]{
    0x66, 0xBE, 0,    0, 0, 0, // mov $rounds, %esi
    0x66, 0x31, 0xC0,          // 1: xor %eax, %eax
    0x0F, 0xA2,                // cpuid
    0x66, 0x4E,                // dec %esi
    0x75, 0xF7,                // jnz 1b
    0xE6, 0x80,                // out %al, $0x80
};
constexpr std::uint8_t plain_code[]{
    0x66, 0xBE, 0,    0, 0, 0, // mov $rounds, %esi
    0x66, 0x31, 0xC0,          // 1: xor %eax, %eax
    0x66, 0x4E,                // dec %esi
    0x75, 0xF9,                // jnz 1b
    0xE6, 0x80,                // out %al, $0x80
};

[[nodiscard]] Failure<std::string> failed(const std::string& what, const std::string& mend) {
    return Failure{what + ": " + std::strerror(errno) + mend};
}

} // namespace

void Unmap::operator()(void* memory) const {
    ::munmap(memory, bytes);
}

Result<KvmGuest, std::string> KvmGuest::create(const std::string& device) {
    KvmGuest guest{};
    guest.m_kvm = link::UniqueFd{::open(device.c_str(), O_RDWR | O_CLOEXEC)};
    if (!guest.m_kvm) {
        return failed(device, "; a host's costs are measured on its own KVM: load kvm_intel or kvm_amd on a "
                              "processor that has virtualization, and be in the group kvm or root");
    }
    guest.m_machine = link::UniqueFd{::ioctl(guest.m_kvm.get(), KVM_CREATE_VM, 0)};
    if (!guest.m_machine) return failed("KVM_CREATE_VM", "");
    void* const memory{::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
    if (memory == MAP_FAILED) return failed("mmap", "");
    guest.m_memory = Mapped<std::uint8_t>{static_cast<std::uint8_t*>(memory), Unmap{page}};
    const kvm_userspace_memory_region region{0, 0, 0, page, reinterpret_cast<std::uint64_t>(memory)};
    if (::ioctl(guest.m_machine.get(), KVM_SET_USER_MEMORY_REGION, &region) < 0)
        return failed("KVM_SET_USER_MEMORY_REGION", "");
    guest.m_vcpu = link::UniqueFd{::ioctl(guest.m_machine.get(), KVM_CREATE_VCPU, 0)};
    if (!guest.m_vcpu) return failed("KVM_CREATE_VCPU", "");
    const int run_bytes{::ioctl(guest.m_kvm.get(), KVM_GET_VCPU_MMAP_SIZE, 0)};
    if (run_bytes < static_cast<int>(sizeof(kvm_run))) return failed("KVM_GET_VCPU_MMAP_SIZE", "");
    const auto run_size{static_cast<std::size_t>(run_bytes)};
    void* const run{::mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, guest.m_vcpu.get(), 0)};
    if (run == MAP_FAILED) return failed("mmap of the vCPU", "");
    guest.m_run = Mapped<kvm_run>{static_cast<kvm_run*>(run), Unmap{run_size}};
    return guest;
}

Result<void, std::string> KvmGuest::run_loop(std::uint32_t rounds, bool with_cpuid) {
    std::uint8_t* const code{m_memory.get()};
    if (with_cpuid) {
        std::memcpy(code, with_cpuid_code, sizeof(with_cpuid_code));
    } else {
        std::memcpy(code, plain_code, sizeof(plain_code));
    }
    std::memcpy(code + rounds_at, &rounds, sizeof(rounds));
    kvm_sregs system{};
    if (::ioctl(m_vcpu.get(), KVM_GET_SREGS, &system) < 0) return failed("KVM_GET_SREGS", "");
    system.cs.base = 0;
    system.cs.selector = 0;
    if (::ioctl(m_vcpu.get(), KVM_SET_SREGS, &system) < 0) return failed("KVM_SET_SREGS", "");
    kvm_regs registers{};
    registers.rflags = 2;
    if (::ioctl(m_vcpu.get(), KVM_SET_REGS, &registers) < 0) return failed("KVM_SET_REGS", "");
    while (::ioctl(m_vcpu.get(), KVM_RUN, 0) < 0) {
        if (errno != EINTR) return failed("KVM_RUN", "");
    }
    if (m_run->exit_reason == KVM_EXIT_IO) return {};
    return Failure{"KVM_RUN: the guest ended with exit reason " + std::to_string(m_run->exit_reason) +
                   " instead of its OUT; this KVM cannot run a guest in real mode"};
}

} // namespace shadowtune::profiler
