// Snapshots from frames: whole or nothing, whatever was lost, and never a mixture of two.

#include "link/host/snapshot_assembler.hpp"
#include "link/host/snapshot_guard.hpp"
#include "tests/link/host/fake_vmm.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <utility>

namespace shadowtune::link::test {
namespace {

using Outcome = SnapshotAssembler::Outcome;

struct Sent {
    Message message;
    std::uint16_t sequence;
};

[[nodiscard]] Outcome push(SnapshotAssembler& assembler, const Sent& sent) {
    return assembler.push({sent.message.type, sent.sequence, sent.message.payload});
}

// Every counter must belong to the same n.
void expect_of_one_piece(const Snapshot& snapshot) {
    for (const VcpuSnapshot& vcpu : snapshot.vcpus) {
        const std::uint64_t n{vcpu.head.round_trips};
        ASSERT_EQ(vcpu.counters.size(), fake_records);
        std::uint64_t sum{0};
        std::uint64_t expected{n};
        std::size_t foreign{0};
        for (std::size_t i{0}; i < fake_records; ++i) {
            sum += vcpu.counters[i].count;
            expected += i < fake_counters ? n * factor(i) : 0;
            foreign += vcpu.counters[i].count % n != 0 ? 1U : 0U;
        }
        ASSERT_EQ(foreign, 0U);
        ASSERT_EQ(sum, expected);
    }
}

[[nodiscard]] std::vector<Sent> number(std::vector<Message> messages, std::uint16_t first) {
    std::vector<Sent> sent;
    for (auto& message : messages)
        sent.push_back({std::move(message), first++});
    return sent;
}

TEST(Assembler, PutsTogetherAcrossTheWrapOfSequenceNumbers) {
    SnapshotAssembler assembler{1};
    assembler.expect(5);
    const auto sent{number(fake_snapshot(5, 0, 77), 65'530)};
    for (std::size_t i{0}; i < sent.size(); ++i) {
        EXPECT_EQ(push(assembler, sent[i]), i + 1 == sent.size() ? Outcome::whole : Outcome::progress);
    }
    const Snapshot snapshot{assembler.take()};
    ASSERT_EQ(snapshot.vcpus.size(), 1U);
    EXPECT_EQ(std::uint64_t{snapshot.vcpus[0].head.round_trips}, 77U);
    expect_of_one_piece(snapshot);
    EXPECT_EQ(assembler.lost(), 0U);
}

TEST(Assembler, AnyLostFrameIsSeen) {
    const auto sent{number(fake_snapshot(5, 0, 3), 0)};
    for (std::size_t lost{0}; lost < sent.size(); ++lost) {
        SnapshotAssembler assembler{1};
        assembler.expect(5);
        bool broken{false};
        for (std::size_t i{0}; i < sent.size(); ++i) {
            if (i == lost) continue;
            const Outcome outcome{push(assembler, sent[i])};
            EXPECT_NE(outcome, Outcome::whole);
            broken = broken || outcome == Outcome::broken;
        }
        EXPECT_EQ(broken, lost + 1 != sent.size()) << "frame " << lost;
        EXPECT_EQ(assembler.lost() + assembler.unfinished(), 1U);
    }
}

TEST(Assembler, IgnoresWhatWasNotAskedFor) {
    SnapshotAssembler assembler{1};
    assembler.expect(6);
    for (const auto& sent : number(fake_snapshot(5, 0, 3), 0))
        EXPECT_EQ(push(assembler, sent), Outcome::foreign);
}

TEST(Assembler, RefusesRecordsThatTheCatalogueDoesNotKnow) {
    for (const CounterRecord record :
         {CounterRecord{0x681F, 0, 0, 1}, CounterRecord{0x681E, last_counted + 1, 0, 1},
          CounterRecord{0x2011, 2, 0, 1}, CounterRecord{0x2011, 8, 0, 1}, CounterRecord{0x681E, 10, 0, 1},
          CounterRecord{0x681E, 12, 0, 1}, CounterRecord{0x681E, 0, vmcs::reason_slots, 1}}) {
        SnapshotAssembler assembler{1};
        assembler.expect(5);
        auto sent{number(fake_snapshot(5, 0, 3), 0)};
        __builtin_memcpy(sent[1].message.payload.data() + sizeof(SnapshotPart), &record, sizeof(record));
        EXPECT_EQ(push(assembler, sent[0]), Outcome::progress);
        EXPECT_EQ(push(assembler, sent[1]), Outcome::broken);
    }
}

TEST(Assembler, RefusesACounterThatComesTwice) {
    SnapshotAssembler assembler{1};
    assembler.expect(5);
    auto sent{number(fake_snapshot(5, 0, 3), 0)};
    auto& payload{sent[1].message.payload};
    __builtin_memcpy(payload.data() + sizeof(SnapshotPart),
                     payload.data() + sizeof(SnapshotPart) + sizeof(CounterRecord), sizeof(CounterRecord));
    Outcome last{};
    for (const auto& one : sent)
        last = push(assembler, one);
    EXPECT_EQ(last, Outcome::broken);
}

// A request that came twice is answered twice under one id, from different counters. Random frames of both
// are lost and doubled, log lines lie between.
TEST(Assembler, NeverMixesTwoAnswersToOneId) {
    std::mt19937 random{7};
    unsigned whole{0};
    std::map<std::pair<std::uint64_t, std::uint16_t>, std::vector<Message>> answers;
    for (const std::uint64_t n : {1000U, 1001U, 1002U}) {
        for (std::uint16_t vcpu{0}; vcpu < 2; ++vcpu)
            answers[{n, vcpu}] = fake_snapshot(5, vcpu, n);
    }
    for (int round{0}; round < 2'000; ++round) {
        const auto vcpus{static_cast<std::uint16_t>(1 + round % 2)};
        SnapshotAssembler assembler{vcpus};
        assembler.expect(5);
        std::vector<Sent> line;
        auto sequence{static_cast<std::uint16_t>(random())};
        for (const std::uint64_t n : {1000U, 1001U, 1002U}) {
            for (std::uint16_t vcpu{0}; vcpu < vcpus; ++vcpu) {
                for (const auto& message : answers.at({n, vcpu})) {
                    if (random() % 16 == 0) ++sequence; // a log line
                    line.push_back({message, sequence++});
                }
            }
        }
        // Losses come in runs, as a cable does it: the worst case is a run that takes a head with it.
        bool losing{false};
        for (const Sent& sent : line) {
            if (random() % 8 == 0) losing = !losing;
            if (losing) continue;
            Outcome outcome{push(assembler, sent)};
            if (outcome == Outcome::progress && random() % 8 == 0) outcome = push(assembler, sent);
            if (outcome != Outcome::whole) continue;
            ++whole;
            ASSERT_NO_FATAL_FAILURE(expect_of_one_piece(assembler.take()));
            break;
        }
    }
    EXPECT_GT(whole, 100U);
}

[[nodiscard]] Snapshot make_snapshot(std::uint64_t boot_id, std::uint64_t n) {
    SnapshotAssembler assembler{1};
    assembler.expect(5);
    Outcome last{};
    for (const auto& sent : number(fake_snapshot(5, 0, n), 0))
        last = push(assembler, sent);
    EXPECT_EQ(last, Outcome::whole);
    Snapshot snapshot{assembler.take()};
    snapshot.boot_id = boot_id;
    return snapshot;
}

TEST(Guard, CountsMayStandStillAndGrow) {
    SnapshotGuard guard;
    EXPECT_TRUE(guard.accept(make_snapshot(1, 5)).ok());
    EXPECT_TRUE(guard.accept(make_snapshot(1, 5)).ok());
    EXPECT_TRUE(guard.accept(make_snapshot(1, 6)).ok());
    EXPECT_TRUE(guard.accept(make_snapshot(2, 1)).ok()) << "another boot begins anew";
}

TEST(Guard, NamesTheOneCounterThatWentBack) {
    for (std::size_t i{1}; i < fake_records; i += 37) {
        SnapshotGuard guard;
        ASSERT_TRUE(guard.accept(make_snapshot(1, 5)).ok());
        Snapshot next{make_snapshot(1, 5)};
        --next.vcpus[0].counters[i].count;
        const auto refused{guard.accept(next)};
        ASSERT_FALSE(refused.ok());
        const auto field{vmcs::catalogue[vmcs::find(next.vcpus[0].counters[i].encoding)].symbol};
        EXPECT_NE(refused.error().find(field), std::string::npos) << refused.error();
        EXPECT_TRUE(guard.accept(make_snapshot(1, 5)).ok()) << "a refused snapshot must leave no trace";
    }
}

TEST(Guard, NamesCountersOfEveryKind) {
    const std::pair<Counter, std::string_view> kinds[]{
        {{0x681E, Counted::memory_writes, 10, 5}, "memory writes of guest_rip after CPUID"},
        {{0x681E, Counted::changed, 10, 5}, "changes of guest_rip after CPUID"},
        {{0x681E, Counted::other, 10, 5}, "other values of guest_rip after CPUID"},
        {{0, Counted::sampled_round_trips, 10, 5}, "sampled round trips after CPUID"},
        {{0, Counted::round_trips, 10, 5}, "round trips after CPUID"},
        {{0, Counted::switches, 10, 5}, "VMPTRLDs after CPUID"},
        {{0, Counted::switched_round_trips, 10, 5}, "round trips with VMPTRLDs after CPUID"}};
    for (const auto& [counter, name] : kinds) {
        Snapshot snapshot{};
        snapshot.vcpus.resize(1);
        snapshot.vcpus[0].counters = {counter};
        SnapshotGuard guard;
        ASSERT_TRUE(guard.accept(snapshot).ok());
        --snapshot.vcpus[0].counters[0].count;
        const auto refused{guard.accept(snapshot)};
        ASSERT_FALSE(refused.ok());
        EXPECT_NE(refused.error().find(name), std::string::npos) << refused.error();
    }
}

TEST(Guard, SeesAVanishedCounterAndAnEarlierHead) {
    SnapshotGuard guard;
    ASSERT_TRUE(guard.accept(make_snapshot(1, 5)).ok());
    Snapshot next{make_snapshot(1, 6)};
    next.vcpus[0].counters.erase(next.vcpus[0].counters.begin() + 10);
    EXPECT_FALSE(guard.accept(next).ok());
    next = make_snapshot(1, 6);
    next.vcpus[0].head.tsc = 4999;
    EXPECT_FALSE(guard.accept(next).ok());
    next = make_snapshot(1, 6);
    const auto round_trips{
        std::ranges::find(next.vcpus[0].counters, Counted::round_trips, &Counter::counted)};
    ASSERT_NE(round_trips, next.vcpus[0].counters.end());
    round_trips->count = 4;
    EXPECT_FALSE(guard.accept(next).ok());
    // New counters may appear at any time.
    next = make_snapshot(1, 6);
    auto& counters{next.vcpus[0].counters};
    counters.push_back({counters.back().encoding, Counted::writes, vmcs::no_round_trip, 1});
    EXPECT_TRUE(guard.accept(next).ok());
}

} // namespace
} // namespace shadowtune::link::test
