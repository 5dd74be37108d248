#include "profiler/host_counter.hpp"

#include <cerrno>
#include <cstring>
#include <linux/perf_event.h>
#include <perfmon/pfmlib_perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shadowtune::profiler {

namespace {

[[nodiscard]] Result<perf_event_attr, std::string> attributes_of(const std::string& name) {
    static const int started{pfm_initialize()};
    if (started != PFM_SUCCESS) return Failure{std::string{"libpfm4: "} + pfm_strerror(started)};
    perf_event_attr attributes{};
    attributes.size = sizeof(attributes);
    pfm_perf_encode_arg_t argument{};
    argument.attr = &attributes;
    argument.size = sizeof(argument);
    const int done{
        pfm_get_os_event_encoding(name.c_str(), PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &argument)};
    if (done != PFM_SUCCESS)
        return Failure{"libpfm4 knows no event '" + name + "' here: " + pfm_strerror(done)};
    return attributes;
}

[[nodiscard]] std::string mend(int error) {
    if (error == EACCES || error == EPERM) return "; run as root, or 'sysctl kernel.perf_event_paranoid=1'";
    if (error == ENOSYS) return "; the kernel has no perf events";
    return "; the processor has no such counter, or its hypervisor hides it";
}

} // namespace

Result<EncodedEvent, std::string> encode_event(const std::string& name) {
    const auto attributes{attributes_of(name)};
    if (!attributes) return Failure{attributes.error()};
    return EncodedEvent{attributes.value().type, attributes.value().config};
}

Result<HostCounter, std::string> HostCounter::open(const std::string& event, std::string unit) {
    auto attributes{attributes_of(event)};
    if (!attributes) return Failure{attributes.error()};
    attributes.value().disabled = 0;
    const long fd{::syscall(SYS_perf_event_open, &attributes.value(), 0, -1, -1, PERF_FLAG_FD_CLOEXEC)};
    if (fd < 0) {
        const int error{errno};
        return Failure{"perf_event_open of " + event + ": " + std::strerror(error) + mend(error)};
    }
    HostCounter counter{};
    counter.m_fd = link::UniqueFd{static_cast<int>(fd)};
    counter.m_unit = std::move(unit);
    return counter;
}

std::uint64_t HostCounter::read() const {
    std::uint64_t value{0};
    return ::read(m_fd.get(), &value, sizeof(value)) == sizeof(value) ? value : 0;
}

Result<HostCounters, std::string> open_host_counters() {
    HostCounters opened{};
    for (const char* const event : {"cycles", "instructions"}) {
        auto counter{HostCounter::open(event, event)};
        if (!counter) {
            opened.trouble = counter.error();
            continue;
        }
        opened.counters.push_back(std::move(counter).value());
    }
    if (!opened.counters.empty()) return opened;
    auto clock{HostCounter::open("perf::TASK-CLOCK", "nanoseconds")};
    if (!clock) return Failure{clock.error()};
    opened.counters.push_back(std::move(clock).value());
    return opened;
}

} // namespace shadowtune::profiler
