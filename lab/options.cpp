#include "lab/options.hpp"

#include "lab/failure.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <sys/un.h>

namespace shadowtune::lab {
namespace {

[[nodiscard]] Failure usage(const std::string& message) {
    return Failure{ExitCode::usage, message};
}

// The whole of `text` as a decimal number, or nothing.
template <typename Number>
[[nodiscard]] std::optional<Number> whole_number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

void check_range(std::string_view option, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
    if (value < low || value > high) {
        throw usage(fmt::format("{} {} is out of range: give {} to {}", option, value, low, high));
    }
}

// What goes with one kind of L1 only.
void check_companions(const RunOptions& options) {
    if (options.l1_kind == L1Kind::linux_bzimage && !options.modules.empty()) {
        throw usage("--module goes with --l1 multiboot:ELF only: give Linux its files with --initrd");
    }
    if (options.l1_kind == L1Kind::multiboot && !options.initrd.empty()) {
        throw usage(
            "--initrd goes with --l1 linux:BZIMAGE only: give a multiboot L1 its files with --module");
    }
    if (options.l1_kind != L1Kind::bios_disk) return;
    if (!options.initrd.empty() || !options.modules.empty() || !options.cmdline.empty() ||
        !options.disk.empty()) {
        throw usage("--l1 disk:IMAGE boots what is on the disk: leave out --initrd, --module, --cmdline and "
                    "--disk");
    }
}

} // namespace

Failure system_failure(const std::string& what) {
    return Failure{ExitCode::internal, fmt::format("{}: {}", what, std::strerror(errno))};
}

void parse_l1(std::string_view text, RunOptions& options) {
    const auto colon = text.find(':');
    const auto kind = text.substr(0, colon);
    const auto file = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (kind == "linux") {
        options.l1_kind = L1Kind::linux_bzimage;
    } else if (kind == "multiboot" || kind == "multiboot1") {
        options.l1_kind = L1Kind::multiboot;
        options.multiboot1 = kind == "multiboot1";
    } else if (kind == "disk") {
        options.l1_kind = L1Kind::bios_disk;
    } else {
        throw usage(
            fmt::format("--l1 '{}' has no kind: give linux:BZIMAGE, multiboot:ELF or disk:IMAGE", text));
    }
    if (file.empty()) throw usage(fmt::format("--l1 '{}' names no file: give {}:FILE", text, kind));
    options.l1 = file;
}

Module parse_module(std::string_view text) {
    const auto comma = text.find(',');
    Module module{std::filesystem::path{text.substr(0, comma)}, {}};
    if (comma != std::string_view::npos) module.arguments = text.substr(comma + 1);
    if (module.file.empty())
        throw usage(fmt::format("--module '{}' names no file: give FILE[,ARGUMENTS]", text));
    return module;
}

LinkFaults parse_link_faults(std::string_view text) {
    const auto separator = text.find(",1/");
    if (separator != std::string_view::npos) {
        const auto seed = whole_number<std::uint64_t>(text.substr(0, separator));
        const auto one_in = whole_number<std::uint32_t>(text.substr(separator + 3));
        if (seed && one_in && *one_in > 0) return LinkFaults{*seed, *one_in};
    }
    throw usage(fmt::format("--link-faults '{}' is malformed: give SEED,1/N, such as 7,1/100", text));
}

const std::filesystem::path& disk_of(const RunOptions& options) {
    return options.l1_kind == L1Kind::bios_disk ? options.l1 : options.disk;
}

void check_options(const RunOptions& options) {
    if (options.l1.empty()) throw usage("no L1: give --l1 linux:BZIMAGE, multiboot:ELF or disk:IMAGE");
    check_range("--memory", options.memory_mib, 32, 4000);
    check_range("--cpus", options.cpus, 1, 8);
    check_range("--ips", options.ips, 1'000'000, 4'000'000'000);
    check_range("--timeout", static_cast<std::uint64_t>(options.timeout.count()), 0, 7 * 24 * 3600);
    // The model's name goes into a configuration file: nothing but a plain word may.
    const bool plain = std::all_of(options.cpu_model.begin(), options.cpu_model.end(),
                                   [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
    if (options.cpu_model.empty() || !plain) {
        throw usage(fmt::format("--cpu-model '{}' is no model: see 'bochs --help cpu'", options.cpu_model));
    }
    check_companions(options);
    if (options.bare && (!options.link.empty() || options.faults.one_in != 0 || !options.profile.empty() ||
                         !options.vmm_arguments.empty())) {
        throw usage("--bare boots L1 without the VMM: leave out --link, --link-faults, --profile, --record "
                    "and --vmm-args");
    }
    if (!options.bare && options.vmm.empty()) throw usage("no VMM: give --vmm ELF, or --bare");
    if (options.link.native().size() >= sizeof(sockaddr_un::sun_path)) {
        throw usage(
            fmt::format("--link path is longer than a socket's name may be ({} bytes): choose a shorter one",
                        sizeof(sockaddr_un::sun_path) - 1));
    }
}

} // namespace shadowtune::lab
