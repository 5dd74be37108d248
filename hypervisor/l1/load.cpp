#include "hypervisor/l1/load.hpp"

#include "hypervisor/l1/bios_disk.hpp"
#include "hypervisor/l1/linux.hpp"
#include "hypervisor/l1/multiboot.hpp"

namespace shadowtune::l1 {

Result<L1Entry, boot::BootError> load_l1(const L1Request& request) {
    switch (request.modules.kind) {
    case L1Kind::linux_kernel: return load_linux(request);
    case L1Kind::multiboot1: return load_multiboot1(request);
    case L1Kind::multiboot2: return load_multiboot2(request);
    case L1Kind::bios_disk: return load_bios_disk(request);
    }
    return Failure{boot::BootError::of("L1: no such kind; write linux, multiboot or disk in grub.cfg")};
}

} // namespace shadowtune::l1
