// Fingerprints out of arbitrary bytes: they come over the line, out of saved states and with the boot
// modules.

#include "link/fingerprint.hpp"
#include "vmcs/recognition.hpp"

#include <cstdlib>
#include <cstring>

namespace {

using namespace shadowtune;

void require(bool holds) {
    if (!holds) std::abort();
}

[[nodiscard]] unsigned parts_of(const vmcs::Similarity& alike) {
    require(alike.written <= 1000 && alike.order <= 1000 && alike.read <= 1000 && alike.overall <= 1000);
    return alike.overall;
}

void check_comparison(const vmcs::Fingerprint& a, const vmcs::Fingerprint& b) {
    const unsigned alike{parts_of(vmcs::compare(a, b))};
    require(parts_of(vmcs::compare(b, a)) == alike);
    const vmcs::Known library[]{{&b, "b"}, {&a, "a"}};
    const vmcs::Recognised found{vmcs::recognise(a, library)};
    require(found.nearest < 2 && found.runner_up < 2 && found.similarity >= found.runner_up_similarity);
    require(found.similarity >= alike && (!found.is_known() || found.pick == found.nearest));
}

} // namespace

// What is accepted says the same when it is written again, byte by byte.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    vmcs::Fingerprint print{};
    const std::size_t taken{link::unpack({data, size}, print)};
    if (taken == 0) return 0;
    require(taken <= size && (print.read() - print.offered).empty() &&
            (print.written() - print.offered).empty());
    std::uint8_t packed[link::max_fingerprint];
    require(link::pack(print, packed) == taken && std::memcmp(packed, data, taken) == 0);
    vmcs::Fingerprint other{};
    if (link::unpack({data + taken, size - taken}, other) != 0) check_comparison(print, other);
    return 0;
}
