#pragma once

// A KVM guest of one page that makes VM exits of which the host's kernel tells nobody: CPUIDs in a loop.

#include "link/host/unique_fd.hpp"
#include "vmcs/result.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

struct kvm_run;

namespace shadowtune::profiler {

// Of mmap(2).
struct Unmap {
    std::size_t bytes{0};
    void operator()(void* memory) const;
};

class KvmGuest {
public:
    KvmGuest() = default;
    // `device`: /dev/kvm. Error: one line with the mend.
    [[nodiscard]] static Result<KvmGuest, std::string> create(const std::string& device = "/dev/kvm");

    // Goes round the loop so often, with a CPUID in it or without, and comes back to user space once. Error:
    // one line.
    [[nodiscard]] Result<void, std::string> run_loop(std::uint32_t rounds, bool with_cpuid);

private:
    template <typename T>
    using Mapped = std::unique_ptr<T, Unmap>;

    link::UniqueFd m_kvm;
    link::UniqueFd m_machine;
    link::UniqueFd m_vcpu;
    Mapped<std::uint8_t> m_memory;
    Mapped<kvm_run> m_run;
};

} // namespace shadowtune::profiler
