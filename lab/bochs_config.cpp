#include "lab/bochs_config.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace shadowtune::lab {

namespace {

// The disk first, so that its BIOS number is 80H whatever else there is.
[[nodiscard]] std::string drives(const RunOptions& options) {
    const std::string_view cd = "type=cdrom, path=boot.iso, status=inserted";
    if (disk_of(options).empty()) return fmt::format("ata0-master: {}\nboot: cdrom\n", cd);
    const auto disk = fmt::format("ata0-master: type=disk, path={}, mode=flat, cylinders=0\n", disk_name);
    if (boots_from_disk(options)) return disk + "boot: disk\n";
    return disk + fmt::format("ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\nata1-master: {}\n"
                              "boot: cdrom\n",
                              cd);
}

} // namespace

std::string bochs_config(const RunOptions& options, SerialPorts ports) {
    std::string text;
    // Debian's build has no "nogui"; rfb without a viewer is headless, and takes the next free port by
    // itself.
    text += "display_library: rfb, options=\"timeout=0\"\n";
    text += fmt::format("memory: guest={}, host={}\n", options.memory_mib,
                        std::min(options.memory_mib, max_host_memory_mib));
    text += fmt::format("romimage: file={}\nvgaromimage: file={}\n", bios_path, vga_bios_path);
    // A triple fault is a finding: resetting would hide it and boot for ever.
    text += fmt::format("cpu: model={}, count={}, ips={}, reset_on_triple_fault=0\n", options.cpu_model,
                        options.cpus, options.ips);
    // Time follows the instruction count alone, so that every run is the same run.
    text += "clock: sync=none\n";
    text += drives(options);
    // "error" would log some 200,000 lines about unknown registers while Linux boots.
    text += "panic: action=fatal\nerror: action=ignore\ninfo: action=report\ndebug: action=ignore\nlog: "
            "bochs.log\n";
    text += "port_e9_hack: enabled=1\n";
    // Without a sound card on the host the ALSA driver aborts Bochs.
    text += "plugin_ctrl: speaker=false, gameport=false, parallel=false, iodebug=false\n";
    text += "sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n";
    const auto serial = [&](int number, std::uint16_t port) {
        // socket-client loses no byte: it sends blocking, and takes a byte only when the UART can hold it. A
        // pty would be opened non-blocking, and drop what does not fit.
        if (port == 0) return fmt::format("com{}: enabled=1, mode=null\n", number);
        return fmt::format("com{}: enabled=1, mode=socket-client, dev=127.0.0.1:{}\n", number, port);
    };
    text += serial(1, ports.com1) + serial(2, ports.com2);
    return text;
}

} // namespace shadowtune::lab
