// The VMM's frozen counters against the host's assembler: whatever is lost on the line, a whole snapshot is
// what the vCPUs had counted, though most of it was never sent again.

#include "hypervisor/shadow/frozen_counters.hpp"
#include "link/host/snapshot_assembler.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace shadowtune::link::test {
namespace {

using Outcome = SnapshotAssembler::Outcome;
using shadow::AccessCounters;
using shadow::FrozenCounters;

constexpr std::uint16_t vcpus{2};

struct Vcpu {
    AccessCounters counters;
    FrozenCounters frozen;
    FrozenCounters::RoundTrips round_trips{};

    [[nodiscard]] std::vector<Counter> truth() const {
        std::map<decltype(Counter{}.key()), Counter> all{};
        const auto add{[&](const Counter& counter) { all[counter.key()] = counter; }};
        for (const CounterRecord& cell : counters.cells())
            add({cell.encoding, static_cast<Counted>(cell.counted), cell.reason, cell.count});
        for (std::uint8_t reason{0}; reason < vmcs::reason_slots; ++reason) {
            if (round_trips[reason] != 0) add({0, Counted::round_trips, reason, round_trips[reason]});
        }
        std::vector<Counter> sorted{};
        for (const auto& [key, counter] : all)
            sorted.push_back(counter);
        return sorted;
    }
};

class Machine {
public:
    explicit Machine(unsigned seed) : m_random{seed} {
        for (auto& vcpu : m_vcpus)
            vcpu = std::make_unique<Vcpu>();
    }

    void work() {
        for (auto& vcpu : m_vcpus) {
            for (unsigned i{0}; i < m_random() % 40; ++i) {
                const auto field{
                    static_cast<vmcs::FieldIndex>(m_random() % (m_random() % 16 == 0 ? 200 : 9))};
                const auto reason{static_cast<std::uint8_t>(m_random() % 3)};
                vcpu->counters.count(field, false, Access::read, reason);
                ++vcpu->round_trips[reason];
            }
        }
    }

    // The answer to a request, but that one frame of so many is lost.
    [[nodiscard]] std::optional<Snapshot> snapshot(const Snapshot* known, unsigned lost_one_in) {
        SnapshotAssembler assembler{vcpus, known};
        assembler.expect(++m_id);
        ++m_number;
        for (std::uint16_t i{0}; i < vcpus; ++i) {
            SnapshotHead head{};
            head.vcpu = i;
            head.id = m_id;
            m_vcpus[i]->frozen.freeze(m_number, assembler.known_number(), head, m_vcpus[i]->round_trips,
                                      m_vcpus[i]->counters.cells());
        }
        bool whole{false};
        const auto send{[&](MessageType type, std::span<const std::uint8_t> payload) {
            ++m_sequence;
            if (lost_one_in != 0 && m_random() % lost_one_in == 0) return;
            whole = assembler.push({type, m_sequence, payload}) == Outcome::whole;
        }};
        for (std::uint16_t i{0}; i < vcpus; ++i) {
            const FrozenCounters& frozen{m_vcpus[i]->frozen};
            const SnapshotHead head{frozen.head()};
            m_differences += head.since != 0 ? 1U : 0U;
            send(MessageType::snapshot_head, {reinterpret_cast<const std::uint8_t*>(&head), sizeof(head)});
            for (std::uint16_t part{0}; part < head.parts; ++part) {
                CounterRecord records[records_per_part];
                const std::size_t count{frozen.part(part, records)};
                m_records += count;
                const SnapshotPart first{m_id, i, part, static_cast<std::uint16_t>(count)};
                std::vector<std::uint8_t> payload(sizeof(first) + count * sizeof(CounterRecord));
                __builtin_memcpy(payload.data(), &first, sizeof(first));
                __builtin_memcpy(payload.data() + sizeof(first), records, count * sizeof(CounterRecord));
                send(MessageType::snapshot_part, payload);
            }
        }
        if (!whole) return {};
        return assembler.take();
    }

    void expect_truth(const Snapshot& snapshot) const {
        ASSERT_EQ(snapshot.vcpus.size(), vcpus);
        for (std::size_t i{0}; i < vcpus; ++i)
            EXPECT_EQ(snapshot.vcpus[i].counters, m_vcpus[i]->truth());
    }

    [[nodiscard]] std::size_t records() const { return m_records; }
    [[nodiscard]] unsigned differences() const { return m_differences; }

private:
    std::mt19937 m_random;
    std::unique_ptr<Vcpu> m_vcpus[vcpus];
    std::uint32_t m_id{0};
    std::uint32_t m_number{0};
    std::uint16_t m_sequence{0};
    std::size_t m_records{0};
    unsigned m_differences{0};
};

TEST(Differences, MakeWholeSnapshotsWhateverIsLost) {
    Machine machine{7};
    std::optional<Snapshot> known{};
    unsigned whole{0};
    for (int round{0}; round < 2'000; ++round) {
        machine.work();
        auto snapshot{machine.snapshot(known ? &*known : nullptr, 8)};
        if (!snapshot) continue;
        ++whole;
        ASSERT_NO_FATAL_FAILURE(machine.expect_truth(*snapshot)) << round;
        known = std::move(snapshot);
    }
    EXPECT_GT(whole, 500U);
    EXPECT_GT(machine.differences(), 500U);
}

TEST(Differences, AreFew) {
    Machine machine{8};
    std::optional<Snapshot> known{};
    for (int round{0}; round < 500; ++round) {
        machine.work();
        known = machine.snapshot(known ? &*known : nullptr, 0);
        ASSERT_TRUE(known);
        ASSERT_NO_FATAL_FAILURE(machine.expect_truth(*known));
    }
    EXPECT_LT(machine.records() * 5,
              500 * (known->vcpus[0].counters.size() + known->vcpus[1].counters.size()));
}

// A host that knows another snapshot than the VMM takes it for cannot make it whole.
TEST(Differences, ToAnotherSnapshotAreRefused) {
    Machine machine{9};
    machine.work();
    auto first{machine.snapshot(nullptr, 0)};
    ASSERT_TRUE(first);
    machine.work();
    const auto second{machine.snapshot(&*first, 0)};
    ASSERT_TRUE(second);
    Snapshot other{*second};
    other.vcpus[1].head.number = 77;
    machine.work();
    const auto third{machine.snapshot(&other, 0)};
    ASSERT_TRUE(third) << "numbers that differ are not asked with: the answer is all of it";
    ASSERT_NO_FATAL_FAILURE(machine.expect_truth(*third));
    // An answer that claims to follow a snapshot that the host does not have.
    SnapshotAssembler assembler{1};
    assembler.expect(5);
    SnapshotHead head{};
    head.id = 5;
    head.number = 9;
    head.since = 8;
    EXPECT_EQ(
        assembler.push(
            {MessageType::snapshot_head, 0, {reinterpret_cast<const std::uint8_t*>(&head), sizeof(head)}}),
        Outcome::broken);
}

} // namespace
} // namespace shadowtune::link::test
