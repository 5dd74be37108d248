#pragma once

// Which known L1 a fingerprint is of. Whole numbers only: the VMM has no floating point. Similarities are
// parts per thousand.

#include "vmcs/fingerprint.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace shadowtune::vmcs {

// At least as similar as that, or the L1 is unknown; and so much more than any other type.
inline constexpr unsigned least_similarity{700};
inline constexpr unsigned least_margin{100};

namespace detail {

[[nodiscard]] constexpr unsigned per_mille(std::size_t part, std::size_t whole) {
    return whole == 0 ? 0 : static_cast<unsigned>((part * 1000 + whole / 2) / whole);
}

// Of the accesses of one kind that both make, the pairs that come in the same order, less those that come in
// the other; 0 where these are as many, as by chance, or more.
[[nodiscard]] constexpr unsigned concordance(const Fingerprint& a, const Fingerprint& b, bool write) {
    std::uint16_t place_in_b[field_count]{}; // from 1; 0: not there
    for (std::size_t i{0}; i < b.size(); ++i) {
        if (b[i].write == write) place_in_b[b[i].field] = static_cast<std::uint16_t>(i + 1);
    }
    std::uint16_t places[field_count]{};
    std::size_t count{0}, ascending{0};
    for (std::size_t i{0}; i < a.size(); ++i) {
        if (a[i].write != write || place_in_b[a[i].field] == 0) continue;
        const std::uint16_t place{place_in_b[a[i].field]};
        for (std::size_t k{0}; k < count; ++k)
            ascending += places[k] < place ? 1U : 0U;
        places[count++] = place;
    }
    const std::size_t pairs{count * (count - (count == 0 ? 0 : 1)) / 2};
    return 2 * ascending <= pairs ? 0 : per_mille(2 * ascending - pairs, pairs);
}

[[nodiscard]] constexpr unsigned overlap(const FieldSet& a, const FieldSet& b) {
    return per_mille((a & b).count(), (a | b).count());
}

} // namespace detail

struct Similarity {
    unsigned written{0}; // fields that both write, of those that one of them writes
    unsigned read{0};
    unsigned order{0}; // of the first writes of fields that both write: 0 by chance, 1000 the same
    unsigned overall{0};
};

// Fields that only one of the two L1s could access, on another processor, say nothing and are left out. The
// controls are: mode is not type.
[[nodiscard]] constexpr Similarity compare(const Fingerprint& a, const Fingerprint& b) {
    const FieldSet common{a.offered & b.offered};
    Similarity similarity{};
    similarity.written = detail::overlap(a.written() & common, b.written() & common);
    similarity.read = detail::overlap(a.read() & common, b.read() & common);
    similarity.order = detail::concordance(a, b, true);
    similarity.overall = (2 * similarity.written + 5 * similarity.order + 3 * similarity.read) / 10;
    return similarity;
}

// A fingerprint of the library and the type that it is of.
struct Known {
    const Fingerprint* fingerprint{nullptr};
    std::string_view type{};
};

struct Recognised {
    static constexpr std::size_t none{~std::size_t{0}};

    std::size_t nearest{none};   // place in the library; none where that is empty
    unsigned similarity{0};      // to it
    std::size_t runner_up{none}; // the nearest of another type
    unsigned runner_up_similarity{0};
    std::size_t pick{none}; // of the nearest one's type and, as far as there is one, of the observed mode;
                            // none where the L1 is unknown

    [[nodiscard]] constexpr bool is_known() const { return pick != none; }
};

namespace detail {

// EPT or not makes the largest difference.
[[nodiscard]] constexpr unsigned distance(const LaunchMode& a, const LaunchMode& b) {
    return (a.ept != b.ept ? 4U : 0U) + (a.apic_v != b.apic_v ? 2U : 0U) +
           (a.unrestricted_guest != b.unrestricted_guest ? 1U : 0U);
}

} // namespace detail

// compare() gives the similarities.
[[nodiscard]] constexpr Recognised recognise(const Fingerprint& observed, std::span<const Known> library) {
    Recognised found{};
    for (std::size_t i{0}; i < library.size(); ++i) {
        const unsigned similarity{compare(observed, *library[i].fingerprint).overall};
        if (found.nearest != Recognised::none && similarity <= found.similarity) continue;
        found.nearest = i;
        found.similarity = similarity;
    }
    if (found.nearest == Recognised::none) return found;
    const std::string_view type{library[found.nearest].type};
    const LaunchMode mode{mode_of(observed.controls)};
    unsigned best_distance{~0U}, best_similarity{0};
    std::size_t pick{Recognised::none};
    for (std::size_t i{0}; i < library.size(); ++i) {
        const unsigned similarity{compare(observed, *library[i].fingerprint).overall};
        if (library[i].type != type) {
            if (found.runner_up != Recognised::none && similarity <= found.runner_up_similarity) continue;
            found.runner_up = i;
            found.runner_up_similarity = similarity;
            continue;
        }
        const unsigned distance{detail::distance(mode, mode_of(library[i].fingerprint->controls))};
        if (distance > best_distance || (distance == best_distance && similarity <= best_similarity))
            continue;
        pick = i;
        best_distance = distance;
        best_similarity = similarity;
    }
    const bool known{found.similarity >= least_similarity &&
                     found.similarity >= found.runner_up_similarity + least_margin};
    if (known) found.pick = pick;
    return found;
}

} // namespace shadowtune::vmcs
