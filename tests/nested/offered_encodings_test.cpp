#include "hypervisor/nested/offered_encodings.hpp"
#include "tests/vmcs/sets.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <random>

namespace shadowtune::nested {
namespace {

TEST(OfferedEncodings, FindWhatTheCatalogueFindsOfTheOfferedFields) {
    std::mt19937_64 random{7};
    const auto encodings{std::make_unique<OfferedEncodings>()};
    for (unsigned round{0}; round < 20; ++round) {
        const vmcs::FieldSet offered{vmcs::testing::random_fields(random, 2)};
        encodings->make(offered);
        for (std::uint64_t operand{0}; operand < 2 * std::uint64_t{vmcs::encodings_in_bitmap}; ++operand) {
            const vmcs::FieldIndex field{vmcs::find(operand)};
            const bool is_offered{field != vmcs::no_field && offered.test(field)};
            ASSERT_EQ(encodings->find(operand), is_offered ? field : vmcs::no_field) << operand;
        }
    }
    EXPECT_EQ(encodings->find(~std::uint64_t{0}), vmcs::no_field);
}

} // namespace
} // namespace shadowtune::nested
