#include "hypervisor/nested/field_classes.hpp"
#include "hypervisor/shadow/delivery.hpp"
#include "tests/vmcs/sets.hpp"
#include "tests/vmm/pages.hpp"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <stdexcept>

namespace shadowtune::shadow {
namespace {

using nested::F;

// VMCSs in a processor that knows which is current.
class ModelProcessor {
public:
    using Values = std::map<vmcs::Encoding, std::uint64_t>;

    void make_current(std::uint64_t region) {
        m_current = region;
        active[region] = true;
    }
    void clear(std::uint64_t region) {
        active[region] = false;
        if (m_current == region) m_current = 0;
    }
    [[nodiscard]] std::uint64_t read(vmcs::Encoding encoding) { return current()[encoding]; }
    void write(vmcs::Encoding encoding, std::uint64_t value) { current()[encoding] = value; }
    template <typename Fields, typename Visit>
    void read_all(const Fields& fields, Visit visit) {
        for (const SyncField& field : fields)
            visit(field, read(field.encoding));
    }
    [[nodiscard]] std::uint64_t& at(std::uint64_t region, vmcs::FieldIndex field) {
        return m_regions[region][vmcs::catalogue[field].encoding];
    }

    std::map<std::uint64_t, bool> active;

private:
    [[nodiscard]] Values& current() {
        if (m_current == 0) throw std::logic_error{"no VMCS is current"};
        return m_regions[m_current];
    }

    std::map<std::uint64_t, Values> m_regions;
    std::uint64_t m_current{0};
};

// L1 and L2 at random, beside what each field of vmcs12 must be to L1 and what L2 must be entered with. `L0`
// is what nested/ and shadow/shadowing.cpp do with the delivery.
class Delivering : public ::testing::TestWithParam<unsigned> {
protected:
    static constexpr std::uint64_t vmcs02{2};

    Delivering() {
        shadow.create(processor, pages.page(0), 1);
        choose_bitmaps();
        left = nested::always_saved_fields | nested::exit_information_fields;
        Delivery::deliver_all(processor, vmcs02, reads, shadow, vmcs12);
        SyncList all{};
        all.assign(vmcs::testing::all_fields());
        vmcs12.mark_dirty(all.set());
        enter_l2();
    }

    [[nodiscard]] std::uint64_t value() { return random() % 4; } // often the same as before
    [[nodiscard]] vmcs::FieldIndex field() {
        return static_cast<vmcs::FieldIndex>(random() % vmcs::field_count);
    }
    void choose_bitmaps() {
        reads = vmcs::testing::random_fields(random, 4);
        writes.assign(reads & vmcs::testing::random_fields(random, 2));
        delivery.forget();
    }

    void exit_l2() {
        left.for_each([&](vmcs::FieldIndex f) {
            if (random() % 3 == 0) processor.at(vmcs02, f) = value();
            truth[f] = processor.at(vmcs02, f);
        });
        processor.make_current(vmcs02);
        if (random() % 4 == 0) { // L0 has something to say of a field that the exit does not save
            const vmcs::FieldIndex f{vmcs::index_of(F::vm_entry_interruption_information)};
            processor.at(vmcs02, f) = truth[f] = value();
            vmcs12.leave(F::vm_entry_interruption_information, truth[f]);
        }
        is_sampled = random() % 8 == 0;
        if (!is_sampled) {
            delivery.deliver_exit(processor, vmcs02, reads, left, shadow, vmcs12);
        } else {
            shadow.settle(processor);
            const auto before{vmcs12.values()};
            delivery.fetch_exit(processor, left, vmcs12);
            check_changes(before);
        }
        stands_aside = is_sampled;
    }

    // Of what is no longer in vmcs02 it is known once whether it is another.
    void check_changes(const nested::Vmcs12Values& before) {
        left.for_each([&](vmcs::FieldIndex f) {
            if (vmcs12.in_vmcs02().test(f)) return;
            EXPECT_EQ(vmcs12.has_changed(f), vmcs12.get(f) != before.values[f]);
        });
    }
    [[nodiscard]] std::uint64_t vmread(vmcs::FieldIndex f) {
        if (!stands_aside && reads.test(f)) return processor.at(pages.page(0), f);
        if (vmcs12.in_vmcs02().test(f)) vmcs12.fetched(f, processor.at(vmcs02, f));
        return vmcs12.get(f);
    }
    void vmwrite(vmcs::FieldIndex f) {
        truth[f] = value();
        if (!stands_aside && writes.set().test(f)) {
            processor.at(pages.page(0), f) = truth[f];
            return;
        }
        vmcs12.write(f, truth[f]);
        if (!reads.test(f)) return;
        if (stands_aside) {
            if (!delivery.brings(f)) vmcs12.note_moved(f);
            return;
        }
        vmcs::FieldSet one{};
        one.set(f);
        shadow.fill(processor, one, vmcs12);
    }
    void reload() {
        if (!stands_aside) shadow.collect(processor, writes, vmcs12);
        shadow.settle(processor);
        choose_bitmaps();
        if (!stands_aside) Delivery::deliver_all(processor, vmcs02, reads, shadow, vmcs12);
    }
    void enter_l2() {
        if (!stands_aside) shadow.collect(processor, writes, vmcs12);
        vmcs12.dirty().for_each([&](vmcs::FieldIndex f) { processor.at(vmcs02, f) = vmcs12.get(f); });
        vmcs12.clean();
    }

    shadowtune::testing::Pages pages{1};
    ModelProcessor processor{};
    std::mt19937_64 random{GetParam()};
    nested::Vmcs12 vmcs12{};
    ShadowVmcs shadow{};
    Delivery delivery{};
    vmcs::FieldSet reads{}, left{}, other_left{nested::always_saved_fields};
    SyncList writes{};
    bool is_sampled{false}, stands_aside{false};
    std::array<std::uint64_t, vmcs::field_count> truth{};
};

TEST_P(Delivering, L1ReadsAndL2RunsWithTheTruth) {
    unsigned checked{0};
    for (unsigned trip{0}; trip < 2000; ++trip) {
        exit_l2();
        ASSERT_FALSE(processor.active[pages.page(0)]) << "L1 runs with an active shadow VMCS";
        for (unsigned access{0}; access < 12; ++access) {
            const vmcs::FieldIndex f{field()};
            ASSERT_EQ(vmread(f), truth[f]) << vmcs::catalogue[f].symbol << " in round trip " << trip;
            ++checked;
            if (access % 3 == 0) vmwrite(field());
            if (random() % 200 == 0) reload();
        }
        if (random() % 50 == 0) { // other exit controls from the next entry on: new ones, or those of before
            if (random() % 3 == 0) {
                other_left = (nested::always_saved_fields | nested::exit_information_fields) -
                             vmcs::testing::random_fields(random, 20);
            }
            std::swap(left, other_left);
            delivery.forget_plan();
        }
        enter_l2();
        for (vmcs::FieldIndex f{0}; f < vmcs::field_count; ++f)
            ASSERT_EQ(processor.at(vmcs02, f), truth[f])
                << vmcs::catalogue[f].symbol << " in round trip " << trip;
    }
    EXPECT_EQ(checked, 24000U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Delivering, ::testing::Values(1U, 2U, 3U));

} // namespace
} // namespace shadowtune::shadow
