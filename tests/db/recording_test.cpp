// What is written comes back, sums included; what contradicts itself is not stored.

#include "db/recording_reader.hpp"
#include "db/unseen.hpp"
#include "tests/db/sample_recording.hpp"
#include "tests/vmcs/random_fingerprint.hpp"

#include <gtest/gtest.h>

namespace shadowtune {
namespace {

using db::Access;
using db::Database;
using db::ErrorKind;
using db::OpenMode;
using db::RecordingReader;
using db::RecordingWriter;
using vmcs::Field;

class Recording : public ::testing::Test {
protected:
    void SetUp() override {
        auto opened{Database::open(m_folder / "a.db", OpenMode::append)};
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        m_database = std::move(opened).value();
    }

    [[nodiscard]] RecordingWriter begin(std::uint32_t vcpus = 1) {
        db::Machine machine{test::sample_machine()};
        machine.vcpus = vcpus;
        auto writer{RecordingWriter::begin(m_database, machine, test::sample_labels(), 1000)};
        EXPECT_TRUE(writer.ok()) << writer.error().message;
        return std::move(writer).value();
    }

    [[nodiscard]] std::int64_t count(const std::string& table) {
        return m_database.connection().integer("SELECT count(*) FROM " + table).value();
    }

    test::TemporaryFolder m_folder;
    Database m_database;
};

TEST_F(Recording, MachineAndLabelsComeBack) {
    const db::Machine machine{test::sample_machine()};
    (void)begin();
    const auto reader{RecordingReader::open(m_database)};
    ASSERT_TRUE(reader.ok());
    const db::Machine& read{reader.value().machine()};
    EXPECT_EQ(read.boot_id, machine.boot_id);
    EXPECT_EQ(read.cpu_brand, machine.cpu_brand);
    EXPECT_EQ(read.cpu_signature, machine.cpu_signature);
    EXPECT_EQ(read.tsc_khz, machine.tsc_khz);
    EXPECT_EQ(read.memory_bytes, machine.memory_bytes);
    EXPECT_EQ(read.vcpus, machine.vcpus);
    EXPECT_EQ(read.vmm_version, machine.vmm_version);
    EXPECT_EQ(read.catalogue_version, machine.catalogue_version);
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        EXPECT_EQ(read.hardware_msrs.values[i], machine.hardware_msrs.values[i]);
        EXPECT_EQ(read.offered_msrs.values[i], machine.offered_msrs.values[i]);
    }
    EXPECT_EQ(read.offered_fields, machine.offered_fields);
    EXPECT_EQ(read.physical_fields, machine.physical_fields);
    EXPECT_EQ(reader.value().info().labels.workload, "cpuid+io");
    EXPECT_EQ(reader.value().info().started_ms, 1000);
    EXPECT_FALSE(reader.value().info().ended_ms.has_value());
}

TEST_F(Recording, TotalsAreDifferences) {
    test::write_sample(m_folder / "b.db");
    auto database{Database::open(m_folder / "b.db", OpenMode::read)};
    ASSERT_TRUE(database.ok());
    const auto reader{RecordingReader::open(database.value())};
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ(reader.value().info().ended_ms, 1'800'000'020'000);
    const auto range{reader.value().whole()};
    ASSERT_TRUE(range.ok());
    const auto totals{reader.value().totals(range.value())};
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    const db::Totals& t{totals.value()};
    EXPECT_EQ(t.counters.round_trips, 1000U);
    EXPECT_EQ(t.counters.round_trip_ticks, 20'000'000U);
    EXPECT_EQ(t.counters.reloads, 0U);
    EXPECT_EQ(t.round_trips_by_reason[10], 400U);
    EXPECT_EQ(t.round_trips_by_reason[30], 600U);
    EXPECT_EQ(t.fields[vmcs::index_of(Field::guest_rip)].reads, 1000U);
    EXPECT_EQ(t.fields[vmcs::index_of(Field::guest_rip)].writes, 1000U);
    EXPECT_EQ(t.fields[vmcs::index_of(Field::host_rsp)].writes, 600U);
    EXPECT_EQ(t.fields[vmcs::index_of(Field::host_cr3)].sum(), 0U);
    EXPECT_EQ(t.reads, 1000U + 1000U + 600U + 1000U + 100U);
    EXPECT_EQ(t.writes, 1000U + 600U + 100U);
    EXPECT_EQ(t.outside, 0U);
    EXPECT_TRUE(t.all_trap);
    EXPECT_EQ(t.generation, 1U);

    // From power-on, the creation of the guest is in it.
    const auto since_power_on{reader.value().totals({0, 1})};
    ASSERT_TRUE(since_power_on.ok());
    EXPECT_EQ(since_power_on.value().counters.round_trips, 100U);
    EXPECT_EQ(since_power_on.value().outside, 30U);
    EXPECT_EQ(since_power_on.value().fields[vmcs::index_of(Field::host_cr3)].outside, 10U);
    const auto middle{reader.value().totals({2, 3})};
    ASSERT_TRUE(middle.ok());
    EXPECT_EQ(middle.value().counters.round_trips, 900U);
    EXPECT_EQ(middle.value().fields[vmcs::index_of(Field::exit_reason)].reads, 900U);
}

TEST_F(Recording, ViewsAgreeWithTheReader) {
    test::write_sample(m_folder / "b.db");
    auto database{Database::open(m_folder / "b.db", OpenMode::read)};
    ASSERT_TRUE(database.ok());
    auto& connection{database.value().connection()};
    const auto row{[&](const std::string& where) {
        auto rows{connection.prepare(
            "SELECT count, cast(per_round_trip * 1000 AS INTEGER) FROM access_rate WHERE " + where)};
        EXPECT_TRUE(rows.ok());
        EXPECT_TRUE(rows.value().step().value());
        return std::pair{rows.value().integer(0), rows.value().integer(1)};
    }};
    EXPECT_EQ(row("field = 'host_rsp' AND access = 'write'"),
              (std::pair<std::int64_t, std::int64_t>{600, 600}));
    EXPECT_EQ(row("field = 'guest_rip' AND access = 'read'"),
              (std::pair<std::int64_t, std::int64_t>{1000, 1000}));
    EXPECT_EQ(connection.integer("SELECT round_trips FROM recording_summary").value(), 1000);
    EXPECT_EQ(
        connection.integer("SELECT sum(count) FROM access_step WHERE field = 'host_rsp' AND sequence > 1")
            .value(),
        600);
    EXPECT_EQ(connection
                  .integer("SELECT cast(per_round_trip AS INTEGER) FROM access_rate_by_reason "
                           "WHERE field = 'host_rsp' AND exit_reason = 'I/O instruction'")
                  .value(),
              1);
}

// Of 1,000 round trips 100 were sampled, in which what traps was not counted as trapped.
TEST_F(Recording, RatesAreOfRoundTripsThatWereNotSampled) {
    test::write_sample(m_folder / "b.db", db::Mode::sample);
    auto database{Database::open(m_folder / "b.db", OpenMode::read)};
    ASSERT_TRUE(database.ok());
    const auto rate{[&](const std::string& view) {
        const auto rows{database.value().connection().integer(
            "SELECT cast(round(per_round_trip * 10000) AS INTEGER) FROM " + view +
            " WHERE field = 'ept_pointer' AND access = 'write' AND count = 90")};
        EXPECT_TRUE(rows.ok());
        return rows.value();
    }};
    EXPECT_EQ(rate("access_rate"), 1000);
    EXPECT_EQ(rate("access_rate_by_reason"), 1667);
}

TEST_F(Recording, OnlyChangedCountersAreStored) {
    auto writer{begin()};
    ASSERT_TRUE(writer.add_snapshot(test::sample_snapshot(10)).ok());
    const std::int64_t first{count("access_count")};
    EXPECT_EQ(first, 15);
    ASSERT_TRUE(writer.add_snapshot(test::sample_snapshot(10)).ok());
    EXPECT_EQ(count("access_count"), first);
    ASSERT_TRUE(writer.add_snapshot(test::sample_snapshot(11)).ok());
    EXPECT_EQ(count("access_count"), first + 12);
    EXPECT_EQ(count("snapshot"), 3);
}

TEST_F(Recording, SeveralVcpusAndHighHalvesAddUp) {
    auto writer{begin(3)};
    const auto snapshot_of{[](std::uint64_t scale) {
        db::Snapshot snapshot{};
        for (std::uint16_t vcpu{0}; vcpu < 3; ++vcpu) {
            db::VcpuSnapshot state{};
            state.vcpu = vcpu;
            state.mode = vcpu == 1 ? db::Mode::tuned : db::Mode::trap;
            state.counters.round_trips = scale * (vcpu + 1U);
            state.round_trips_by_reason[12] = scale * (vcpu + 1U);
            state.accesses = {{0x2400, Access::read, 48, scale}, {0x2401, Access::read, 48, scale * 2}};
            snapshot.vcpus.push_back(state);
        }
        return snapshot;
    }};
    ASSERT_TRUE(writer.add_snapshot(snapshot_of(5)).ok());
    ASSERT_TRUE(writer.add_snapshot(snapshot_of(105)).ok());
    const auto reader{RecordingReader::open(m_database)};
    const auto totals{reader.value().totals({1, 2})};
    ASSERT_TRUE(totals.ok());
    EXPECT_EQ(totals.value().counters.round_trips, 600U);
    EXPECT_EQ(totals.value().round_trips_by_reason[12], 600U);
    EXPECT_EQ(totals.value().fields[vmcs::index_of(Field::guest_physical_address)].reads, 900U);
    EXPECT_FALSE(totals.value().all_trap);

    // Each by itself.
    for (std::uint16_t vcpu{0}; vcpu < 3; ++vcpu) {
        const auto one{reader.value().totals({1, 2}, vcpu)};
        ASSERT_TRUE(one.ok());
        EXPECT_EQ(one.value().counters.round_trips, 100U * (vcpu + 1U));
        EXPECT_EQ(one.value().round_trips_by_reason[12], 100U * (vcpu + 1U));
        EXPECT_EQ(one.value().reads, 300U);
        EXPECT_EQ(one.value().all_trap, vcpu != 1);
    }
    EXPECT_EQ(reader.value().totals({1, 2}, 3).error().kind, ErrorKind::not_found);
}

// What was in force between two snapshots shows in the numbers of the generations alone.
TEST_F(Recording, AMissingGenerationMayHaveShadowed) {
    auto writer{begin(2)};
    const auto snapshot_of{[](std::uint64_t round_trips, std::uint32_t first, std::uint32_t second) {
        db::Snapshot snapshot{};
        for (const std::uint32_t generation : {first, second}) {
            db::VcpuSnapshot state{};
            state.vcpu = static_cast<std::uint16_t>(snapshot.vcpus.size());
            state.generation = generation;
            state.counters.round_trips = state.round_trips_by_reason[12] = round_trips;
            snapshot.vcpus.push_back(state);
        }
        return snapshot;
    }};
    std::uint64_t round_trips{0};
    for (const auto& [first, second] :
         std::vector<std::pair<std::uint32_t, std::uint32_t>>{{1, 1}, {2, 1}, {3, 1}, {5, 1}, {5, 1}, {6, 1}})
        ASSERT_TRUE(writer.add_snapshot(snapshot_of(round_trips += 10, first, second)).ok());
    const auto reader{RecordingReader::open(m_database)};
    const auto complete{[&](db::SnapshotRange range, std::optional<std::uint16_t> vcpu = {}) {
        return reader.value().totals(range, vcpu).value().all_trap;
    }};
    EXPECT_TRUE(complete({0, 3}));
    EXPECT_TRUE(complete({1, 3}));
    EXPECT_FALSE(complete({3, 4}));
    EXPECT_FALSE(complete({0, 6}));
    EXPECT_TRUE(complete({4, 5}));
    EXPECT_TRUE(complete({4, 6}));
    EXPECT_TRUE(complete({0, 6}, std::uint16_t{1})) << "waits under the first one all the time";
    EXPECT_FALSE(complete({0, 6}, std::uint16_t{0}));
}

TEST_F(Recording, BeforeItsFirstSnapshotAnotherModeMayHaveBeen) {
    auto writer{begin()};
    for (const std::uint64_t rounds : {10U, 20U}) {
        db::Snapshot snapshot{test::sample_snapshot(rounds)};
        snapshot.vcpus[0].generation = 3;
        ASSERT_TRUE(writer.add_snapshot(snapshot).ok());
    }
    const auto reader{RecordingReader::open(m_database)};
    EXPECT_TRUE(reader.value().totals({1, 2}).value().all_trap);
    EXPECT_FALSE(reader.value().totals({0, 2}).value().all_trap);
}

TEST(Unseen, IsWhatAnyKnownGenerationShadowed) {
    vmcs::ShadowSets other{};
    other.read.set(Field::guest_cr3);
    const std::vector<db::Generation> generations{{1, db::Mode::trap, 0, "", {}},
                                                  {3, db::Mode::sample, 64, "a", test::tuned_profile()},
                                                  {4, db::Mode::sample, 64, "b", other},
                                                  {5, db::Mode::sample, 64, "theirs", {}},
                                                  {8, db::Mode::trap, 0, "", {}}};
    const auto everything{[](const vmcs::ShadowSets& sets) {
        return sets.read.count() == vmcs::field_count && sets.write.count() == vmcs::field_count;
    }};
    EXPECT_TRUE(db::unseen_under(generations, 1, 1).hot_set().empty());
    EXPECT_EQ(db::unseen_under(generations, 3, 3), test::tuned_profile());
    EXPECT_EQ(db::unseen_under(generations, 1, 3), test::tuned_profile()) << "2 loaded what 3 samples";
    const vmcs::ShadowSets both{db::unseen_under(generations, 1, 4)};
    EXPECT_EQ(both.read, test::tuned_profile().read | other.read);
    EXPECT_EQ(both.write, test::tuned_profile().write);
    EXPECT_TRUE(everything(db::unseen_under(generations, 4, 5))) << "sets that nobody knows";
    EXPECT_TRUE(everything(db::unseen_under(generations, 5, 8)));
    EXPECT_TRUE(everything(db::unseen_under(generations, 6, 8))) << "6 and 7 nobody saw";
    EXPECT_TRUE(everything(db::unseen_under(generations, 9, 9)));
    db::Totals totals{};
    totals.first_generation = 3;
    totals.generation = 4;
    totals.range = {1, 2};
    EXPECT_EQ(db::unseen_in(generations, totals).read, both.read);
    totals.range.from = 0;
    EXPECT_EQ(db::unseen_in(generations, totals).read, both.read);
    EXPECT_TRUE(everything(db::unseen_in(std::span{generations}.subspan(1), totals))) << "from power-on";
}

// Sampled round trips are apart from the others, and their counts are differences too.
TEST_F(Recording, SampledRoundTripsAreApart) {
    auto writer{begin()};
    const auto snapshot_of{[](std::uint64_t scale) {
        db::Snapshot snapshot{};
        db::VcpuSnapshot state{};
        state.mode = db::Mode::sample;
        state.sample_interval = 64;
        state.counters.round_trips = scale * 64;
        state.round_trips_by_reason[10] = scale * 64;
        state.accesses = {{0x4402, Access::read, 10, scale * 63}};
        state.sampled_round_trips_by_reason[10] = scale;
        state.sampled = {{0x4402, Access::read, 10, scale, scale},
                         {0x681E, Access::write, 10, scale * 2, scale * 4}};
        snapshot.vcpus.push_back(state);
        return snapshot;
    }};
    ASSERT_TRUE(writer.add_snapshot(snapshot_of(3)).ok());
    ASSERT_TRUE(writer.add_snapshot(snapshot_of(103)).ok());
    const auto reader{RecordingReader::open(m_database)};
    const auto totals{reader.value().totals({1, 2})};
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    const db::Totals& t{totals.value()};
    EXPECT_FALSE(t.all_trap);
    EXPECT_EQ(t.sampled_round_trips, 100U);
    EXPECT_EQ(t.unsampled_round_trips(), 6300U);
    EXPECT_EQ(t.sampled_round_trips_by_reason[10], 100U);
    EXPECT_EQ(t.fields[vmcs::find(0x4402)].reads, 6300U);
    ASSERT_EQ(t.sampled.size(), 2U);
    EXPECT_EQ(t.sampled[0].field, vmcs::find(0x4402));
    EXPECT_EQ(t.sampled[0].count, 100U);
    EXPECT_EQ(t.sampled[1].access, Access::write);
    EXPECT_EQ(t.sampled[1].count, 200U);
    EXPECT_EQ(t.sampled[1].squares, 400U);

    auto bad{snapshot_of(104)};
    bad.vcpus[0].sampled[1].squares = 207;
    EXPECT_EQ(writer.add_snapshot(bad).error().kind, ErrorKind::bad_data);
    bad = snapshot_of(104);
    bad.vcpus[0].sampled[0].encoding = 0x2001;
    EXPECT_EQ(writer.add_snapshot(bad).error().kind, ErrorKind::bad_data);
    bad = snapshot_of(104);
    bad.vcpus[0].sampled_round_trips_by_reason[10] = 1;
    EXPECT_EQ(writer.add_snapshot(bad).error().kind, ErrorKind::bad_data);
    EXPECT_TRUE(writer.add_snapshot(snapshot_of(104)).ok());
}

// Changes of values are differences as well; encoding 0 is a field where they are of a field.
TEST_F(Recording, ChangesComeBack) {
    auto writer{begin()};
    const auto snapshot_of{[](std::uint64_t scale) {
        db::Snapshot snapshot{};
        db::VcpuSnapshot state{};
        state.changes = {{db::Change::at_exit, 0x681E, 10, scale},
                         {db::Change::at_exit, 0x681E, 30, scale * 2},
                         {db::Change::at_exit, 0x681E, vmcs::no_round_trip, scale * 100},
                         {db::Change::at_switch, 0x0000, 10, scale * 17},
                         {db::Change::at_switch, 0x681E, 10, 17},
                         {db::Change::of_vmcs, 0, 10, scale * 4},
                         {db::Change::of_vmcs_once, 0, 10, scale * 3}};
        snapshot.vcpus.push_back(state);
        return snapshot;
    }};
    ASSERT_TRUE(writer.add_snapshot(snapshot_of(3)).ok());
    ASSERT_TRUE(writer.add_snapshot(snapshot_of(13)).ok());
    EXPECT_EQ(count("change_count"), 7 + 6) << "what did not change has no row";
    const auto reader{RecordingReader::open(m_database)};
    const auto totals{reader.value().totals({1, 2})};
    ASSERT_TRUE(totals.ok()) << totals.error().message;
    const db::Totals& t{totals.value()};
    EXPECT_EQ(t.switches, 40U);
    EXPECT_EQ(t.switched_round_trips, 30U);
    EXPECT_EQ(t.changes[vmcs::find(0x681E)].at_exit, 30U) << "in round trips";
    EXPECT_EQ(t.changes[vmcs::find(0x681E)].at_switch, 0U);
    EXPECT_EQ(t.changes[vmcs::find(0)].at_switch, 170U);
    EXPECT_EQ(reader.value().totals({0, 2}).value().changes[vmcs::find(0x681E)].at_switch, 17U);

    auto bad{snapshot_of(14)};
    bad.vcpus[0].changes[0].encoding = 0x2001;
    EXPECT_EQ(writer.add_snapshot(bad).error().kind, ErrorKind::bad_data);
    bad = snapshot_of(14);
    bad.vcpus[0].changes[5].count = 1;
    EXPECT_EQ(writer.add_snapshot(bad).error().kind, ErrorKind::bad_data);
}

TEST_F(Recording, BadSnapshotsAreRefusedWhole) {
    auto writer{begin()};
    ASSERT_TRUE(writer.add_snapshot(test::sample_snapshot(10)).ok());
    const std::int64_t stored{count("access_count")};
    const auto expect_bad{[&](const db::Snapshot& snapshot) {
        const auto added{writer.add_snapshot(snapshot)};
        ASSERT_FALSE(added.ok());
        EXPECT_EQ(added.error().kind, ErrorKind::bad_data);
        EXPECT_EQ(count("snapshot"), 1);
        EXPECT_EQ(count("access_count"), stored);
    }};
    expect_bad(test::sample_snapshot(9)); // a counter went back
    expect_bad(db::Snapshot{});
    auto odd{test::sample_snapshot(11)};
    odd.vcpus[0].accesses.push_back({0x681F, Access::read, 10, 1}); // RIP has no high half
    expect_bad(odd);
    auto memory{test::sample_snapshot(11)};
    memory.vcpus[0].accesses[0].in_memory = memory.vcpus[0].accesses[0].count + 1;
    expect_bad(memory);
    auto reason{test::sample_snapshot(11)};
    reason.vcpus[0].accesses[0].reason = 81;
    expect_bad(reason);
    auto twice{test::sample_snapshot(11)};
    twice.vcpus[0].accesses.push_back(twice.vcpus[0].accesses[0]);
    expect_bad(twice);
    // And the next good one still works.
    EXPECT_TRUE(writer.add_snapshot(test::sample_snapshot(11)).ok());
}

TEST_F(Recording, GenerationsComeBack) {
    auto writer{begin()};
    const vmcs::ShadowSets sets{test::tuned_profile()};
    ASSERT_TRUE(writer.generation({7, db::Mode::sample, 64, "mine", sets}, 5).ok());
    ASSERT_TRUE(writer.generation({7, db::Mode::sample, 64, "mine", sets}, 6).ok());
    ASSERT_TRUE(writer.generation({8, db::Mode::trap, 0, "", {}}, 7).ok());
    const auto reader{RecordingReader::open(m_database)};
    const auto generations{reader.value().generations()};
    ASSERT_TRUE(generations.ok());
    ASSERT_EQ(generations.value().size(), 2U);
    EXPECT_EQ(generations.value()[0].number, 7U);
    EXPECT_EQ(generations.value()[0].mode, db::Mode::sample);
    EXPECT_EQ(generations.value()[0].sample_interval, 64);
    EXPECT_EQ(generations.value()[0].profile_name, "mine");
    EXPECT_EQ(generations.value()[0].sets, sets);
    EXPECT_EQ(generations.value()[1].mode, db::Mode::trap);
    EXPECT_TRUE(generations.value()[1].sets.hot_set().empty());
}

TEST_F(Recording, FingerprintComesBack) {
    std::mt19937_64 random{2};
    db::Fingerprint print{};
    print.seen = vmcs::testing::random_fingerprint(random);
    print.seen.offered = test::sample_machine().offered_fields;
    print.seen.controls.tertiary = ~std::uint64_t{0};
    RecordingWriter writer{begin()};
    auto reader{RecordingReader::open(m_database)};
    EXPECT_FALSE(reader.value().fingerprint().value().has_value());
    ASSERT_TRUE(writer.fingerprint(print).ok());
    const auto read{reader.value().fingerprint().value()};
    ASSERT_TRUE(read.has_value());
    EXPECT_FALSE(read->hidden);
    EXPECT_EQ(read->seen, print.seen);
    EXPECT_EQ(count("fingerprint_access"), static_cast<std::int64_t>(print.seen.size()));
    EXPECT_FALSE(writer.fingerprint(print).ok()) << "a second one";
    EXPECT_EQ(count("fingerprint"), 1);
}

TEST_F(Recording, HiddenFingerprintSaysSo) {
    RecordingWriter writer{begin()};
    ASSERT_TRUE(writer.fingerprint({true, {}}).ok());
    const auto read{RecordingReader::open(m_database).value().fingerprint().value()};
    ASSERT_TRUE(read.has_value());
    EXPECT_TRUE(read->hidden);
    EXPECT_EQ(read->seen.size(), 0U);
}

TEST_F(Recording, ManyInOneFile) {
    for (int i{0}; i < 3; ++i) {
        auto writer{begin()};
        ASSERT_TRUE(writer.add_snapshot(test::sample_snapshot(10)).ok());
    }
    const auto list{RecordingReader::list(m_database)};
    ASSERT_TRUE(list.ok());
    ASSERT_EQ(list.value().size(), 3U);
    EXPECT_EQ(count("machine"), 1); // one boot, stored once
    EXPECT_EQ(RecordingReader::open(m_database).value().info().id, list.value()[2].id);
    EXPECT_EQ(RecordingReader::open(m_database, list.value()[0].id).value().info().id, list.value()[0].id);
    EXPECT_EQ(RecordingReader::open(m_database, 99).error().kind, ErrorKind::not_found);
}

TEST_F(Recording, RangesAreChecked) {
    EXPECT_EQ(RecordingReader::open(m_database).error().kind, ErrorKind::not_found);
    auto writer{begin()};
    ASSERT_TRUE(writer.add_snapshot(test::sample_snapshot(10)).ok());
    const auto reader{RecordingReader::open(m_database)};
    EXPECT_EQ(reader.value().whole().error().kind, ErrorKind::not_found);
    EXPECT_EQ(reader.value().totals({1, 1}).error().kind, ErrorKind::not_found);
    EXPECT_EQ(reader.value().totals({0, 2}).error().kind, ErrorKind::not_found);
    EXPECT_TRUE(reader.value().totals({0, 1}).ok());
}

} // namespace
} // namespace shadowtune
