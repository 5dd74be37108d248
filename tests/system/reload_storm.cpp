// reload-storm LINK RELOADS SEED: reloads random valid profiles into a running VMM, one after the other, each
// in force on every vCPU before the next is sent. Prints the reload times in ticks (in the lab:
// instructions). For tests.

#include "link/host/session.hpp"
#include "vmcs/profile.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>

namespace {

namespace link = shadowtune::link;
namespace vmcs = shadowtune::vmcs;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds reload_limit{30}; // L1 makes a round trip every few hundred microseconds

[[nodiscard]] int fail(const std::string& message) {
    std::fprintf(stderr, "reload-storm: %s\n", message.c_str());
    return 1;
}

[[nodiscard]] std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value{0};
    const auto [end, error]{std::from_chars(text.data(), text.data() + text.size(), value)};
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// Each field none, R, or R and W, as the rules allow; how many is drawn first, from nothing to everything.
[[nodiscard]] vmcs::ShadowSets random_sets(const vmcs::ShadowSets& allowed, std::mt19937_64& random) {
    vmcs::ShadowSets sets{};
    const std::uint64_t density{random() % 101};
    allowed.read.for_each([&](vmcs::FieldIndex field) {
        if (random() % 100 >= density) return;
        sets.read.set(field);
        if (allowed.write.test(field) && random() % 2 == 0) sets.write.set(field);
    });
    return sets;
}

[[nodiscard]] link::ProfileImage image_of(const vmcs::ShadowSets& sets, std::uint64_t n) {
    link::ProfileImage image{};
    image.magic = link::profile_magic;
    image.catalogue_version = vmcs::catalogue_version;
    sets.read.store(image.read);
    sets.write.store(image.write);
    const std::string name{"storm " + std::to_string(n)};
    std::copy_n(name.begin(), std::min(name.size(), sizeof(image.name) - 1), image.name);
    return image;
}

struct Figures {
    std::uint64_t smallest{~std::uint64_t{0}};
    std::uint64_t largest{0};
    std::uint64_t sum{0};
    std::uint64_t count{0};

    void add(std::uint64_t ticks) {
        smallest = std::min(smallest, ticks);
        largest = std::max(largest, ticks);
        sum += ticks;
        ++count;
    }
};

// Until every vCPU runs the generation; adds what the reload cost. Error: text.
[[nodiscard]] std::optional<std::string> wait_in_force(link::Session& session, std::uint32_t generation,
                                                       Figures& figures) {
    const auto deadline{Clock::now() + reload_limit};
    for (;;) {
        const auto status{session.status()};
        if (!status) return status.error().message;
        const bool everywhere{std::all_of(status.value().begin(), status.value().end(),
                                          [&](const auto& vcpu) { return vcpu.generation == generation; })};
        if (everywhere) {
            for (const auto& vcpu : status.value())
                figures.add(vcpu.last_reload_ticks);
            return std::nullopt;
        }
        if (Clock::now() > deadline)
            return "generation " + std::to_string(generation) + " never came into force";
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) return fail("usage: reload-storm LINK RELOADS SEED");
    const auto reloads{number(argv[2])};
    const auto seed{number(argv[3])};
    if (!reloads || !seed || *reloads == 0)
        return fail("RELOADS and SEED are decimal numbers, RELOADS at least 1");
    auto opened{link::Session::open(argv[1])};
    if (!opened) return fail(opened.error().message);
    link::Session& session{*opened.value()};
    const auto hello{session.hello()};
    if (!hello) return fail(hello.error().message);
    const vmcs::ProfileTarget target{hello.value().profile_target()};
    const vmcs::ShadowSets allowed{vmcs::everything_allowed(target)};

    std::mt19937_64 random{*seed};
    Figures figures{};
    std::uint32_t last_generation{0};
    for (std::uint64_t n{0}; n < *reloads; ++n) {
        const vmcs::ShadowSets sets{random_sets(allowed, random)};
        if (!vmcs::validate(sets, target)) return fail("a random profile breaks the rules");
        const auto generation{session.load_profile(image_of(sets, n))};
        if (!generation) return fail(generation.error().message);
        if (n == 0) {
            // A loaded profile is in force in mode tuned only.
            const auto tuned{session.set_mode(link::Mode::tuned)};
            if (!tuned) return fail(tuned.error().message);
            last_generation = tuned.value();
        } else {
            if (generation.value() <= last_generation) return fail("a reload did not make a new generation");
            last_generation = generation.value();
        }
        if (const auto error{wait_in_force(session, last_generation, figures)}) return fail(*error);
    }
    std::printf("RESULT name=reload-storm reloads=%llu vcpus=%u generation=%u ticks_min=%llu ticks_mean=%llu "
                "ticks_max=%llu\n",
                static_cast<unsigned long long>(*reloads), hello.value().vcpus, last_generation,
                static_cast<unsigned long long>(figures.smallest),
                static_cast<unsigned long long>(figures.sum / figures.count),
                static_cast<unsigned long long>(figures.largest));
    return 0;
}
