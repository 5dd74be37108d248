// Carries the link's bytes between the machine's COM2 and the tool that is connected at the moment.
#pragma once

#include "lab/fault_injector.hpp"
#include "lab/file_descriptor.hpp"

#include <cstdint>
#include <filesystem>
#include <poll.h>
#include <string>
#include <vector>

namespace shadowtune::lab {

// Serves a Unix stream socket. Tools come and go; a newer one replaces the older. While none is connected the
// VMM's bytes are dropped: its counters are cumulative, so that costs freshness only. A tool that stops
// reading is treated the same way once `client_backlog` bytes wait for it: it must not stop the machine.
class LinkRelay {
public:
    LinkRelay(const std::filesystem::path& socket, LinkFaults faults);

    // Gives the relay the connection to COM2, non-blocking.
    void connect_machine(FileDescriptor com2) { machine_ = std::move(com2); }

    // Adds what to wait for; `handle` then takes the same entries back after poll.
    void add_to(std::vector<pollfd>& polled) const;
    void handle(const std::vector<pollfd>& polled);

    // One line: faults injected and bytes dropped; empty where there was neither.
    [[nodiscard]] std::string summary() const;

private:
    static constexpr std::size_t client_backlog = 4U << 20U;
    static constexpr std::size_t machine_backlog = 4096;

    void accept_client();
    void drop_client();
    void read_machine();
    void read_client();
    void write_machine();
    void write_client();

    UnixListener listener_;
    FileDescriptor machine_;
    FileDescriptor client_;
    FaultInjector from_vmm_;
    FaultInjector to_vmm_;
    std::vector<std::uint8_t> for_client_;
    std::vector<std::uint8_t> for_machine_;
    bool between_frames_ = true;      // whether the last byte towards the VMM ended a frame
    std::uint64_t dropped_bytes_ = 0; // only those that a slow tool missed
};

} // namespace shadowtune::lab
