// What a lab run is asked to do, and the text forms of it that the command line uses.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shadowtune::lab {

enum class L1Kind { linux_bzimage, multiboot, bios_disk };

// A boot module of a multiboot L1: the file, and the string that L1 sees with it.
struct Module {
    std::filesystem::path file;
    std::string arguments;
};

// Faults on the link, for tests: about one frame in `one_in` is corrupted, dropped or doubled.
struct LinkFaults {
    std::uint64_t seed = 0;
    std::uint32_t one_in = 0; // 0: no faults
};

struct RunOptions {
    L1Kind l1_kind = L1Kind::linux_bzimage;
    bool multiboot1 = false; // multiboot only: by version 1, also where the image has both headers
    std::filesystem::path l1;
    std::filesystem::path initrd; // empty: none; Linux only
    std::string cmdline;          // L1's command line
    std::vector<Module> modules;  // multiboot only
    // Image of the machine's first hard disk (BIOS drive 80H), which L1 gets as a copy; empty: no disk. Of
    // L1Kind::bios_disk, l1 is this disk.
    std::filesystem::path disk;

    std::uint32_t memory_mib = 512; // of the whole machine; 32 to 4000
    std::uint32_t cpus = 1;         // 1 to 8
    std::string cpu_model = "corei7_haswell_4770";
    // Emulated instructions per emulated second. High: timers disturb less. Low: waiting and serial lines are
    // cheaper.
    std::uint64_t ips = 500'000'000; // 1 million to 4 billion

    bool bare = false; // boot L1 without the VMM; everything below about vmm and link is then unused
    std::filesystem::path vmm;
    std::string vmm_arguments;
    std::vector<std::byte> profile; // binary profile image given to the VMM as a boot module; empty: none

    std::filesystem::path link; // Unix socket to serve the VMM's link on; empty: one in the work directory
    LinkFaults faults;
    // Called once, from the thread that runs the lab, when the link's socket can be connected to. It must not
    // block: whoever records starts a thread here. SIGINT and SIGTERM are blocked by then, so that thread
    // never gets them.
    std::function<void(const std::filesystem::path& socket)> on_link_ready;

    std::chrono::seconds timeout{0}; // wall-clock time for the machine to run; 0: no limit
    // Nothing typed reaches L1 before L1 has printed this; empty: at once. A UART that is being probed or a
    // console that is being opened throws its input away, so a script that pipes commands in wants its L1's
    // "ready" line here.
    std::string input_after;
    int input_fd = 0;                // typed to L1's console; -1: nothing. Its end does not end the run.
    std::vector<std::string> type;   // lines that are typed instead of what comes from input_fd
    std::vector<std::string> expect; // texts that L1 has to print before it powers off
    // A line that is typed once all of `expect` has been printed and `may_end`, where there is one, says yes:
    // whoever records takes a last snapshot in between, of all that L1 did. `may_end` is asked once a second
    // and must not block. Empty: none.
    std::string last_line;
    std::function<bool()> may_end;
    // Gets L1's console and the debug port's bytes as they come; none: standard output.
    std::function<void(std::span<const char>)> console;
    bool quiet = false; // no progress lines on standard error
};

// "linux:FILE", "multiboot:FILE", "multiboot1:FILE" or "disk:FILE" into options.l1_kind, multiboot1 and l1.
// Throws Failure (usage).
void parse_l1(std::string_view text, RunOptions& options);

// "FILE" or "FILE,ARGUMENTS". Throws Failure (usage) where FILE is empty.
[[nodiscard]] Module parse_module(std::string_view text);

// "SEED,1/N" with N >= 1. Throws Failure (usage).
[[nodiscard]] LinkFaults parse_link_faults(std::string_view text);

// The image of the first hard disk; empty: there is none.
[[nodiscard]] const std::filesystem::path& disk_of(const RunOptions& options);

// Ranges and combinations that need no look at any file. Throws Failure (usage).
void check_options(const RunOptions& options);

} // namespace shadowtune::lab
