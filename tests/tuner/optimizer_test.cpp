// The optimiser against brute force over every valid choice, and its rules one by one.

#include "tuner/optimizer.hpp"

#include <gtest/gtest.h>
#include <optional>
#include <random>
#include <vector>

namespace shadowtune {
namespace {

using tuner::CostTable;
using tuner::Workload;
using vmcs::Field;
using vmcs::FieldIndex;
using vmcs::ProfileTarget;
using vmcs::ShadowSets;

[[nodiscard]] ProfileTarget target_of(const std::vector<FieldIndex>& fields, bool vmwrite_any_field) {
    ProfileTarget target{};
    for (const FieldIndex field : fields)
        target.offered.set(field);
    target.vmwrite_any_field = vmwrite_any_field;
    return target;
}

// The least cost of all sets over these fields that L0 would accept, by trying every one of the 4^n.
[[nodiscard]] double brute_force(const std::vector<FieldIndex>& fields, const Workload& workload,
                                 const CostTable& costs, const ProfileTarget& target, std::size_t budget) {
    std::optional<double> best{};
    const std::size_t combinations{std::size_t{1} << (2 * fields.size())};
    for (std::size_t combination{0}; combination < combinations; ++combination) {
        ShadowSets sets{};
        for (std::size_t i{0}; i < fields.size(); ++i) {
            if (((combination >> (2 * i)) & 1U) != 0) sets.read.set(fields[i]);
            if (((combination >> (2 * i)) & 2U) != 0) sets.write.set(fields[i]);
        }
        if (sets.hot_set().count() > budget || !vmcs::validate(sets, target)) continue;
        const double price{tuner::cost(sets, workload, costs)};
        if (!best || price < *best) best = price;
    }
    return best.value();
}

// Whole numbers, so that sums are exact in a double and "equal" means equal.
TEST(Optimizer, EqualsBruteForce) {
    std::mt19937_64 random{20261120};
    const auto below{[&](std::uint64_t limit) { return random() % limit; }};
    int empty{0};
    int cut_by_budget{0};
    for (int instance{0}; instance < 400; ++instance) {
        std::vector<FieldIndex> fields{};
        vmcs::FieldSet chosen{};
        // Rules bite: read-only data, access rights, L0's own fields and the forbidden one are among the
        // fields.
        const FieldIndex special[]{
            vmcs::index_of(Field::exit_reason), vmcs::index_of(Field::guest_cs_access_rights),
            vmcs::index_of(Field::ept_pointer), vmcs::index_of(Field::vm_instruction_error)};
        while (chosen.count() < 5) {
            const bool pick{below(2) == 0};
            chosen.set(pick ? special[below(4)] : static_cast<FieldIndex>(below(vmcs::field_count)));
        }
        chosen.for_each([&](FieldIndex field) { fields.push_back(field); });

        Workload workload{};
        workload.round_trips = below(100) + 1;
        for (const FieldIndex field : fields) {
            workload.fields[field].reads = below(3) == 0 ? 0 : below(workload.round_trips * 2);
            workload.fields[field].writes = below(3) == 0 ? 0 : below(workload.round_trips);
        }
        const CostTable costs{"test",
                              "",
                              "",
                              static_cast<double>(below(50)),
                              static_cast<double>(below(80)),
                              static_cast<double>(below(25)),
                              static_cast<double>(below(25)),
                              static_cast<double>(below(100))};
        // One field in eight is not offered.
        ProfileTarget target{target_of(fields, below(2) == 0)};
        for (const FieldIndex field : fields) {
            if (below(8) == 0) target.offered.clear(field);
        }
        const std::size_t budget{below(2) == 0 ? tuner::no_budget : below(5)};

        const ShadowSets sets{tuner::optimize(workload, costs, target, budget)};
        ASSERT_TRUE(vmcs::validate(sets, target).ok());
        ASSERT_LE(sets.hot_set().count(), budget);
        ASSERT_EQ(tuner::cost(sets, workload, costs), brute_force(fields, workload, costs, target, budget))
            << "instance " << instance;
        empty += sets.hot_set().empty() ? 1 : 0;
        const ShadowSets free{tuner::optimize(workload, costs, target)};
        cut_by_budget += free.hot_set().count() > budget ? 1 : 0;
    }
    // The instances are worth something only where all outcomes occur.
    EXPECT_GT(empty, 20);
    EXPECT_LT(empty, 250);
    EXPECT_GT(cut_by_budget, 20);
}

class Rules : public ::testing::Test {
protected:
    void SetUp() override {
        for (FieldIndex i{0}; i < vmcs::field_count; ++i)
            m_target.offered.set(i);
        m_workload.round_trips = 1000;
    }
    void access(Field field, std::uint64_t reads, std::uint64_t writes) {
        m_workload.fields[vmcs::index_of(field)].reads = reads;
        m_workload.fields[vmcs::index_of(field)].writes = writes;
    }
    [[nodiscard]] ShadowSets optimum(std::size_t budget = tuner::no_budget) const {
        return tuner::optimize(m_workload, tuner::published_costs, m_target, budget);
    }

    ProfileTarget m_target{};
    Workload m_workload{};
};

TEST_F(Rules, HotFieldsAreShadowedAndRareOnesAreNot) {
    access(Field::guest_rip, 1000, 700);
    access(Field::guest_cr3, 5, 3); // only while the guest booted
    access(Field::guest_rflags, 900, 2);
    const ShadowSets sets{optimum()};
    EXPECT_TRUE(sets.read.test(Field::guest_rip));
    EXPECT_TRUE(sets.write.test(Field::guest_rip));
    EXPECT_TRUE(sets.read.test(Field::guest_rflags));
    EXPECT_FALSE(sets.write.test(Field::guest_rflags));
    EXPECT_FALSE(sets.hot_set().test(Field::guest_cr3));
    EXPECT_EQ(sets.hot_set().count(), 2U);
}

TEST_F(Rules, FieldThatIsOnlyWrittenPaysForItsReadCopyToo) {
    access(Field::host_rsp, 0, 400);
    const ShadowSets sets{optimum()};
    EXPECT_TRUE(sets.read.test(Field::host_rsp));
    EXPECT_TRUE(sets.write.test(Field::host_rsp));
    // 0.0154 writes per round trip: pays for the copy back (17), not for both (27).
    access(Field::guest_rip, 1000, 0);
    access(Field::host_rsp, 0, 15);
    EXPECT_FALSE(optimum().hot_set().test(Field::host_rsp));
    access(Field::host_rsp, 0, 16);
    EXPECT_TRUE(optimum().write.test(Field::host_rsp));
}

TEST_F(Rules, ForbiddenFieldsStayOut) {
    access(Field::guest_rip, 1000, 1000);
    access(Field::vm_instruction_error, 5000, 0);
    access(Field::ept_pointer, 3000, 3000);
    access(Field::guest_cs_access_rights, 2000, 2000);
    access(Field::exit_reason, 1000, 1000);
    const ShadowSets sets{optimum()};
    EXPECT_FALSE(sets.hot_set().test(Field::vm_instruction_error));
    EXPECT_TRUE(sets.read.test(Field::ept_pointer));
    EXPECT_FALSE(sets.write.test(Field::ept_pointer));
    EXPECT_FALSE(sets.write.test(Field::guest_cs_access_rights));
    EXPECT_FALSE(sets.write.test(Field::exit_reason)); // without IA32_VMX_MISC[29]
    m_target.vmwrite_any_field = true;
    EXPECT_TRUE(optimum().write.test(Field::exit_reason));
    m_target.offered.clear(vmcs::index_of(Field::guest_rip));
    EXPECT_FALSE(optimum().hot_set().test(Field::guest_rip));
}

TEST_F(Rules, BudgetKeepsTheLargestGains) {
    access(Field::guest_rip, 1000, 1000);
    access(Field::guest_rsp, 0, 500);
    access(Field::guest_rflags, 800, 0);
    access(Field::exit_reason, 1000, 0);
    // Gains: RIP 2,721,000, exit reason 990,000, RSP 847,000, RFLAGS 790,000.
    const ShadowSets two{optimum(2)};
    EXPECT_EQ(two.hot_set().count(), 2U);
    EXPECT_TRUE(two.write.test(Field::guest_rip));
    EXPECT_TRUE(two.read.test(Field::exit_reason));
    const ShadowSets three{optimum(3)};
    EXPECT_TRUE(three.write.test(Field::guest_rsp));
    EXPECT_FALSE(three.hot_set().test(Field::guest_rflags));
    EXPECT_TRUE(optimum(0).hot_set().empty());
    EXPECT_EQ(optimum(4), optimum());
}

TEST_F(Rules, ShadowThatDoesNotPayItsFixedCostIsNotUsed) {
    access(Field::guest_rip, 310, 0); // gains 300,000: just what the shadow costs
    EXPECT_TRUE(optimum().hot_set().empty());
    access(Field::guest_rip, 311, 0);
    EXPECT_FALSE(optimum().hot_set().empty());
}

TEST_F(Rules, NoRoundTripsNoProfile) {
    m_workload.round_trips = 0;
    access(Field::guest_rip, 1000, 1000);
    EXPECT_TRUE(optimum().hot_set().empty());
}

} // namespace
} // namespace shadowtune
