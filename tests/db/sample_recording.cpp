#include "tests/db/sample_recording.hpp"

#include <cstdio>
#include <cstdlib>

namespace shadowtune::test {

namespace {

using db::Access;
using vmcs::Field;

constexpr std::uint8_t cpuid{static_cast<std::uint8_t>(vmcs::ExitReason::cpuid)};
constexpr std::uint8_t io{static_cast<std::uint8_t>(vmcs::ExitReason::io_instruction)};

struct Habit {
    Field field;
    Access access;
    std::uint8_t reason;
    std::uint64_t per_round; // of ten round trips
};

constexpr Habit habits[]{
    {Field::exit_reason, Access::read, cpuid, 4},
    {Field::exit_reason, Access::read, io, 6},
    {Field::guest_rip, Access::read, cpuid, 4},
    {Field::guest_rip, Access::read, io, 6},
    {Field::guest_rip, Access::write, cpuid, 4},
    {Field::guest_rip, Access::write, io, 6},
    {Field::exit_qualification, Access::read, io, 6},
    {Field::host_rsp, Access::write, io, 6},
    {Field::guest_interruptibility_state, Access::read, cpuid, 4},
    {Field::guest_interruptibility_state, Access::read, io, 6},
    // L0 must see these writes; reads may be shadowed.
    {Field::ept_pointer, Access::write, io, 1},
    {Field::ept_pointer, Access::read, io, 1},
};

// Creation of the guest, once.
constexpr Field created[]{Field::guest_es_selector, Field::host_cr3, Field::guest_idtr_base};

} // namespace

TemporaryFolder::TemporaryFolder() {
    std::string name{(std::filesystem::temp_directory_path() / "shadowtune-test-XXXXXX").string()};
    if (mkdtemp(name.data()) == nullptr) std::abort();
    m_path = name;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored{};
    std::filesystem::remove_all(m_path, ignored);
}

db::Machine sample_machine() {
    db::Machine machine{};
    machine.boot_id = 0xFEDC'BA98'7654'3210;
    machine.cpu_brand = "Test processor";
    machine.cpu_signature = 0x306C3;
    machine.tsc_khz = 2'600'000;
    machine.memory_bytes = std::uint64_t{512} << 20;
    machine.vcpus = 1;
    machine.vmm_version = "0.1.0";
    machine.catalogue_version = vmcs::catalogue_version;
    for (std::uint32_t i{0}; i < vmcs::capability_msr_count; ++i) {
        machine.hardware_msrs.values[i] = 0xFFFF'0000'0000'0000 + i;
        machine.offered_msrs.values[i] = i;
    }
    machine.hardware_msrs[0x485] = 0x2000'0000;
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        using vmcs::Capability;
        const Capability capability{vmcs::catalogue[i].capability};
        const bool common{capability == Capability::always || capability == Capability::ept ||
                          capability == Capability::vpid || capability == Capability::secondary_controls ||
                          capability == Capability::tpr_shadow ||
                          capability == Capability::preemption_timer ||
                          capability == Capability::msr_bitmaps || capability == Capability::io_bitmaps};
        if (common) machine.offered_fields.set(i);
        if (common || capability == Capability::vmcs_shadowing) machine.physical_fields.set(i);
    }
    return machine;
}

db::Labels sample_labels() {
    return {"linux", "Linux 6.1 test", "cpuid+io", "test-model", "0.1.0"};
}

vmcs::ShadowSets tuned_profile() {
    vmcs::ShadowSets sets{};
    for (const Field field : {Field::exit_reason, Field::guest_rip, Field::exit_qualification,
                              Field::host_rsp, Field::guest_interruptibility_state, Field::ept_pointer}) {
        sets.read.set(field);
    }
    sets.write.set(Field::guest_rip);
    sets.write.set(Field::host_rsp);
    return sets;
}

db::Snapshot sample_snapshot(std::uint64_t rounds, db::Mode mode) {
    db::VcpuSnapshot vcpu{};
    vcpu.mode = mode;
    vcpu.generation = mode == db::Mode::trap ? 1 : 2;
    vcpu.tsc = 1'000'000 + rounds * 250'000;
    vcpu.last_reload_ticks = mode == db::Mode::trap ? 0 : 4'321;
    const std::uint64_t trips{rounds * 10};
    vcpu.counters.round_trips = trips;
    vcpu.counters.round_trip_ticks = trips * (mode == db::Mode::trap ? 20'000 : 9'000);
    vcpu.counters.l0_ticks = trips * (mode == db::Mode::trap ? 12'000 : 1'500);
    vcpu.counters.reloads = mode == db::Mode::trap ? 1 : 2;
    vcpu.round_trips_by_reason[cpuid] = rounds * 4;
    vcpu.round_trips_by_reason[io] = rounds * 6;
    const vmcs::ShadowSets shadowed{mode == db::Mode::trap ? vmcs::ShadowSets{} : tuned_profile()};
    const std::uint64_t sampled{mode == db::Mode::sample ? rounds / 10 : 0};
    if (mode == db::Mode::sample) vcpu.sample_interval = 10;
    vcpu.sampled_round_trips_by_reason[cpuid] = sampled * 4;
    vcpu.sampled_round_trips_by_reason[io] = sampled * 6;
    for (const Habit& habit : habits) {
        const std::uint64_t in_sample{sampled * habit.per_round};
        if (in_sample != 0) {
            vcpu.sampled.push_back(
                {vmcs::encoding_of(habit.field), habit.access, habit.reason, in_sample, in_sample});
        }
        const auto& set{habit.access == Access::read ? shadowed.read : shadowed.write};
        if (set.test(habit.field)) continue;
        const std::uint64_t plain{(rounds - sampled) * habit.per_round};
        vcpu.accesses.push_back(
            {vmcs::encoding_of(habit.field), habit.access, habit.reason, plain, plain / 2});
    }
    for (const Field field : created) {
        vcpu.accesses.push_back({vmcs::encoding_of(field), Access::write, vmcs::no_round_trip, 10});
    }
    vcpu.changes = {{db::Change::at_exit, vmcs::encoding_of(Field::guest_rip), cpuid, rounds * 4},
                    {db::Change::at_exit, vmcs::encoding_of(Field::guest_rip), io, rounds * 6},
                    {db::Change::at_exit, vmcs::encoding_of(Field::exit_reason), io, rounds * 2}};
    vcpu.counters.vm_exits = trips * 2;
    vcpu.counters.sync_reads = mode == db::Mode::trap ? 0 : trips * 2;
    vcpu.counters.memory_reads = trips;
    vcpu.counters.memory_writes = trips / 2;
    vcpu.counters.walk_entries = trips * 6;
    vcpu.counters.sync_writes = mode == db::Mode::trap ? 0 : trips * 6;
    db::Snapshot snapshot{};
    snapshot.at_ms = 1'800'000'000'000 + static_cast<std::int64_t>(rounds) * 100;
    snapshot.vcpus.push_back(std::move(vcpu));
    return snapshot;
}

namespace {

void must(const auto& result) {
    if (result) return;
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
}

void write(const std::filesystem::path& path, db::Mode mode, std::uint32_t vcpus) {
    auto database{db::Database::open(path, db::OpenMode::append)};
    must(database);
    db::Machine machine{sample_machine()};
    machine.vcpus = vcpus;
    auto writer{db::RecordingWriter::begin(database.value(), machine, sample_labels(), 1'800'000'000'000)};
    must(writer);
    const bool trap{mode == db::Mode::trap};
    must(writer.value().generation({trap ? 1U : 2U, mode,
                                    static_cast<std::uint16_t>(mode == db::Mode::sample ? 10 : 0),
                                    trap ? "" : "sample", trap ? vmcs::ShadowSets{} : tuned_profile()},
                                   1'800'000'000'000));
    for (const std::uint64_t rounds : {10U, 20U, 110U}) {
        db::Snapshot snapshot{sample_snapshot(rounds, mode)};
        for (std::uint16_t number{1}; number < vcpus; ++number) {
            snapshot.vcpus.push_back(sample_snapshot(rounds / (number + 1U), mode).vcpus.front());
            snapshot.vcpus.back().vcpu = number;
        }
        must(writer.value().add_snapshot(snapshot));
    }
    must(writer.value().finish(1'800'000'020'000));
}

} // namespace

void write_sample(const std::filesystem::path& path, db::Mode mode) {
    write(path, mode, 1);
}

void write_sample_of_two(const std::filesystem::path& path) {
    write(path, db::Mode::trap, 2);
}

} // namespace shadowtune::test
