#include "db/unseen.hpp"

#include <algorithm>

namespace shadowtune::db {

namespace {

[[nodiscard]] vmcs::ShadowSets everything() {
    vmcs::ShadowSets all{};
    for (vmcs::FieldIndex field{0}; field < vmcs::field_count; ++field) {
        all.read.set(field);
        all.write.set(field);
    }
    return all;
}

// Nothing else was in force between the two. The way from mode trap to a sample of a new profile has a step
// between, in which the profile is loaded already.
[[nodiscard]] bool follows(const Generation& next, const Generation& before) {
    const bool profile_loaded{before.mode == Mode::trap && next.mode == Mode::sample};
    return next.number - before.number <= (profile_loaded ? 2U : 1U);
}

} // namespace

vmcs::ShadowSets unseen_under(std::span<const Generation> generations, std::uint32_t first,
                              std::uint32_t last) {
    vmcs::ShadowSets unseen{};
    const Generation* before{nullptr};
    for (const Generation& generation : generations) {
        if (generation.number < first || generation.number > last) continue;
        const bool gap{before == nullptr ? generation.number != first : !follows(generation, *before)};
        if (gap || !generation.knows_sets()) return everything();
        unseen.read = unseen.read | generation.sets.read;
        unseen.write = unseen.write | generation.sets.write;
        before = &generation;
    }
    if (before == nullptr || before->number != last) return everything();
    return unseen;
}

vmcs::ShadowSets unseen_in(std::span<const Generation> generations, const Totals& totals) {
    const std::uint32_t first{totals.range.from == 0 ? std::min(totals.first_generation, 1U)
                                                     : totals.first_generation};
    return unseen_under(generations, first, totals.generation);
}

} // namespace shadowtune::db
